#!/usr/bin/env python3
"""archive_call.py METHOD PATH [BODY-FILE]: one call of the archive endpoints, and what matters of the answer: the fields of the
path's description, then the first names in the tar, or the status and the message."""
import base64, http.client, io, json, os, socket, sys, tarfile


def call(method, path, body):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["DAEMON_SOCKET"])
    connection.request(method, path, body, {"Content-Type": "application/x-tar"} if body is not None else {})
    reply = connection.getresponse()
    return reply.status, reply.headers, reply.read()


def main(method, path, body_file=None):
    status, headers, body = call(method, path, open(body_file, "rb").read() if body_file else None)
    described = headers.get("X-Docker-Container-Path-Stat")
    if described:
        stat = json.loads(base64.b64decode(described))
        size = stat["size"] if not stat["mode"] >> 31 else "directory"
        print(stat["name"], stat["mode"], stat["linkTarget"] or "-", stat["mtime"][:2], size)
    if status != 200 or method == "PUT":
        print(status, json.loads(body)["message"] if body else "")
    elif method == "GET":
        print(*[member.name for member in tarfile.open(fileobj=io.BytesIO(body)).getmembers()[:3]])


main(*sys.argv[1:])
