"""Whether a plain HTTP request gets an answer at 127.0.0.1 PORT."""
import socket, sys

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"GET /_ping HTTP/1.1\r\n\r\n" + b"x" * 1000)
connection.settimeout(30)
try:
    print(b"OK" in connection.recv(1000))
except OSError:
    print(False)
