"""The OCI distribution specification, row by row, against a registry at ADDRESS: one line per claim, `ok` or `FAIL`.

Usage: registry_conformance.py ADDRESS [WORD]      (only claims with WORD in their name)"""
import hashlib, http.client, json, re, socket, sys, threading, traceback, urllib.parse

ADDRESS = sys.argv[1]
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
claims = []


def claim(function):
    claims.append(function)
    return function


class Reply:
    def __init__(self, reply):
        self.status, self.headers, self.body = reply.status, reply.headers, reply.read()

    def __getitem__(self, name):
        return self.headers[name]

    def json(self):
        return json.loads(self.body)

    def codes(self):
        return [error["code"] for error in self.json()["errors"]]


def call(method, path, body=None, headers=None, chunked=False):
    connection = http.client.HTTPConnection(ADDRESS, timeout=60)
    try:
        connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        return Reply(connection.getresponse())
    finally:
        connection.close()


def expect(reply, status, code=None):
    assert reply.status == status, f"{reply.status}, not {status}: {reply.body[:300]}"
    if code:
        assert reply.codes() == [code], f"{reply.codes()}, not {code}"
    return reply


def sha(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def push_blob(name, data, algorithm="sha256"):
    digest = sha(data, algorithm)
    expect(call("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data, {"Content-Type": "application/octet-stream"}), 201)
    return digest


def start(name, query=""):
    reply = expect(call("POST", f"/v2/{name}/blobs/uploads/{query}", None, {"Content-Length": "0"}), 202)
    return reply["Location"]


def finish(location, digest):
    return location + ("&" if "?" in location else "?") + "digest=" + digest


def descriptor(data, media_type, **more):
    return {"mediaType": media_type, "digest": sha(data), "size": len(data), **more}


def image(name, text=b"layer", **more):
    """Pushes config and layer; returns the manifest's bytes."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    push_blob(name, config)
    push_blob(name, text)
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
                       "layers": [descriptor(text, "application/vnd.oci.image.layer.v1.tar")], **more}).encode()


def put_manifest(name, reference, data, media_type=OCI_MANIFEST, query=""):
    return call("PUT", f"/v2/{name}/manifests/{reference}{query}", data, {"Content-Type": media_type})


@claim
def end_1_base():
    for path in "/v2/", "/v2":
        reply = expect(call("GET", path), 200)
        assert reply["Docker-Distribution-API-Version"] == "registry/2.0"
    expect(call("PUT", "/v2/"), 405, "UNSUPPORTED")


@claim
def end_2_blob_get_and_head():
    data = b"0123456789" * 1000
    digest = push_blob("e2/blob", data)
    got = expect(call("GET", f"/v2/e2/blob/blobs/{digest}"), 200)
    assert got.body == data and got["Docker-Content-Digest"] == digest and got["Content-Length"] == str(len(data))
    head = expect(call("HEAD", f"/v2/e2/blob/blobs/{digest}"), 200)
    assert head["Content-Length"] == str(len(data)) and head["Docker-Content-Digest"] == digest and head.body == b""
    assert {k: v for k, v in got.headers.items() if k != "Date"} == {k: v for k, v in head.headers.items() if k != "Date"}
    missing = sha(b"missing")
    expect(call("GET", f"/v2/e2/blob/blobs/{missing}"), 404, "BLOB_UNKNOWN")
    expect(call("HEAD", f"/v2/e2/blob/blobs/{missing}"), 404)
    expect(call("GET", "/v2/e2/blob/blobs/sha256:abc"), 400, "DIGEST_INVALID")
    expect(call("GET", f"/v2/e2/other/blobs/{digest}"), 404, "BLOB_UNKNOWN")  # another repository's


@claim
def blob_ranges():
    data = bytes(range(256)) * 40
    digest = push_blob("ranges", data)
    path = f"/v2/ranges/blobs/{digest}"
    for header, begin, end in ("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=100-", 100, len(data)), ("bytes=-7", len(data) - 7, len(data)), ("bytes=5-999999", 5, len(data)):
        reply = expect(call("GET", path, headers={"Range": header}), 206)
        assert reply.body == data[begin:end], header
        assert reply["Content-Range"] == f"bytes {begin}-{end - 1}/{len(data)}", reply["Content-Range"]
    reply = expect(call("GET", path, headers={"Range": f"bytes={len(data)}-"}), 416)
    assert reply["Content-Range"] == f"bytes */{len(data)}"
    for header in "bytes=x-y", "bytes=9-3", "lines=1-2", "bytes=0-1,5-6":
        assert expect(call("GET", path, headers={"Range": header}), 200).body == data, header
    etag = call("HEAD", path)["ETag"]
    assert etag and call("HEAD", path)["Accept-Ranges"] == "bytes"
    expect(call("GET", path, headers={"If-None-Match": etag}), 304)
    expect(call("GET", path, headers={"If-Range": etag, "Range": "bytes=1-2"}), 206)
    expect(call("GET", path, headers={"If-Range": '"other"', "Range": "bytes=1-2"}), 200)


@claim
def end_3_manifest_get_and_head():
    data = image("e3")
    digest = sha(data)
    expect(put_manifest("e3", "v1", data), 201)
    for reference in "v1", digest:
        got = expect(call("GET", f"/v2/e3/manifests/{reference}", headers={"Accept": OCI_MANIFEST}), 200)
        assert got.body == data and got["Content-Type"] == OCI_MANIFEST and got["Docker-Content-Digest"] == digest
        head = expect(call("HEAD", f"/v2/e3/manifests/{reference}", headers={"Accept": OCI_MANIFEST}), 200)
        assert {k: v for k, v in got.headers.items() if k != "Date"} == {k: v for k, v in head.headers.items() if k != "Date"}
    expect(call("GET", f"/v2/e3/manifests/{digest}", headers={"If-None-Match": got["ETag"]}), 304)
    expect(call("GET", "/v2/e3/manifests/v2"), 404, "MANIFEST_UNKNOWN")
    expect(call("GET", "/v2/nobody/manifests/v1"), 404, "MANIFEST_UNKNOWN")
    expect(call("GET", f"/v2/e3/manifests/{sha(b'x')}"), 404, "MANIFEST_UNKNOWN")


@claim
def end_4a_post_put():
    data = b"post, then put"
    reply = expect(call("POST", "/v2/e4/a/blobs/uploads/", None, {"Content-Length": "0"}), 202)
    assert reply["Docker-Upload-UUID"] in reply["Location"] and reply["Range"] == "0-0" and int(reply["OCI-Chunk-Min-Length"]) > 0
    reply = expect(call("PUT", finish(reply["Location"], sha(data)), data, {"Content-Type": "application/octet-stream"}), 201)
    assert reply["Docker-Content-Digest"] == sha(data)
    assert expect(call("GET", reply["Location"]), 200).body == data
    for bad in "sha256:short", "md5:" + "0" * 32, "":
        expect(call("PUT", finish(start("e4/a"), bad), data), 400, "DIGEST_INVALID")


@claim
def end_4b_single_post():
    data = b"monolithic"
    reply = expect(call("POST", f"/v2/e4/b/blobs/uploads/?digest={sha(data)}", data), 201)
    assert expect(call("GET", reply["Location"]), 200).body == data
    expect(call("POST", f"/v2/e4/b/blobs/uploads/?digest={sha(b'lie')}", data), 400, "DIGEST_INVALID")
    expect(call("GET", f"/v2/e4/b/blobs/{sha(b'lie')}"), 404)
    empty = push_blob("e4/b", b"")
    assert expect(call("GET", f"/v2/e4/b/blobs/{empty}"), 200).body == b""


@claim
def end_4c_digest_algorithm():
    data = b"sha512" * 100
    digest = sha(data, "sha512")
    location = start("e4/c", "?digest-algorithm=sha512")
    expect(call("PATCH", location, data[:100]), 202)
    reply = expect(call("PUT", finish(location, digest), data[100:]), 201)
    assert reply["Docker-Content-Digest"] == digest and call("GET", reply["Location"]).body == data
    location = start("e4/c")  # not announced: the bytes are read again
    expect(call("PATCH", location, data), 202)
    expect(call("PUT", finish(location, digest)), 201)
    push_blob("e4/c", data + b"!", "sha512")
    expect(call("POST", "/v2/e4/c/blobs/uploads/?digest-algorithm=md5"), 400, "DIGEST_INVALID")
    manifest = image("e4/c")
    digest = sha(manifest, "sha512")
    expect(put_manifest("e4/c", digest, manifest), 201)
    assert expect(call("GET", f"/v2/e4/c/manifests/{digest}"), 200)["Docker-Content-Digest"] == digest


@claim
def end_5_chunks_in_order():
    data = bytes(i % 251 for i in range(30000))
    location = start("e5")
    reply = expect(call("PATCH", location, data[:10000], {"Content-Range": "0-9999"}), 202)
    assert reply["Range"] == "0-9999" and reply["Docker-Upload-UUID"]
    again = expect(call("PATCH", reply["Location"], data[:10000], {"Content-Range": "0-9999"}), 416)
    assert again["Range"] == "0-9999" and again["Location"]
    expect(call("PATCH", location, data[20000:], {"Content-Range": "20000-29999"}), 416)
    state = expect(call("GET", location), 204)
    assert state["Range"] == "0-9999" and state["Location"]
    expect(call("PATCH", state["Location"], data[10000:20000], {"Content-Range": "10000-19999"}), 202)
    expect(call("PATCH", location, b"abc", {"Content-Range": "20000-20009"}), 400, "SIZE_INVALID")
    for bad in "x", "9-1", "0", "-5", "0-", "0-18446744073709551615":
        expect(call("PATCH", location, b"abc", {"Content-Range": bad}), 400, "BLOB_UPLOAD_INVALID")
    expect(call("PUT", finish(location, sha(data)), data[20000:], {"Content-Range": "30000-39999"}), 416)
    expect(call("PUT", finish(location, sha(data)), data[20000:], {"Content-Range": "20000-29999"}), 201)
    assert call("GET", f"/v2/e5/blobs/{sha(data)}").body == data
    expect(call("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")


@claim
def end_5_streamed_without_range():
    data = b"stream" * 10000
    location = start("e5s")
    expect(call("PATCH", location, iter([data[:7], data[7:40000]]), {"Transfer-Encoding": "chunked"}, chunked=True), 202)
    expect(call("PATCH", location, iter([data[40000:]]), {"Transfer-Encoding": "chunked"}, chunked=True), 202)
    expect(call("PUT", finish(location, sha(data))), 201)
    assert call("GET", f"/v2/e5s/blobs/{sha(data)}").body == data
    location = start("e5s")  # longer and shorter than announced: nothing of it stays
    for body in b"x" * 20, b"x" * 5:
        expect(call("PATCH", location, iter([body]), {"Transfer-Encoding": "chunked", "Content-Range": "0-9"}, chunked=True), 400, "SIZE_INVALID")
        assert call("GET", location)["Range"] == "0-0"


@claim
def upload_resumes_after_a_cut_connection():
    data = b"0123456789" * 50000
    location = start("resume")
    host, port = ADDRESS.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as cut:
        cut.sendall(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:200000])
        for _ in range(600):
            if call("GET", location)["Range"] == "0-199999":  # also while somebody writes
                break
        else:
            raise AssertionError("the bytes did not arrive")
    expect(call("PATCH", location, data[200000:], {"Content-Range": f"200000-{len(data) - 1}"}), 202)
    expect(call("PUT", finish(location, sha(data))), 201)


@claim
def end_6_wrong_digest():
    location = start("e6")
    expect(call("PUT", finish(location, sha(b"right")), b"wrong"), 400, "DIGEST_INVALID")
    expect(call("GET", f"/v2/e6/blobs/{sha(b'right')}"), 404)
    expect(call("GET", f"/v2/e6/blobs/{sha(b'wrong')}"), 404)
    for unknown in "00000000-0000-4000-8000-000000000000", "..", "%2e%2e", "x":
        for method in "GET", "PATCH", "PUT", "DELETE":
            expect(call(method, f"/v2/e6/blobs/uploads/{unknown}?digest={sha(b'')}"), 404)


@claim
def end_7a_manifests():
    data = image("e7")
    reply = expect(put_manifest("e7", "latest", data), 201)
    assert reply["Docker-Content-Digest"] == sha(data) and call("GET", reply["Location"]).body == data
    expect(put_manifest("e7", sha(data), data), 201)
    expect(put_manifest("e7", sha(b"other"), data), 400, "DIGEST_INVALID")
    spaced = data.replace(b"{", b"{ \n", 1) + b"\n"  # kept byte by byte
    expect(put_manifest("e7", "spaced", spaced, OCI_MANIFEST + "; charset=utf-8"), 201)
    assert call("GET", "/v2/e7/manifests/spaced").body == spaced and call("GET", "/v2/e7/manifests/spaced")["Content-Type"] == OCI_MANIFEST
    docker = json.dumps({**json.loads(data), "mediaType": DOCKER_MANIFEST}).encode()
    expect(put_manifest("e7", "docker", docker, DOCKER_MANIFEST), 201)
    assert call("GET", "/v2/e7/manifests/docker")["Content-Type"] == DOCKER_MANIFEST
    silent = json.dumps({k: v for k, v in json.loads(data).items() if k != "mediaType"}).encode()
    expect(put_manifest("e7", "silent", silent), 201)
    assert call("GET", "/v2/e7/manifests/silent")["Content-Type"] == OCI_MANIFEST
    expect(put_manifest("e7", "silent", silent, DOCKER_MANIFEST), 201)
    assert call("GET", "/v2/e7/manifests/silent")["Content-Type"] == DOCKER_MANIFEST
    expect(put_manifest("e7", "none", data, ""), 201)


@claim
def end_7a_index():
    one, two = image("e7i", b"one"), image("e7i", b"two")
    entries = [descriptor(one, OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"}), descriptor(two, OCI_MANIFEST, platform={"os": "linux", "architecture": "arm64"})]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    expect(put_manifest("e7i", "multi", index, OCI_INDEX), 404, "MANIFEST_BLOB_UNKNOWN")
    for manifest in one, two:
        expect(put_manifest("e7i", sha(manifest), manifest), 201)
    expect(put_manifest("e7i", "multi", index, OCI_INDEX), 201)
    empty = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    expect(put_manifest("e7i", "empty", empty, OCI_INDEX), 201)
    get = lambda accept: call("GET", "/v2/e7i/manifests/multi", headers={"Accept": accept})
    assert get(OCI_INDEX).body == index and get("*/*").body == index and get(f"{OCI_MANIFEST}, {OCI_INDEX};q=0.5").body == index
    old = expect(get(OCI_MANIFEST), 200)  # knows no index: gets linux/amd64
    assert old.body == one and old["Docker-Content-Digest"] == sha(one)
    expect(get(DOCKER_MANIFEST), 404, "MANIFEST_UNKNOWN")
    expect(call("GET", f"/v2/e7i/manifests/{sha(index)}", headers={"Accept": OCI_MANIFEST}), 404, "MANIFEST_UNKNOWN")


@claim
def end_7a_refusals():
    data = image("e7r")
    good = json.loads(data)
    put = lambda document, media_type=OCI_MANIFEST: put_manifest("e7r", "x", document if isinstance(document, bytes) else json.dumps(document).encode(), media_type)
    lying = json.loads(data)
    lying["layers"][0]["size"] += 1
    unknown = json.loads(data)
    unknown["layers"].append(descriptor(b"not here", "application/vnd.oci.image.layer.v1.tar"))
    foreign = json.loads(data)
    foreign["layers"].append(descriptor(b"elsewhere", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["https://example.org/x"]))
    expect(put(lying), 400, "MANIFEST_INVALID")
    expect(put(unknown), 404, "MANIFEST_BLOB_UNKNOWN")
    expect(put(foreign), 201)
    both = {**good, "manifests": []}
    for bad in b"", b"not json", b"[]", b"{}", b"\xff\xfe", b'{"schemaVersion":2' + b"[" * 5000, {**good, "schemaVersion": 1}, {**good, "config": None}, both, {**good, "layers": "x"}, {**good, "layers": [7]}, {**good, "mediaType": OCI_INDEX}, \
            {**good, "layers": [{**good["layers"][0], "digest": "sha256:../../../etc/passwd"}]}, {**good, "layers": [{**good["layers"][0], "size": -1}]}, {**good, "layers": [{**good["layers"][0], "size": 1e30}]}, {**good, "subject": {"digest": "x"}}:
        expect(put(bad), 400, "MANIFEST_INVALID")
    expect(put({**good, "mediaType": "text/html"}, "text/html"), 400, "MANIFEST_INVALID")
    expect(put({"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": []}, "application/vnd.docker.distribution.manifest.v1+prettyjws"), 400, "MANIFEST_INVALID")
    for tag in ".x", "-x", "x" * 129, "a%20b", "a%2fb":
        assert put_manifest("e7r", tag, data).status in (400, 404), tag
    expect(put_manifest("e7r", "x" * 128, data), 201)


@claim
def end_7a_size_limit():
    data = image("e7s")
    large = json.dumps({**json.loads(data), "annotations": {"pad": "x" * (4 << 20)}}).encode()
    expect(put_manifest("e7s", "large", large), 413, "MANIFEST_INVALID")
    fits = json.dumps({**json.loads(data), "annotations": {"pad": "x" * ((4 << 20) - 2000)}}).encode()
    expect(put_manifest("e7s", "fits", fits), 201)
    assert call("GET", "/v2/e7s/manifests/fits").body == fits
    reply = call("PUT", "/v2/e7s/manifests/chunked", iter([b"x" * 65536] * 160), {"Content-Type": OCI_MANIFEST, "Transfer-Encoding": "chunked"}, chunked=True)
    expect(reply, 413, "MANIFEST_INVALID")
    expect(call("PUT", "/v2/e7s/manifests/announced", None, {"Content-Type": OCI_MANIFEST, "Content-Length": str(40 << 20), "Expect": "100-continue"}), 413, "MANIFEST_INVALID")


@claim
def end_7b_several_tags():
    data = image("e7b")
    names = [f"t{i}" for i in range(12)]
    reply = expect(put_manifest("e7b", sha(data), data, query="?" + "&".join("tag=" + n for n in names)), 201)
    assert sorted(t.strip() for v in reply.headers.get_all("OCI-Tag") for t in v.split(",")) == sorted(names)
    assert call("GET", "/v2/e7b/manifests/t11").body == data
    expect(put_manifest("e7b", sha(data), data, query="?tag=.bad"), 400)
    expect(put_manifest("e7b", sha(data), data, query="?" + "&".join(f"tag=a{i}" for i in range(200))), 414)


@claim
def end_8_tags():
    data = image("e8")
    for tag in "b", "a", "A", "c1", "c10", "c2":
        expect(put_manifest("e8", tag, data), 201)
    everything = ["A", "a", "b", "c1", "c10", "c2"]
    reply = expect(call("GET", "/v2/e8/tags/list"), 200)
    assert reply.json() == {"name": "e8", "tags": everything} and reply["Content-Type"] == "application/json" and not reply["Link"]
    seen, path = [], "/v2/e8/tags/list?n=4"
    while path:
        reply = expect(call("GET", path), 200)
        seen += reply.json()["tags"]
        path = reply["Link"] and re.fullmatch(r'<(/[^>]*)>; rel="next"', reply["Link"])[1]
    assert seen == everything
    assert call("GET", "/v2/e8/tags/list?n=0").json()["tags"] == [] and not call("GET", "/v2/e8/tags/list?n=0")["Link"]
    assert call("GET", "/v2/e8/tags/list?last=b").json()["tags"] == ["c1", "c10", "c2"]
    assert call("GET", "/v2/e8/tags/list?last=bb&n=1").json()["tags"] == ["c1"]
    assert call("GET", "/v2/e8/tags/list?last=c2&n=1").json()["tags"] == []
    for bad in "x", "-1", "", "1.5", "99999999999999999999999":
        expect(call("GET", f"/v2/e8/tags/list?n={bad}"), 400, "UNSUPPORTED")
    expect(call("GET", "/v2/nobody/tags/list"), 404, "NAME_UNKNOWN")


@claim
def end_9_delete_manifest_and_tag():
    data, other = image("e9", b"one"), image("e9", b"two")
    for tag in "a", "b":
        expect(put_manifest("e9", tag, data), 201)
    expect(put_manifest("e9", "c", other), 201)
    expect(call("DELETE", "/v2/e9/manifests/a"), 202)
    expect(call("GET", "/v2/e9/manifests/a"), 404, "MANIFEST_UNKNOWN")
    expect(call("GET", f"/v2/e9/manifests/{sha(data)}"), 200)
    expect(call("DELETE", "/v2/e9/manifests/a"), 404, "MANIFEST_UNKNOWN")
    expect(call("DELETE", f"/v2/e9/manifests/{sha(data)}"), 202)
    for reference in "b", sha(data):
        expect(call("GET", f"/v2/e9/manifests/{reference}"), 404, "MANIFEST_UNKNOWN")
    assert call("GET", "/v2/e9/tags/list").json()["tags"] == ["c"]
    expect(call("DELETE", "/v2/e9/manifests/c"), 202)
    assert expect(call("GET", "/v2/e9/tags/list"), 200).json()["tags"] == []
    expect(put_manifest("e9", "b", data), 201)
    assert call("GET", "/v2/e9/manifests/b").body == data


@claim
def end_10_delete_blob():
    digest = push_blob("e10", b"to be deleted")
    push_blob("e10/other", b"to be deleted")
    expect(call("DELETE", f"/v2/e10/blobs/{digest}"), 202)
    expect(call("GET", f"/v2/e10/blobs/{digest}"), 404, "BLOB_UNKNOWN")
    expect(call("DELETE", f"/v2/e10/blobs/{digest}"), 404, "BLOB_UNKNOWN")
    expect(call("GET", f"/v2/e10/other/blobs/{digest}"), 200)
    expect(call("DELETE", "/v2/e10/blobs/nonsense"), 400, "DIGEST_INVALID")


@claim
def end_11_mount():
    digest = push_blob("e11/from", b"mounted")
    reply = expect(call("POST", f"/v2/e11/to/blobs/uploads/?mount={digest}&from=e11/from"), 201)
    assert reply["Docker-Content-Digest"] == digest and call("GET", reply["Location"]).body == b"mounted"
    for query in f"mount={sha(b'no')}&from=e11/from", f"mount={digest}&from=nobody":
        reply = expect(call("POST", f"/v2/e11/third/blobs/uploads/?{query}"), 202)
        assert reply["Docker-Upload-UUID"] and reply["Location"]
    assert call("POST", f"/v2/e11/fourth/blobs/uploads/?mount={digest}").status in (201, 202)  # without from
    expect(call("POST", f"/v2/e11/to/blobs/uploads/?mount=x&from=e11/from"), 400, "DIGEST_INVALID")
    expect(call("POST", f"/v2/e11/to/blobs/uploads/?mount={digest}&from=../x"), 400, "NAME_INVALID")


@claim
def end_12_referrers():
    name = "e12"
    subject = image(name)
    listing = lambda query="", digest=sha(subject): expect(call("GET", f"/v2/{name}/referrers/{digest}{query}"), 200)
    assert listing().json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []} and listing()["Content-Type"] == OCI_INDEX
    about = descriptor(subject, OCI_MANIFEST)
    empty = b"{}"
    push_blob(name, empty)
    sbom = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/x.sbom", "config": descriptor(empty, "application/vnd.oci.empty.v1+json"), "layers": [descriptor(empty, "application/vnd.oci.empty.v1+json")],
                       "subject": about, "annotations": {"k": "v"}}).encode()
    signature = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(empty, "application/x.signature"), "layers": [], "subject": about}).encode()
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": about}).encode()
    for document, media_type in (sbom, OCI_MANIFEST), (signature, OCI_MANIFEST), (index, OCI_INDEX):
        reply = expect(put_manifest(name, sha(document), document, media_type), 201)
        assert reply["OCI-Subject"] == sha(subject)
    expect(put_manifest(name, "subject", subject), 201)  # the subject itself may come last
    found = {d["digest"]: d for d in listing().json()["manifests"]}
    assert found == {sha(sbom): descriptor(sbom, OCI_MANIFEST, artifactType="application/x.sbom", annotations={"k": "v"}),
                     sha(signature): descriptor(signature, OCI_MANIFEST, artifactType="application/x.signature"), sha(index): descriptor(index, OCI_INDEX)}, found
    filtered = listing("?artifactType=application/x.sbom")
    assert filtered["OCI-Filters-Applied"] == "artifactType" and [d["digest"] for d in filtered.json()["manifests"]] == [sha(sbom)]
    assert listing("?artifactType=nothing").json()["manifests"] == []
    expect(call("DELETE", f"/v2/{name}/manifests/{sha(sbom)}"), 202)
    assert sha(sbom) not in {d["digest"] for d in listing().json()["manifests"]}
    expect(call("GET", f"/v2/{name}/referrers/sha256:x"), 400, "DIGEST_INVALID")
    assert expect(call("GET", f"/v2/nobody/referrers/{sha(b'x')}"), 200).json()["manifests"] == []


@claim
def referrers_pages():
    name = "e12p"
    about = {"mediaType": OCI_MANIFEST, "digest": sha(b"subject"), "size": 7}
    push_blob(name, b"{}")
    pushed = set()
    for i in range(4):
        document = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "a/b", "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"), "layers": [], "subject": about,
                               "annotations": {"n": str(i), "pad": "x" * 2_000_000}}).encode()
        expect(put_manifest(name, sha(document), document), 201)
        pushed.add(sha(document))
    seen, path, pages = [], f"/v2/{name}/referrers/{sha(b'subject')}?artifactType=a/b", 0
    while path:
        reply = expect(call("GET", path), 200)
        seen += [d["digest"] for d in reply.json()["manifests"]]
        path, pages = reply["Link"] and re.fullmatch(r'<(/[^>]*)>; rel="next"', reply["Link"])[1], pages + 1
    assert sorted(seen) == sorted(pushed) and pages > 1, (pages, seen)


@claim
def referrers_of_the_fallback_tag():
    """What clients kept under the tag schema before there was a referrers API is listed too."""
    name = "e12f"
    subject = image(name)
    push_blob(name, b"{}")
    document = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "a/b", "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"), "layers": [], "subject": descriptor(subject, OCI_MANIFEST)}).encode()
    unrelated = image(name, b"unrelated")
    for manifest in document, unrelated:
        expect(put_manifest(name, sha(manifest), manifest), 201)
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(document, OCI_MANIFEST, artifactType="a/b"), descriptor(unrelated, OCI_MANIFEST)]}).encode()
    expect(put_manifest(name, sha(subject).replace(":", "-"), index, OCI_INDEX), 201)
    listed = [d["digest"] for d in call("GET", f"/v2/{name}/referrers/{sha(subject)}").json()["manifests"]]
    assert listed == [sha(document)], listed


@claim
def end_13_and_14_state_and_cancel():
    location = start("e13")
    assert expect(call("GET", location), 204)["Range"] == "0-0"
    expect(call("DELETE", location), 204)
    for method in "GET", "DELETE", "PATCH":
        expect(call(method, location), 404)
    location = start("e13")
    elsewhere = location.replace("/e13/", "/e14/")
    expect(call("GET", elsewhere), 404, "BLOB_UPLOAD_UNKNOWN")  # another repository's


@claim
def catalog():
    names = [f"catalog/{n}" for n in ("a", "a-b", "a/b", "b")]
    for name in names:
        expect(put_manifest(name, "x", image(name)), 201)
    listed = call("GET", "/v2/_catalog").json()["repositories"]
    assert [n for n in listed if n.startswith("catalog/")] == sorted(names) and listed == sorted(listed)
    seen, path = [], "/v2/_catalog?n=3"
    while path:
        reply = expect(call("GET", path), 200)
        assert len(reply.json()["repositories"]) <= 3
        seen += reply.json()["repositories"]
        path = reply["Link"] and re.fullmatch(r'<(/[^>]*)>; rel="next"', reply["Link"])[1]
    assert seen == listed
    assert call("GET", "/v2/_catalog?n=0").json()["repositories"] == []


@claim
def names():
    good = ["a", "0", "a/b/c/d/e", "a.b_c__d-e---f", "x" * 255]
    bad = ["A", "a..b", "a___b", "-a", "a-", "a//b", "_a", "a/_uploads", "a/.b", "..", "a/../b", "%2e%2e", "a%00b", "a b", "x" * 256, "é"]
    for name in good:
        expect(call("GET", f"/v2/{name}/tags/list"), 404, "NAME_UNKNOWN")
    for name in bad:
        reply = call("GET", f"/v2/{urllib.parse.quote(name, safe='/%')}/tags/list")
        assert reply.status == 400 and reply.codes()[0] in ("NAME_INVALID", "UNSUPPORTED"), (name, reply.status, reply.body)
        assert call("POST", f"/v2/{urllib.parse.quote(name, safe='/%')}/blobs/uploads/").status in (400, 404), name


@claim
def errors_are_json():
    for method, path in ("GET", "/v2/x/unknown/y"), ("GET", "/nothing"), ("PATCH", "/v2/x/tags/list"), ("DELETE", "/v2/_catalog"):
        reply = call(method, path)
        assert reply.status in (404, 405) and reply["Content-Type"] == "application/json", (path, reply.status)
        error = reply.json()["errors"][0]
        assert error["code"] == "UNSUPPORTED" and error["message"]


@claim
def parallel_uploads_of_one_blob():
    data = b"the same blob " * 100_000
    failures = []

    def push():
        try:
            push_blob("parallel", data)
            location = start("parallel")
            expect(call("PATCH", location, data), 202)
            expect(call("PUT", finish(location, sha(data))), 201)
        except BaseException as error:
            failures.append(error)
    threads = [threading.Thread(target=push) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert call("GET", f"/v2/parallel/blobs/{sha(data)}").body == data


@claim
def one_connection_many_requests():
    connection = http.client.HTTPConnection(ADDRESS, timeout=60)
    data = b"k" * 300_000
    for i in range(5):
        connection.request("POST", f"/v2/keep/blobs/uploads/?digest={sha(data)}", data)
        reply = connection.getresponse()
        assert reply.status == 201 and reply.read() == b""
        connection.request("GET", f"/v2/keep/blobs/{sha(data)}")
        assert connection.getresponse().read() == data
    host, port = ADDRESS.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as pipelined:  # requests behind a body, in one write
        get = f"GET /v2/keep/blobs/{sha(data)} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n".encode()
        pipelined.sendall(f"POST /v2/keep/blobs/uploads/?digest={sha(b'pipe')} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\npipe".encode() + get + get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        text = b""
        while piece := pipelined.recv(65536):
            text += piece
    assert text.count(b"HTTP/1.1 201") == 1 and text.count(b"HTTP/1.1 206") == 2 and text.count(b"kkkk") == 2, text


def main():
    failed = 0
    for function in claims:
        if len(sys.argv) > 2 and sys.argv[2] not in function.__name__:
            continue
        try:
            function()
            print("ok", function.__name__)
        except Exception as error:
            failed += 1
            line = traceback.extract_tb(error.__traceback__)[-1]
            where = [f.lineno for f in traceback.extract_tb(error.__traceback__)]
            print("FAIL", function.__name__, f"line {where}:", type(error).__name__, str(error)[:500] or line.line)
    print(failed, "failed")


main()
