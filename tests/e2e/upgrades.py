"""Attaches with and without asking for an upgrade, in two versions of the API; or runs an exec and looks at it afterwards.
Usage: upgrades.py CONTAINER [exec]"""
import http.client, json, os, socket, sys, time


def connect():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(os.environ["DAEMON_SOCKET"])
    return client


def call(method, path, body=None):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = connect()
    connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read() or "null")


def read_until(client, wanted, data=b""):
    while wanted not in data:
        more = client.recv(4096)
        assert more, data
        data += more
    return data


def attach(container, version, asks):
    client = connect()
    upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if asks else ""
    client.sendall(f"POST /v{version}/containers/{container}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n{upgrade}Content-Length: 0\r\n\r\n".encode())
    head, _, rest = read_until(client, b"\r\n\r\n").partition(b"\r\n\r\n")
    client.sendall(b"one\n")
    frame = read_until(client, b"\n", rest)
    print(version, "Upgrade:" if asks else "plain:", head.split()[1].decode(), frame[8:].decode().strip())
    client.close()


container = sys.argv[1]
if sys.argv[2:] == ["exec"]:
    ident = call("POST", f"/containers/{container}/exec", {"Cmd": ["sh", "-c", "exit 3"]})["Id"]
    call("POST", f"/exec/{ident}/start", {"Detach": True})
    deadline = time.monotonic() + 30
    while (state := call("GET", f"/exec/{ident}/json"))["Running"] and time.monotonic() < deadline:
        pass
    print("running", state["Running"], "code", state["ExitCode"], "pid", state["Pid"])
else:
    for version in ("1.24", "1.41"):
        for asks in (True, False):
            attach(container, version, asks)
