"""Ten thousand clients wait for events, logs and a container's output, and go: the daemon's memory is where it was.
Usage: idle_clients.py CONTAINER [COUNT]"""
import os, resource, socket, sys, time

container, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
socket_path = os.environ["DAEMON_SOCKET"]
pid = int(open(os.environ["DAEMON_ROOT"] + "/pid").read())
# Events last: an attach is one, and each of those who wait for events would be told of it.
REQUESTS = [
    f"POST /containers/{container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
    f"GET /containers/{container}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
]


def status(name):
    return int(next(line.split()[1] for line in open(f"/proc/{pid}/status") if line.startswith(name + ":")))


def settled(name, wanted, seconds=60):
    """Waits until it is at most `wanted`; gives the last value."""
    deadline = time.monotonic() + seconds
    while (value := status(name)) > wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return value


def connect(request):
    client = socket.socket(socket.AF_UNIX)
    client.connect(socket_path)  # waits while the daemon has not accepted those before
    client.settimeout(60)
    client.sendall(request.encode())
    return client


def come_and_go(number):
    clients = [connect(request) for request in REQUESTS for _ in range(number // len(REQUESTS))]
    for client in clients:
        head = client.recv(4096)
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 101")), head
    top = status("VmRSS"), status("Threads")
    for client in reversed(clients):
        client.close()
    return top


resource.setrlimit(resource.RLIMIT_NOFILE, (count + 1000, max(count + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
come_and_go(300)  # the C library keeps the stacks of some ended threads
threads = settled("Threads", 40)
settled("VmRSS", 0, 2)
before = status("VmRSS")
top, top_threads = come_and_go(count)
threads_after = settled("Threads", threads)
after = settled("VmRSS", before + 4096, 20)
print(f"{count} clients: {before} KiB before, {top} with them ({top_threads} threads), {after} after; threads {threads} and {threads_after}", file=sys.stderr)
print("back" if after <= before + 4096 and threads_after <= threads else f"{before} KiB before, {after} after, threads {threads} and {threads_after}")
