"""Listens to events until the daemon at SOCKET has no connection left, and says what the next clients see.
Usage: connection_limit.py SOCKET"""
import socket, subprocess, sys
clients = []
while len(clients) < 1000:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(sys.argv[1])
    client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    reply = client.recv(4096)
    if b" 200 OK" not in reply:
        print(reply.split(b"\r\n")[0].decode(), len(clients) > 700)
        break
    clients.append(client)
done = subprocess.run(["hull", "-H", "unix://" + sys.argv[1], "ps"], capture_output=True, text=True)
print(done.returncode, done.stderr.strip())
clients[0].close()
for attempt in range(1000):
    done = subprocess.run(["hull", "-H", "unix://" + sys.argv[1], "run", "--rm", "--network", "none", "busybox", "echo", "room again"], capture_output=True, text=True)
    if attempt == 0:
        [client.close() for client in clients]
    if done.returncode == 0:
        break
print(done.stdout.strip())
