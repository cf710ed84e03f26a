"""Ten thousand clients each wait for a container's output, its log, and events, and go; then a thousand of each kind at once:
the daemon's memory is where it was. Usage: idle_clients.py CONTAINER [COUNT]"""
import os, resource, socket, sys, time

container, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
socket_path = os.environ["DAEMON_SOCKET"]
pid = int(open(os.environ["DAEMON_ROOT"] + "/pid").read())
ATTACH = f"POST /containers/{container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
LOGS = f"GET /containers/{container}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n"
EVENTS = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"


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
    head = client.recv(4096)
    assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 101")), head
    return client


def come_and_go(requests, number):
    """`number` clients of each; returns the daemon's memory and threads while all are there."""
    clients = [connect(request) for _ in range(number) for request in requests]
    top = settled("Threads", threads, 20), status("VmRSS")
    for client in reversed(clients):
        client.close()
    return top


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
assert hard >= count + 1000, f"needs {count + 1000} descriptors, has {hard}"
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
threads = 40
come_and_go([ATTACH, LOGS, EVENTS], 100)  # the C library keeps the stacks of some ended threads
threads = settled("Threads", 40)
settled("VmRSS", 0, 2)
before = status("VmRSS")
faults = []
for name, requests in ("attach", [ATTACH]), ("logs", [LOGS]), ("events", [EVENTS]), ("all", [ATTACH, LOGS, EVENTS]):
    began = time.monotonic()
    # Each attach is an event for all who listen: a thousand of them for a thousand are a million.
    top_threads, top = come_and_go(requests, count if len(requests) == 1 else count // 10)
    after = settled("VmRSS", before + 4096, 20)
    print(f"{name}: {before} KiB before, {top} with them, {after} after; {top_threads} threads, {threads} before; {time.monotonic() - began:.1f} s", file=sys.stderr)
    if after > before + 4096:
        faults.append(f"{name}: {before} KiB before, {after} after")
    if top_threads > threads:
        faults.append(f"{name}: {top_threads} threads for clients that wait, {threads} without them")
print("\n".join(faults) or "back")
