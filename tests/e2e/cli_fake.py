#!/usr/bin/env python3
"""cli_fake.py SOCKET FILE COMMAND...: runs COMMAND against a daemon that only knows what to say.

FILE is JSON: {"GET /containers/x/json": REPLY, ...}, paths without version and query. A REPLY is the body, or
{"status": N, "headers": {...}, "body": ...} ; a list of bodies is sent line by line. Every request is a line of
SOCKET.log: method, path with query, body. HULL_FAKE_HEADERS=Name,... adds these headers to the line.
The command finds the daemon through DOCKER_HOST. Its exit status is ours."""
import http.server, json, os, re, socketserver, subprocess, sys, threading, urllib.parse

socket_path, replies, command = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3:]
replies.setdefault("GET /_ping", {"headers": {"Api-Version": "1.47", "Ostype": "linux"}, "body": "OK"})
replies.setdefault("HEAD /_ping", {"headers": {"Api-Version": "1.47", "Ostype": "linux"}, "body": ""})
log = open(socket_path + ".log", "w")
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self):
        body = self.read_body()
        path = re.sub(r"^/v1\.[0-9]+", "", self.path)
        plain = urllib.parse.unquote(path.split("?")[0])
        wanted = [f"{name}: {self.headers[name]}" for name in os.environ.get("HULL_FAKE_HEADERS", "").split(",") if name and name in self.headers]
        if not plain.endswith("/_ping"):
            with lock:
                text = body.decode(errors="replace").strip() if len(body) < 16384 and b"\0" not in body else f"{len(body)} bytes"
                print(self.command, urllib.parse.unquote(path), *wanted, text, file=log, flush=True)
        reply = replies.get(f"{self.command} {plain}", {"status": 404, "body": {"message": f"no reply for {self.command} {plain}"}})
        if not (isinstance(reply, dict) and "body" in reply):
            reply = {"body": reply}
        content = reply["body"]
        if isinstance(content, dict) or content is None:
            data = json.dumps(content).encode() + b"\n"
        elif isinstance(content, list) and reply.get("lines"):
            data = b"".join(json.dumps(line).encode() + b"\n" for line in content)
        elif isinstance(content, list):
            data = json.dumps(content).encode() + b"\n"
        else:
            data = content.encode()
        self.send_response(reply.get("status", 200))
        for name, value in reply.get("headers", {}).items():
            self.send_header(name, value)
        if "Content-Type" not in reply.get("headers", {}):
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer

    def address_string(self):
        return "local"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if os.path.exists(socket_path):
    os.unlink(socket_path)
server = Server(socket_path, Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
status = subprocess.run(command, env={**os.environ, "DOCKER_HOST": "unix://" + socket_path}).returncode
os.unlink(socket_path)
sys.exit(status % 256)
