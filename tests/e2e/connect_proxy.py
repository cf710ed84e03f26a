"""A proxy for CONNECT on a loopback port: every tunnel ends at 127.0.0.1:TARGET, whatever was asked for.
Usage: connect_proxy.py PORT-FILE LOG-FILE TARGET; the log gets one line for each CONNECT."""
import os, socket, sys, threading

port_file, log_file, target = sys.argv[1], sys.argv[2], int(sys.argv[3])


def carry(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(4096)
        if not piece:
            return
        head += piece
    first, *fields = head.decode().split("\r\n")
    credentials = next((f.split(": ", 1)[1] for f in fields if f.lower().startswith("proxy-authorization:")), "-")
    with open(log_file, "a") as log:
        log.write(f"{first} {credentials}\n")
    if not first.startswith("CONNECT "):
        return client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
    with socket.create_connection(("127.0.0.1", target)) as server:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        thread = threading.Thread(target=carry, args=(client, server), daemon=True)
        thread.start()
        carry(server, client)
        thread.join(10)


listener = socket.create_server(("127.0.0.1", 0))
open(log_file, "w").close()
with open(port_file + ".new", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(port_file + ".new", port_file)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=lambda c=connection: (serve(c), c.close()), daemon=True).start()
