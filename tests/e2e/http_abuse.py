#!/usr/bin/env python3
"""http_abuse.py SOCKET [CASE...]: speaks HTTP to the daemon the way broken, slow and hostile clients do.

Every case is a function; its docstring is the claim. Prints one line per case, ends with status 1 when one does not hold, and
when the daemon has more descriptors or threads afterwards than before."""
import json, os, re, socket, struct, sys, time

SOCKET = sys.argv[1]
IMAGE = os.environ.get("BUSYBOX", "busybox")
NAME = os.environ.get("NAME", "http")
CASES = []


def case(function):
    CASES.append(function)
    return function


def connect(seconds=20):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(seconds)
    client.connect(SOCKET)
    return client


def exchange(request, half_close=False, seconds=20):
    """Sends the bytes and returns all that comes until the daemon closes (or `seconds` of silence)."""
    with connect(seconds) as client:
        try:
            client.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client):
    reply = b""
    try:
        while data := client.recv(65536):
            reply += data
    except (socket.timeout, ConnectionResetError):
        pass
    return reply


def read_reply(stream):
    """One reply with a length or in chunks, read from a buffered file: (status, headers, body)."""
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        headers[name.lower().decode()] = value.strip().decode()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
        return status, headers, body
    return status, headers, stream.read(int(headers.get("content-length", 0)))


def request(method, path, body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: x"] + [f"{n.replace('_', '-')}: {v}" for n, v in headers.items()]
    if body and "Transfer_Encoding" not in headers and "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def call(method, path, body=None):
    """An ordinary request: (status, decoded body)."""
    data = json.dumps(body).encode() if body is not None else b""
    with connect(60) as client:
        client.sendall(request(method, path, data, Connection="close", **({"Content_Type": "application/json"} if data else {})))
        with client.makefile("rb") as stream:
            status, _, text = read_reply(stream)
    try:
        return status, json.loads(text or b"null")
    except ValueError:
        return status, text


def container(name, *command, start=True, **config):
    name = f"{NAME}-{name}"
    host = {"NetworkMode": "none", **config.pop("HostConfig", {})}
    status, made = call("POST", f"/containers/create?name={name}", {"Image": IMAGE, "Cmd": list(command), "HostConfig": host, **config})
    assert status == 201, made
    if start:
        status, said = call("POST", f"/containers/{name}/start")
        assert status == 204, said
    return name


def status_of(reply):
    found = re.match(rb"HTTP/1\.[01] (\d+)", reply)
    return int(found[1]) if found else None


def expect(actual, wanted, what=""):
    assert actual == wanted, f"{what} {actual!r} instead of {wanted!r}"


def until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


def last_frames(reply):
    """The payloads of the multiplexed frames behind a reply's header."""
    data = reply.split(b"\r\n\r\n", 1)[1]
    if b"transfer-encoding: chunked" in reply.split(b"\r\n\r\n", 1)[0].lower():
        plain, rest = b"", data
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            plain, rest = plain + rest[:int(size, 16)], rest[int(size, 16) + 2:]
            if int(size, 16) == 0:
                break
        data = plain
    text = b""
    while len(data) >= 8:
        size = struct.unpack(">I", data[4:8])[0]
        text, data = text + data[8:8 + size], data[8 + size:]
    return text


# ---- malformed and over-long

@case
def long_header():
    """a header beyond the limit is refused, not stored"""
    reply = exchange(b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (3 << 20) + b"\r\n\r\n")
    expect(status_of(reply), 431)


@case
def endless_header():
    """a header that never ends is cut off at the limit"""
    reply = exchange(b"GET /_ping HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(300000)))
    expect(status_of(reply), 431)


@case
def long_url():
    """a URL of 2 MB is refused, one of 100 KB is answered"""
    expect(status_of(exchange(b"GET /containers/" + b"a" * (2 << 20) + b"/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), 431)
    expect(status_of(exchange(b"GET /containers/" + b"a" * 100000 + b"/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), 404)


@case
def long_body():
    """a JSON body beyond the limit is refused with its limit"""
    for headers in ({}, {"Transfer_Encoding": "chunked"}):
        body = b'{"Image":"' + b"a" * (20 << 20) + b'"}'
        if headers:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        reply = exchange(request("POST", "/containers/create", body, Content_Type="application/json", Connection="close", **headers))
        assert status_of(reply) in (400, 413) and b"larger than" in reply, reply[:300]


@case
def no_http():
    """what is no HTTP gets a 400 and a closed connection"""
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100 + b"\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET /_ping HTTP/9.9\r\n\r\n", b"GET /_ping HTTP/1.1\r\nno colon\r\n\r\n", b"GET /_ping HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"):
        expect(status_of(exchange(nonsense)), 400, nonsense[:20])


@case
def nothing_at_all():
    """a connection that says nothing, or half a line, and closes costs nothing"""
    for text in (b"", b"G", b"GET /_pi", b"GET /_ping HTTP/1.1\r\nHost"):
        expect(exchange(text, half_close=True) in (b"",) or status_of(exchange(text, half_close=True)) == 400, True, text)


@case
def bad_json():
    """bad JSON is a 400 that says where"""
    for text in (b"{", b'{"Image": "busybox",}', b'{"Image" "x"}', b"[1,2", b'{"a":"\xff\xfe"}', b"nonsense", b"[" * 100000, b'{"Cmd":' * 1000):
        reply = exchange(request("POST", "/containers/create", text, Content_Type="application/json", Connection="close"))
        expect(status_of(reply), 400, text[:30])
        message = json.loads(reply.split(b"\r\n\r\n", 1)[1])["message"]
        assert re.search(r"(offset|byte|position|column|line) ?\d+|at \d+|unexpected end|EOF|nest|deep", message), message
        assert len(message) < 400 and "\n" not in message, message


@case
def wrong_types():
    """a field of the wrong type is a 400 that names the field"""
    for field, value in (("Image", 7), ("Cmd", {"a": 1}), ("Env", "A=1"), ("Tty", "yes"), ("Labels", ["a"]), ("HostConfig", {"Memory": "lots"}), ("HostConfig", {"Binds": "x"}), ("HostConfig", 3)):
        status, reply = call("POST", "/containers/create", {"Image": IMAGE, field: value})
        expect(status, 400, f"{field}={value}")
        name = list(value)[0] if field == "HostConfig" and isinstance(value, dict) else field
        assert name.lower() in reply["message"].lower(), reply


@case
def unknown_fields():
    """unknown fields are ignored, as Docker does"""
    status, made = call("POST", f"/containers/create?name={NAME}-unknown&nonsense=1", {"Image": IMAGE, "NoSuchField": {"a": [1]}, "HostConfig": {"NoSuch": 1, "NetworkMode": "none"}})
    expect(status, 201, made)
    expect(call("DELETE", f"/containers/{NAME}-unknown")[0], 204)


@case
def bad_paths():
    """odd paths are 404 or 400 and never more"""
    for path in ("/", "//", "/containers//json", "/containers/%00/json", "/containers/%zz/json", "/containers/..%2f..%2fetc/json", "/v1.41", "/v999999999999999999999.1/_ping", "/v1.41/../_ping", "/containers/json?limit=abc", "/containers/json?filters={", "/containers/json?filters=[1]", "/containers/json?filters=%7B%22a%22:7%7D"):
        status = status_of(exchange(request("GET", path, Connection="close")))
        assert status in (400, 404), (path, status)


@case
def bad_query_values():
    """numbers that are none, or too large, are a 400"""
    name = container("query", "sleep", "1000")
    for path in (f"/containers/{name}/stop?t=soon", f"/containers/{name}/resize?h=a&w=1", f"/containers/{name}/resize?h=1&w=99999999999999999999", f"/containers/{name}/kill?signal=NOPE", f"/containers/{name}/wait?condition=never"):
        expect(status_of(exchange(request("POST", path, Connection="close"))), 400, path)
    expect(call("DELETE", f"/containers/{name}?force=1")[0], 204)


# ---- framing

@case
def smuggling():
    """a length and an encoding at once, two lengths, odd encodings: refused, and nothing behind them is run"""
    smuggled = b"POST /containers/prune HTTP/1.1\r\nHost: x\r\n\r\n"
    for headers in (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 6",
                    b"Content-Length: -1", b"Content-Length: 5, 6", b"Content-Length: +5", b"Content-Length: 0x5", b"Content-Length: 99999999999999999999999", b"Transfer-Encoding: chunked, identity",
                    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Content-Length : 5", b"X: y\r\n Content-Length: 5"):
        reply = exchange(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + smuggled, half_close=True)
        assert status_of(reply) in (400, 501), (headers, reply[:200])
        assert b"SpaceReclaimed" not in reply, (headers, reply)


@case
def bad_chunks():
    """broken chunks are a 400 or the end, never a hang"""
    for chunks in (b"zz\r\nabc\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"1;" + b"x" * (3 << 20) + b"\r\n", b"5\r\nab"):
        reply = exchange(request("POST", "/containers/create", chunks, Content_Type="application/json", Transfer_Encoding="chunked"), half_close=True)
        assert status_of(reply) in (400, 431, None), (chunks[:20], reply[:200])


@case
def chunked_body():
    """a body in chunks of any size, with extensions and trailers, is one body"""
    text = json.dumps({"Image": IMAGE, "HostConfig": {"NetworkMode": "none"}}).encode()
    for size in (1, 2, 7, 1000):
        chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(text[i:i + size]), text[i:i + size]) for i in range(0, len(text), size)) + b"0\r\nX-Trailer: y\r\n\r\n"
        with connect() as client, client.makefile("rb") as stream:
            for i in range(0, len(data := request("POST", f"/containers/create?name={NAME}-chunks", chunks, Content_Type="application/json", Transfer_Encoding="chunked")), 50):
                client.sendall(data[i:i + 50])
            status, _, made = read_reply(stream)
            expect(status, 201, made)
            client.sendall(request("DELETE", f"/containers/{NAME}-chunks"))
            expect(read_reply(stream)[0], 204, "the next request on the same connection")


@case
def pipelining():
    """requests sent at once are answered in order, with and without bodies"""
    create = json.dumps({"Image": IMAGE, "HostConfig": {"NetworkMode": "none"}}).encode()
    batch = request("GET", "/_ping") + request("POST", f"/containers/create?name={NAME}-pipe", create, Content_Type="application/json") + request("GET", f"/containers/{NAME}-pipe/json") + request("HEAD", "/_ping") + request("DELETE", f"/containers/{NAME}-pipe") + request("GET", f"/containers/{NAME}-pipe/json") + request("GET", "/_ping", Connection="close")
    reply = exchange(batch)
    expect([int(s) for s in re.findall(rb"HTTP/1\.1 (\d+)", reply)], [200, 201, 200, 200, 204, 404, 200])


@case
def old_http():
    """HTTP/1.0 gets its answer and the end of the connection, without chunks; also without Host"""
    for extra in (b"", b"Host: x\r\n"):
        reply = exchange(b"GET /version HTTP/1.0\r\n" + extra + b"\r\n")
        expect(status_of(reply), 200)
        assert b"chunked" not in reply.lower() and json.loads(reply.split(b"\r\n\r\n", 1)[1])["ApiVersion"], reply
    name = container("old", "echo", "from 1.0")
    call("POST", f"/containers/{name}/wait")
    reply = exchange(f"GET /containers/{name}/logs?stdout=1 HTTP/1.0\r\n\r\n".encode())
    assert b"chunked" not in reply.lower()
    expect(last_frames(reply), b"from 1.0\n")
    call("DELETE", f"/containers/{name}")


@case
def expect_continue():
    """Expect: 100-continue is answered before the body is sent, and not when the request fails anyway"""
    body = json.dumps({"Image": IMAGE, "HostConfig": {"NetworkMode": "none"}}).encode()
    with connect() as client, client.makefile("rb") as stream:
        client.sendall(request("POST", f"/containers/create?name={NAME}-100", b"", Content_Type="application/json", Content_Length=len(body), Expect="100-continue"))
        expect(stream.readline(), b"HTTP/1.1 100 Continue\r\n")
        stream.readline()
        client.sendall(body)
        expect(read_reply(stream)[0], 201)
    call("DELETE", f"/containers/{NAME}-100")
    reply = exchange(request("POST", "/no/such/path", b"", Content_Length=1000, Expect="100-continue"), seconds=5)
    expect(status_of(reply), 404)


# ---- half-closed and vanishing clients

@case
def half_closed_wait():
    """a client that has closed its sending side still gets the answer to wait"""
    name = container("hwait", "sh", "-c", "sleep 0.5; exit 7")
    reply = exchange(request("POST", f"/containers/{name}/wait", Connection="close"), half_close=True)
    assert b'"StatusCode":7' in reply, reply
    call("DELETE", f"/containers/{name}")


@case
def half_closed_logs():
    """a client that has closed its sending side still gets the log to its end"""
    name = container("hlogs", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    reply = exchange(request("GET", f"/containers/{name}/logs?stdout=1&follow=1", Connection="close"), half_close=True)
    expect(last_frames(reply), b"1\n2\n3\n")
    call("DELETE", f"/containers/{name}")


@case
def half_closed_attach():
    """a client that has closed its sending side still gets the output"""
    name = container("hattach", "sh", "-c", "cat; sleep 0.3; echo after", start=False, OpenStdin=True, StdinOnce=True, AttachStdin=True)
    with connect() as client:
        client.sendall(request("POST", f"/containers/{name}/attach?stream=1&stdin=1&stdout=1", Connection="Upgrade", Upgrade="tcp"))
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += client.recv(1)
        expect(status_of(reply), 101)
        expect(call("POST", f"/containers/{name}/start")[0], 204)
        client.sendall(b"typed\n")
        client.shutdown(socket.SHUT_WR)
        expect(last_frames(reply + read_all(client)), b"typed\nafter\n")
    call("DELETE", f"/containers/{name}?force=1")


def read_until(client, wanted):
    reply = b""
    while wanted not in reply:
        data = client.recv(4096)
        assert data, "the stream ended"
        reply += data


@case
def half_closed_events():
    """a client that has closed its sending side still gets events"""
    with connect(10) as client:
        client.sendall(request("GET", "/events"))
        client.shutdown(socket.SHUT_WR)
        read_until(client, b"\r\n\r\n")  # from here on it listens
        name = container("hevents", "true", start=False)
        read_until(client, b'"create"')
    call("DELETE", f"/containers/{name}")


@case
def gone_while_waiting():
    """clients that vanish while they wait, follow, attach or listen leave nothing behind"""
    name = container("gone", "sh", "-c", "while :; do echo tick; sleep 0.05; done")
    for _ in range(20):
        for method, path, headers in (("POST", f"/containers/{name}/wait", {}), ("GET", f"/containers/{name}/logs?stdout=1&follow=1", {}), ("GET", "/events", {}),
                                      ("POST", f"/containers/{name}/attach?stream=1&stdout=1", {"Connection": "Upgrade", "Upgrade": "tcp"})):
            client = connect()
            client.sendall(request(method, path, **headers))
            client.recv(10)
            client.close()
    expect(call("DELETE", f"/containers/{name}?force=1")[0], 204)


@case
def gone_in_the_body():
    """clients that vanish in the middle of a body: no container, no image, no staging directory"""
    before = call("GET", "/images/json")[1]
    for path, content_type in (("/images/load", "application/x-tar"), ("/images/create?fromSrc=-", "application/x-tar"), (f"/containers/create?name={NAME}-never", "application/json")):
        for length in (0, 10, 100000):
            client = connect()
            client.sendall(request("POST", path, b"", Content_Type=content_type, Content_Length=1000000) + b"{" * length)
            client.close()
    root = os.environ.get("DAEMON_ROOT")
    if root and os.path.isdir(f"{root}/data/staging"):
        until(lambda: not os.listdir(f"{root}/data/staging"), "staging is empty")
    expect(call("GET", f"/containers/{NAME}-never/json")[0], 404)
    expect(call("GET", "/images/json")[1], before)


@case
def slow_clients():
    """a hundred clients that send a byte now and then hold up nobody"""
    slow = [connect() for _ in range(100)]
    for client in slow:
        client.sendall(b"GET /_ping HTTP/1.1\r\nX-")
    for _ in range(5):
        begin = time.monotonic()
        expect(call("GET", "/_ping")[0], 200)
        assert time.monotonic() - begin < 2, "an ordinary request had to wait"
        for client in slow:
            client.sendall(b"a")
    for client in slow[:50]:
        client.sendall(b": y\r\nConnection: close\r\n\r\n")
        expect(status_of(read_all(client)), 200)
    for client in slow:
        client.close()


@case
def never_reading_clients():
    """a client that does not read its answers holds up nobody"""
    name = container("noread", "sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done")
    clients = []
    for _ in range(4):
        client = connect()
        client.sendall(request("GET", f"/containers/{name}/logs?stdout=1&follow=1"))
        clients.append(client)
    time.sleep(0.5)
    begin = time.monotonic()
    expect(call("GET", f"/containers/{name}/json")[0], 200)
    expect(call("DELETE", f"/containers/{name}?force=1")[0], 204)
    assert time.monotonic() - begin < 10, "rm had to wait"
    for client in clients:
        client.close()


def usage(pid):
    status = open(f"/proc/{pid}/status").read()
    return len(os.listdir(f"/proc/{pid}/fd")), int(re.search(r"^Threads:\s+(\d+)", status, re.M)[1])


def main():
    wanted = sys.argv[2:]
    failed = 0
    pid_file = os.environ.get("DAEMON_ROOT", "") + "/pid"
    pid = int(open(pid_file).read()) if os.path.exists(pid_file) else None
    call("GET", "/_ping")
    time.sleep(0.2)
    with connect() as first:  # the thread that serves all who wait comes with the first of them, and stays
        first.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        first.recv(4096)
    before = usage(pid) if pid else None
    for function in CASES:
        if wanted and function.__name__ not in wanted:
            continue
        try:
            function()
            print(f"ok   {function.__name__}: {function.__doc__}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL {function.__name__}: {function.__doc__}: {type(error).__name__} {str(error)[:600]}", flush=True)
    for row in call("GET", "/containers/json?all=1")[1]:
        if row["Names"][0].startswith(f"/{NAME}-"):
            call("DELETE", f"/containers/{row['Id']}?force=1&v=1")
    if pid:
        try:
            until(lambda: all(now <= then for now, then in zip(usage(pid), before)), "as few descriptors and threads as before", 10)
            print(f"ok   descriptors and threads are as before: {before}")
        except AssertionError:
            failed += 1
            print(f"FAIL descriptors and threads: {before} before, {usage(pid)} now")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
