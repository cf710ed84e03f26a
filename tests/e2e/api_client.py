"""The Engine API for scripts: plain HTTP on the daemon's socket, nothing of a Docker client in between.

A script makes claims: `holds(what, condition, seen)`; `finish()` prints those that failed, or how many held."""
import base64, http.client, json, os, select, socket, struct, sys, time, traceback, urllib.parse

failed, held = [], 0


def holds(what, condition, seen=""):
    global held
    if condition:
        held += 1
    else:
        failed.append(f"{what}: {str(seen)[:600]}")


def equal(what, seen, wanted):
    holds(what, seen == wanted, f"{seen!r}, expected {wanted!r}")


def finish():
    for text in failed:
        print(text)
    if not failed:
        print("every claim holds")
    sys.exit(1 if failed else 0)


def check(*claims):
    """Runs each group of claims; one that breaks off is a failed claim, and the next still runs."""
    for claim in claims:
        try:
            claim()
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)
            failed.append(f"{claim.__name__} broke off at line {where[1].lineno if len(where) > 1 else 0}: {type(error).__name__} {error}")
            for item in call("GET", "/containers/json", all=1, filters={"name": [sys.argv[1]]}).json:
                remove(item["Id"])
    finish()


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    @property
    def message(self):
        return self.json["message"]


def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(os.environ["DAEMON_SOCKET"])
    return connection


def http_connection():
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = connect()
    return connection


def target(path, query):
    parts = {}
    for key, value in query.items():
        parts[key] = json.dumps(value) if isinstance(value, (dict,)) else value
    return path + ("?" + urllib.parse.urlencode(parts, doseq=True) if parts else "")


def call(method, path, body=None, headers=None, /, **query):
    """One request; a dict or list as body is sent as JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection = http_connection()
    connection.request(method, target(path, query), body, headers)
    reply = connection.getresponse()
    result = Reply(reply.status, reply.headers, reply.read())
    connection.close()
    return result


def stream(method, path, body=None, headers=None, /, **query):
    """A request whose reply is read by the caller: the response, which owns its connection."""
    connection = http_connection()
    connection.request(method, target(path, query), body, headers or {})
    reply = connection.getresponse()
    reply.connection = connection
    return reply


def raw(request):
    """Sends bytes, reads to the end of the connection or of what comes within two seconds of silence."""
    connection = connect()
    connection.sendall(request)
    data = b""
    connection.settimeout(10)
    try:
        while piece := connection.recv(65536):
            data += piece
    except TimeoutError:
        pass
    connection.close()
    return data


class Hijacked:
    """A connection after an upgrade: what was read beyond the header, then the bytes as they come."""

    def __init__(self, path, body=None, upgrade=True, version="", **query):
        self.socket = connect()
        text = json.dumps(body) if body is not None else ""
        request = f"POST {version}{target(path, query)} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        if upgrade:
            request += "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        self.socket.sendall((request + "\r\n" + text).encode())
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(4096)
            if not piece:
                break
            data += piece
        header, _, self.rest = data.partition(b"\r\n\r\n")
        self.status = int(header.split()[1])
        self.headers = dict(line.split(": ", 1) for line in header.decode().split("\r\n")[1:])
        self.headers = {name.lower(): value for name, value in self.headers.items()}

    def send(self, data):
        self.socket.sendall(data)

    def end_input(self):
        self.socket.shutdown(socket.SHUT_WR)

    def read_all(self):
        data = self.rest
        while piece := self.socket.recv(65536):
            data += piece
        return data

    def read_until(self, wanted):
        while wanted not in self.rest:
            piece = self.socket.recv(65536)
            if not piece:
                break
            self.rest += piece
        return self.rest

    def close(self):
        self.socket.close()


def frames(data):
    """[(stream, bytes)] of a multiplexed stream."""
    result = []
    while len(data) >= 8:
        kind, size = struct.unpack(">BxxxI", data[:8])
        result.append((kind, data[8:8 + size]))
        data = data[8 + size:]
    return result


def of_stream(data, wanted):
    return b"".join(piece for kind, piece in frames(data) if kind == wanted)


def wait_until(condition, what="condition"):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        select.select([], [], [], 0.02)
    raise RuntimeError(f"timed out waiting for {what}")


def inspect(name):
    return call("GET", f"/containers/{name}/json").json


def create(name, cmd=("sleep", "1000"), status=201, host=None, **config):
    body = {"Image": "busybox", "Cmd": list(cmd), "HostConfig": {"NetworkMode": "none", **(host or {})}, **config}
    reply = call("POST", "/containers/create", body, **({"name": name} if name else {}))
    if reply.status != status:
        raise RuntimeError(f"create {name} answered {reply.status} {reply.text}")
    return reply.json.get("Id", reply.json.get("message"))


def run(name, cmd=("sleep", "1000"), **more):
    id = create(name, cmd, **more)
    reply = call("POST", f"/containers/{id}/start")
    if reply.status != 204:
        raise RuntimeError(f"start {name} answered {reply.status} {reply.text}")
    return id


def run_to_end(name, cmd, **more):
    """(exit code, standard output, standard error)"""
    id = run(name, cmd, **more)
    code = call("POST", f"/containers/{id}/wait").json["StatusCode"]
    logs = call("GET", f"/containers/{id}/logs", stdout=1, stderr=1).body
    remove(id)
    return code, of_stream(logs, 1).decode(), of_stream(logs, 2).decode()


def remove(name):
    return call("DELETE", f"/containers/{name}", force=1, v=1)
