"""A volume driver as a plugin: directories below its own. python3 volume_plugin.py SOCKET|tcp:FILE-FOR-PORT DIRECTORY; logs each call to DIRECTORY/calls."""
import http.server, json, os, shutil, socketserver, sys

SOCKET, ROOT = sys.argv[1:3]
volumes, mounts = {}, {}


def answer(method, request):
    name = request.get("Name", "")
    path = f"{ROOT}/{name}"
    if method == "Plugin.Activate":
        return {"Implements": ["VolumeDriver"]}
    if method == "VolumeDriver.Capabilities":
        return {"Capabilities": {"Scope": "global"}}
    if method == "VolumeDriver.List":
        return {"Volumes": [{"Name": n, "Mountpoint": f"{ROOT}/{n}"} for n in volumes], "Err": ""}
    if method == "VolumeDriver.Create":
        if (request.get("Opts") or {}).get("fail"):
            return {"Err": "no room for " + name}
        os.makedirs(path, exist_ok=True)
        volumes[name] = request.get("Opts") or {}
        return {"Err": ""}
    if name not in volumes:
        return {"Err": "no such volume " + name}
    if method == "VolumeDriver.Remove":
        shutil.rmtree(path)
        del volumes[name]
    elif method == "VolumeDriver.Mount":
        mounts.setdefault(name, []).append(request["ID"])
        return {"Mountpoint": path, "Err": ""}
    elif method == "VolumeDriver.Unmount":
        mounts[name].remove(request["ID"])
    elif method == "VolumeDriver.Path":
        return {"Mountpoint": path, "Err": ""}
    elif method == "VolumeDriver.Get":
        return {"Volume": {"Name": name, "Mountpoint": path, "Status": {"mounts": len(mounts.get(name, []))}}, "Err": ""}
    return {"Err": ""}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        method, request = self.path[1:], json.loads(body or b"{}")
        reply = answer(method, request)
        with open(ROOT + "/calls", "a") as log:
            log.write(f"{method} {request.get('Name', '')}\n")
        text = json.dumps(reply).encode()
        self.send_response(500 if reply.get("Err") else 200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.2+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "daemon"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


os.makedirs(ROOT, exist_ok=True)
if SOCKET.startswith("tcp:"):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with open(SOCKET[4:] + ".new", "w") as file:
        print(server.server_address[1], file=file)
    os.rename(SOCKET[4:] + ".new", SOCKET[4:])
else:
    server = Server(SOCKET, Handler)
server.serve_forever()
