"""Serves DIRECTORY by HTTP and its repositories by the git protocol, and writes "HTTP-PORT GIT-PORT" to the file PORTS; log is a line per request.

    /named        Content-Disposition: attachment; filename="given.txt"
    /private/...  only with Authorization: Bearer letmein"""
import functools, http.server, os, socketserver, subprocess, sys, threading


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/private/") and self.headers.get("Authorization") != "Bearer letmein":
            return self.send_error(401)
        if self.path == "/named":
            self.send_response(200)
            self.send_header("Content-Disposition", 'attachment; filename="given.txt"')
            self.send_header("Content-Length", "6")
            self.end_headers()
            return self.wfile.write(b"given\n")
        super().do_GET()

    def log_request(self, code="-", size="-"):
        with open("log", "a") as log:
            log.write(f"{self.command} {self.path} {int(code)}\n")

    def log_error(self, *arguments):
        pass


class Git(socketserver.BaseRequestHandler):
    def handle(self):
        subprocess.run(["git", "-c", "safe.directory=*", "daemon", "--inetd", "--export-all", f"--base-path={directory}"], stdin=self.request, stdout=self.request,
                       stderr=subprocess.DEVNULL)


directory, ports = os.path.abspath(sys.argv[1]), sys.argv[2]
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))
git = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Git)
threading.Thread(target=git.serve_forever, daemon=True).start()
with open(ports + ".new", "w") as file:
    file.write(f"{web.server_port} {git.server_address[1]}\n")
os.rename(ports + ".new", ports)
web.serve_forever()
