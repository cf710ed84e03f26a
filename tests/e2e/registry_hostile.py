"""Hostile clients of a registry. Usage: registry_hostile.py ADDRESS WORKER-PID DATA"""
import hashlib, json, os, pathlib, socket, sys, time

HOST, PORT = sys.argv[1].rsplit(":", 1)
WORKER, DATA = sys.argv[2], pathlib.Path(sys.argv[3])
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def talk(request, seconds=20):
    """All that comes back until the server closes."""
    with socket.create_connection((HOST, int(PORT)), timeout=seconds) as client:
        try:
            for piece in request if isinstance(request, list) else [request]:
                client.sendall(piece)
        except OSError:
            pass  # refused while we still send
        reply = b""
        try:
            while piece := client.recv(65536):
                reply += piece
        except OSError:
            pass
        return reply


def request(method, path, body=b"", headers=""):
    path = path if isinstance(path, bytes) else path.encode()
    return method.encode() + b" " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def status(reply):
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.") else 0


def check(name, good, shown=""):
    print("ok" if good else "FAIL", name, "" if good else str(shown)[:300])


def files():
    return {str(p.relative_to(DATA)) for p in DATA.rglob("*")}


before = files()
for path in ("/v2/../../etc/passwd/manifests/x", "/v2/%2e%2e/%2e%2e/etc/manifests/x", "/v2/a/manifests/..%2f..%2f..%2fetc%2fpasswd", "/v2/a/blobs/sha256:" + "." * 64,
             "/v2/a/blobs/sha256:../../../../../../../../etc/passwd", "/v2/a/blobs/uploads/../../../x", "/v2/a/blobs/uploads/%2e%2e%2f%2e%2e", "/v2/a%00b/manifests/x",
             "/v2/_uploads/manifests/x", "/v2/a/_layers/manifests/x", "/v2/.hull-registry-token-key/manifests/x", "/v2/a/manifests/%00", "/v2/a\\b/manifests/x"):
    for method in "GET", "PUT", "DELETE", "PATCH", "POST":
        got = status(talk(request(method, path, b"{}")))
        check(f"{method} {path}", 400 <= got < 500, got)
check("nothing was made", files() == before, files() - before)
for broken in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET /v2/ HTTP/9.9\r\n\r\n", b"\x00" * 100, b"GET /v2/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", \
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n":
    got = talk(broken + b"\r\n\r\n")
    check(f"broken {broken[:20]!r}", 400 <= status(got) < 500, got)
check("long header", status(talk(b"GET /v2/ HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n")) in (400, 431))
check("long path", status(talk(request("GET", "/v2/" + "a/" * 20_000 + "manifests/x"))) in (400, 404))
check("40 MB manifest", status(talk(request("PUT", "/v2/a/manifests/x", b"x" * (40 << 20), f"Content-Type: {MANIFEST}\r\n"))) == 413)
deep = b'{"schemaVersion":2,"config":' + b'{"a":' * 400_000 + b"1" + b"}" * 400_001
check("deep manifest", status(talk(request("PUT", "/v2/a/manifests/x", deep, f"Content-Type: {MANIFEST}\r\n"))) == 400)
wide = b'{"schemaVersion":2,"layers":[' + b"[]," * 1_300_000 + b"[]]}"
check("wide manifest", status(talk(request("PUT", "/v2/a/manifests/x", wide, f"Content-Type: {MANIFEST}\r\n"))) == 400)
got = talk(request("GET", "/v2/a/manifests/x", headers="Accept: " + "," * 50_000 + "\r\n"))
check("empty accepts", status(got) == 404, got)
got = talk(request("GET", "/v2/a/tags/list?" + "n=1&" * 10_000))
check("many parameters", status(got) == 404, got)
# Half-open and slow: hundreds of them do not keep others out.
idle = [socket.create_connection((HOST, int(PORT))) for _ in range(300)]
for index, client in enumerate(idle):
    client.sendall((b"", b"GET /v2/ HT", b"POST /v2/slow/blobs/uploads/?digest=sha256:" + b"0" * 64 + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc")[index % 3])
begin = time.monotonic()
check("served beside 300 slow clients", status(talk(request("GET", "/v2/"))) == 200)
check("at once", time.monotonic() - begin < 5, time.monotonic() - begin)
for client in idle:
    client.close()
# A reader that takes nothing of a large blob.
data = os.urandom(1 << 20) * 32
digest = "sha256:" + hashlib.sha256(data).hexdigest()
check("large blob", status(talk(request("POST", f"/v2/big/blobs/uploads/?digest={digest}", data))) == 201)
lazy = [socket.create_connection((HOST, int(PORT))) for _ in range(20)]
for client in lazy:
    client.sendall(request("GET", f"/v2/big/blobs/{digest}"))
check("served beside lazy readers", talk(request("GET", f"/v2/big/blobs/{digest}")).endswith(data[-1000:]))
for client in lazy:
    client.close()
for path in pathlib.Path(f"/proc/{WORKER}/fd"), :
    deadline = time.monotonic() + 30
    while len(os.listdir(path)) > 40 and time.monotonic() < deadline:
        time.sleep(0.05)
    check("descriptors are given back", len(os.listdir(path)) <= 40, len(os.listdir(path)))
