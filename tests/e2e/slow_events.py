"""A subscriber that does not read while thousands of things happen gets all of them afterwards, or is told what it has missed; nobody waits for it."""
import http.client, json, os, socket, time

COUNT = 4000


def connect():
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.environ["DAEMON_SOCKET"])
    client.settimeout(60)
    return client


slow = connect()
slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
slow.sendall(b"GET /events?filters=%7B%22type%22%3A%5B%22image%22%5D%7D HTTP/1.1\r\nHost: x\r\n\r\n")
stream = slow.makefile("rb")
assert b"200" in stream.readline()
caller = http.client.HTTPConnection("localhost")
caller.sock = connect()
started = time.monotonic()
for i in range(COUNT):
    caller.request("POST", f"/images/busybox/tag?repo=slow-events&tag=t{i % 3}")
    reply = caller.getresponse()
    reply.read()
    assert reply.status == 201, reply.status
caller.request("POST", "/images/busybox/tag?repo=slow-events&tag=last")
caller.getresponse().read()
seen, gaps, last = 0, 0, ""
while not last.endswith(":last"):
    line = stream.readline()
    if not line.startswith(b"{"):
        continue  # the header, and sizes of chunks
    event = json.loads(line)
    if event.get("Type") == "daemon" or event["Action"] == "gap":
        gaps += 1
        continue
    seen += 1
    last = event["Actor"]["Attributes"].get("name", "")
print("all of them" if seen == COUNT + 1 and gaps == 0 else "a gap that is told" if gaps else f"{seen} of {COUNT + 1} and no word of the rest")
for tag in ("t0", "t1", "t2", "last"):
    caller.request("DELETE", f"/images/slow-events:{tag}")
    caller.getresponse().read()
