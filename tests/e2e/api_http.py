"""Claims of api_http.test: what all endpoints have in common. NAME"""
from api_client import *

N = sys.argv[1]
version = call("GET", "/version").json
newest = version["ApiVersion"]


def versions():
    for prefix in ("", "/v1.24", "/v1.30", "/v" + newest):
        equal(f"with prefix {prefix!r}", call("GET", prefix + "/_ping").text, "OK")
    late = call("GET", "/v1.99/containers/json")
    equal("too new", (late.status, late.message), (400, f"client version 1.99 is too new. Maximum supported API version is {newest}"))
    early = call("GET", "/v1.5/containers/json")
    holds("too old", early.status == 400 and "client version 1.5 is too old. Minimum supported API version is 1.12, please upgrade your client to a newer version" in early.text, early.text)
    equal("unknown path", (call("GET", "/nope").status, call("GET", "/nope").message), (404, "page not found"))
    equal("wrong method", (call("PUT", "/containers/json").status, call("PUT", "/containers/json").message), (404, "page not found"))
    equal("errors of old clients are text", call("GET", "/v1.20/containers/nope/json").text, "No such container: nope\n")


def headers():
    for method in ("GET", "HEAD"):
        ping = call(method, "/_ping")
        for name, wanted in (("Api-Version", newest), ("Ostype", "linux"), ("Docker-Experimental", "false"), ("Cache-Control", "no-cache, no-store, must-revalidate"), ("Pragma", "no-cache")):
            equal(f"{method} /_ping: {name}", ping.headers[name], wanted)
        holds("Builder-Version", ping.headers["Builder-Version"] in ("", "1", "2"), ping.headers["Builder-Version"])
        equal(f"{method} /_ping: body", ping.body, b"OK" if method == "GET" else b"")
    for path in ("/containers/json", "/nope", "/containers/nope/json"):
        reply = call("GET", path)
        holds(f"headers of {path}", reply.headers["Api-Version"] == newest and reply.headers["Ostype"] == "linux" and reply.headers["Docker-Experimental"] == "false" and reply.headers["Server"].startswith("Docker/"), reply.headers)
        holds(f"type of {path}", reply.headers["Content-Type"].startswith("application/json"), reply.headers)
        holds(f"{path} ends with a newline", reply.body.endswith(b"\n"), reply.body)
    for host in ("docker", "localhost", "api.moby.localhost", "x" * 200):
        holds(f"Host: {host[:10]}", b"200 OK" in raw(f"GET /_ping HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()))


def transfers():
    connection = http_connection()
    for _ in range(3):
        connection.request("GET", "/_ping")
        equal("a kept connection", connection.getresponse().read(), b"OK")
    body = json.dumps({"Image": "nope"}).encode()
    chunked = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunked += b"".join(b"1\r\n" + body[i:i + 1] + b"\r\n" for i in range(len(body))) + b"0\r\n\r\n"
    holds("a chunked body", b"404 Not Found" in raw(chunked), raw(chunked)[:200])
    expecting = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    connection = connect()
    connection.sendall(expecting)
    holds("100 Continue", connection.recv(4096).startswith(b"HTTP/1.1 100 Continue"))
    connection.sendall(body)
    data = b""
    while piece := connection.recv(4096):
        data += piece
    holds("then the answer and, as asked, the end", b"404 Not Found" in data, data[:200])
    equal("a header line of 200 KB", call("GET", "/_ping", None, {"X-Registry-Config": "a" * 200000}).status, 200)
    equal("gzip is not used", call("GET", "/version", None, {"Accept-Encoding": "gzip"}).headers["Content-Encoding"], None)


def bodies():
    create_at = "/containers/create"
    json_headers = {"Content-Type": "application/json"}
    unknown = call("POST", create_at, {"Image": "nope", "Surprise": {"a": 1}})
    equal("unknown members are ignored", unknown.status, 404)
    holds("broken JSON", call("POST", create_at, "{", json_headers).status in (400, 500))
    holds("text after JSON", call("POST", create_at, '{"Image":"nope"} x', json_headers).status in (400, 404))
    holds("no body", call("POST", create_at, "", json_headers).status in (400, 500))
    wrong = call("POST", create_at, "{}", {"Content-Type": "text/plain"})
    equal("another Content-Type", (wrong.status, wrong.message.split(" must")[0]), (400, "Content-Type specified (text/plain)"))
    id = create(N, ("sh", "-c", "<&>"), Labels={"a": "<&>"})
    holds("no HTML escapes", b"<&>" in call("GET", f"/containers/{id}/json").body)
    seen = inspect(id)
    for member, wanted in (("Entrypoint", None), ("OnBuild", None), ("Volumes", None)):
        equal(f"null stays null: {member}", seen["Config"][member], wanted)
    equal("empty maps and lists", (seen["NetworkSettings"]["Ports"], seen["Mounts"]), ({}, []))
    remove(id)


def booleans():
    ids = [create(N + str(i)) for i in range(2)]
    for text, wanted in (("1", True), ("true", True), ("True", True), ("yes", True), ("0", False), ("false", False), ("no", False), ("none", False), ("", False)):
        found = [item for item in call("GET", "/containers/json", all=text, filters={"name": [N]}).json]
        equal(f"all={text}", len(found) == 2, wanted)
    ambiguous = next((a for a in "0123456789abcdef" if all(i.startswith(a) for i in ids)), None)
    while not ambiguous:
        ids.append(create(N + str(len(ids))))
        firsts = [i[0] for i in ids]
        ambiguous = next((a for a in firsts if firsts.count(a) > 1), None)
    reply = call("GET", f"/containers/{ambiguous}/json")
    holds("an ambiguous prefix", reply.status in (400, 404, 500) and "multiple IDs found with provided prefix: " + ambiguous in reply.text.replace("Multiple", "multiple"), reply.text)
    named = create(ids[0][:6])
    equal("a name comes before an id prefix", call("GET", f"/containers/{ids[0][:6]}/json").json["Id"], named)
    for id in ids + [named]:
        remove(id)


def filters():
    for endpoint in ("/containers/json", "/images/json", "/events"):
        bad = call("GET", endpoint, filters={"nonsense": ["x"]}, until="1")
        holds(f"an unknown filter of {endpoint}", bad.status == 400 and "nvalid filter 'nonsense'" in bad.text, bad.text)
        equal(f"filters of {endpoint} that are no JSON", call("GET", endpoint, filters="{", until="1").status, 400)


def streams():
    id = run(N, ("sh", "-c", "echo first; read x; echo $x"), OpenStdin=True)
    reply = stream("GET", f"/containers/{id}/logs", stdout=1, follow=1)
    equal("a stream is flushed as it comes", reply.read1(100)[8:], b"first\n")
    client = Hijacked(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1)
    client.close()
    equal("a client that goes only detaches", inspect(id)["State"]["Running"], True)
    client = Hijacked(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1)
    client.send(b"second\n")
    holds("frames: stream, zeros, length", client.read_all() == b"\1\0\0\0\0\0\0\7second\n", client.rest)
    equal("the stream goes on and ends", reply.read()[8:], b"second\n")
    for prefix, wanted in (("/v1.41", "application/vnd.docker.raw-stream"), ("/v" + newest, "application/vnd.docker.multiplexed-stream" if float(newest[2:]) > 41 else "application/vnd.docker.raw-stream")):
        equal(f"content type of attach, {prefix}", Hijacked(f"{prefix}/containers/{id}/attach", stdout=1).headers["content-type"], wanted)
    remove(id)


def parallel():
    import threading
    id = run(N)
    waiting = stream("POST", f"/containers/{id}/wait")  # holds up nobody
    ended = []
    threads = [threading.Thread(target=lambda: ended.append(call("GET", "/containers/json").status)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal("twenty clients at once", ended, [200] * 20)
    stops = []
    threads = [threading.Thread(target=lambda: stops.append(call("POST", f"/containers/{id}/stop", t=0).status)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holds("stops of one container take turns", set(stops) <= {204, 304} and 204 in stops, stops)
    waiting.read()
    remove(id)


check(versions, headers, transfers, bodies, booleans, filters, streams, parallel)
