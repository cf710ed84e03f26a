"""Servers on a loopback port of their own, which goes to PORT-FILE. Usage: small_servers.py PORT-FILE web DIRECTORY | silent"""
import functools, http.server, os, socket, sys


def tell(port):
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(str(port))
    os.rename(sys.argv[1] + ".new", sys.argv[1])


if sys.argv[2] == "web":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[3]))
    tell(server.server_address[1])
    server.serve_forever()
listener = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing
tell(listener.getsockname()[1])
kept = []
while True:
    kept.append(listener.accept())
