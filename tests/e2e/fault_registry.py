"""A registry that misbehaves. The last word of a repository's name says how:

    good cut cut-norange wrong-range flaky down limited stall loop elsewhere lying-layer lying-size lying-config lying-manifest
    big-manifest bomb bomb-zstd escape no-type schema1 both no-json artifact odd-layer odd-os other-platform deep basic bearer fickle two-layers
    slow plain zstd embedded attested linked absolute warned stamped foreign push-cut push-flaky push-lies push-forgets push-moves push-slow

All of them hold one image under the tag `1`, deterministic per repository. Usage: fault_registry.py PORT-FILE LOG-FILE [OTHER-ORIGIN]
LOG-FILE gets a JSON line per request: method, path, authorization, range. The user is alice, her password is sesame."""
import base64, gzip, hashlib, http.server, io, json, os, re, socket, subprocess, sys, tarfile, threading, time, urllib.parse, zlib

OCI = "application/vnd.oci.image."
LOG = open(sys.argv[2], "a", buffering=1)
OTHER = sys.argv[3] if len(sys.argv) > 3 else ""
LOCK = threading.Lock()
COUNTS, UPLOADS, STORED, AUTHORS = {}, {}, {}, {}
KNOWN = set(__doc__.split("\n\n")[1].split())


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o755, 1700000000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def noise(seed, size):
    """Bytes that do not compress."""
    out, block = bytearray(), seed.encode()
    while len(out) < size:
        block = hashlib.sha256(block).digest()
        out += block
    return bytes(out[:size])


def bomb():
    """A tar of 40 GB of zeros in one file; the compressed stream repeats one deflate block."""
    info = tarfile.TarInfo("zeros")
    info.size = 40 << 30
    head = info.tobuf(tarfile.GNU_FORMAT)
    piece = bytes(64 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    first = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(100):
        yield first


def make_image(fault):
    busybox = open("/bin/busybox", "rb").read()
    plain = [layer([("bin/busybox", busybox), ("bin/sh", b"#!/bin/busybox sh\n"), ("repo", fault.encode() + b"\n")])]
    plain.append(layer([("noise", noise(fault, 3 << 20))]))
    if fault == "escape":
        plain[1] = layer([("../../escaped", b"x"), ("/absolute", b"y")])
    if fault == "absolute":
        plain[1] = layer([("/absolute", b"inside\n")])
    packed = [gzip.compress(data, 1, mtime=0) for data in plain]
    types = [OCI + "layer.v1.tar+gzip"] * 2
    if fault == "bomb":
        packed[1] = b"".join(bomb())
    if fault == "bomb-zstd":
        tar = tarfile.TarInfo("zeros")
        tar.size = 40 << 30
        squeeze = lambda data: subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE).stdout
        packed[1] = squeeze(tar.tobuf(tarfile.GNU_FORMAT)) + 100 * squeeze(bytes(64 << 20))
        types[1] = OCI + "layer.v1.tar+zstd"
    if fault == "plain":
        packed[1], types[1] = plain[1], OCI + "layer.v1.tar"
    if fault == "zstd":
        half = len(plain[1]) // 2
        packed[1] = b"".join(subprocess.run(["zstd", "-q", "-c"], input=part, stdout=subprocess.PIPE).stdout for part in (plain[1][:half], plain[1][half:]))
        types[1] = OCI + "layer.v1.tar+zstd"
    if fault == "linked":  # the upper layer links to a file of the lower one
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            info = tarfile.TarInfo("repo-link")
            info.type, info.linkname = tarfile.LNKTYPE, "repo"
            tar.addfile(info)
        plain[1] = out.getvalue()
        packed[1] = gzip.compress(plain[1], 1, mtime=0)
    if fault == "odd-layer":
        types[1] = "application/x-cats"
    config = json.dumps({"architecture": "arm64" if fault == "other-platform" else "amd64", "os": "plan9" if fault == "odd-os" else "linux",
                         "config": {"Cmd": ["/bin/busybox", "cat", "/repo"]},
                         "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in plain]}}).encode()
    layers = [{"mediaType": kind, "digest": digest(data), "size": len(data)} for kind, data in zip(types, packed)]
    blobs = {digest(data): data for data in packed + [config]}
    if fault == "foreign":  # its author has it, this registry does not
        layers[1]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        layers[1]["urls"] = [f"http://localhost:{server.server_address[1]}/nowhere", f"http://localhost:{server.server_address[1]}/author/{layers[1]['digest']}"]
        AUTHORS[layers[1]["digest"]] = blobs.pop(layers[1]["digest"])
    if fault == "lying-layer":
        blobs[layers[1]["digest"]] = packed[1][:-100] + bytes(100)
    if fault == "lying-config":
        blobs[digest(config)] = config.replace(b"amd64", b"AMD64")
    if fault == "lying-size":
        layers[1]["size"] += 1
    manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                "config": {"mediaType": OCI + "config.v1+json", "digest": digest(config), "size": len(config)}, "layers": layers}
    if fault == "embedded":
        manifest["config"]["data"] = base64.b64encode(config).decode()
        del blobs[digest(config)]
    if fault == "artifact":
        manifest["config"]["mediaType"] = "application/vnd.oci.empty.v1+json"
        manifest["artifactType"] = "application/vnd.example.sbom"
    if fault == "no-type":
        manifest["mediaType"] = "application/x-unheard-of"
    if fault == "both":
        manifest["manifests"] = []
    text = json.dumps(manifest).encode()
    if fault == "schema1":
        text = json.dumps({"schemaVersion": 1, "name": "x", "tag": "1", "fsLayers": [], "history": [], "signatures": []}).encode()
    if fault == "no-json":
        text = b"<html>Sign in to the hotel's network</html>"
    if fault == "big-manifest":
        text = text[:-1] + b', "annotations": {"x": "' + b"y" * (40 << 20) + b'"}}'
    manifests = {"1": (text, json.loads(text).get("mediaType", OCI + "manifest.v1+json") if text[:1] == b"{" else "text/html")}
    if fault == "deep":
        for level in range(6):
            text = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
                {"mediaType": manifests["1"][1], "digest": digest(text), "size": len(text), "platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
            manifests[digest(manifests["1"][0])] = manifests["1"]
            manifests["1"] = (text, OCI + "index.v1+json")
    if fault == "attested":
        odd = json.dumps({**manifest, "config": {**manifest["config"], "mediaType": "application/vnd.in-toto+json"}}).encode()
        entry = lambda data, system: {"mediaType": OCI + "manifest.v1+json", "digest": digest(data), "size": len(data),
                                      "platform": {"os": system, "architecture": {"linux": "amd64"}.get(system, system)}}
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [entry(odd, "unknown"), entry(text, "linux")]}).encode()
        manifests |= {digest(odd): (odd, OCI + "manifest.v1+json"), digest(text): manifests["1"], "1": (index, OCI + "index.v1+json")}
    manifests[digest(manifests["1"][0])] = manifests["1"]
    if fault == "stamped":  # without the referrers API: an index under the tag that stands in for it
        kinds = {"application/vnd.example.signature": 100, "application/vnd.example.sbom": 2000}
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
            {"mediaType": OCI + "manifest.v1+json", "digest": digest(kind.encode()), "size": size, "artifactType": kind, "annotations": {"by": "me"}} for kind, size in kinds.items()]}).encode()
        manifests[digest(manifests["1"][0]).replace(":", "-")] = (index, OCI + "index.v1+json")
    return manifests, blobs


def stored(repository):
    with LOCK:
        if repository not in STORED:
            fault = repository.split("/")[-1]
            STORED[repository] = ({}, {}) if fault.startswith("push") else make_image(fault)
        return STORED[repository]


def count(*key):
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code, message, headers=()):
        if self.command in ("POST", "PUT", "PATCH"):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.reply(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), [("Content-Type", "application/json"), *headers])

    def hang_up(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def handle_one(self):
        LOG.write(json.dumps({"method": self.command, "path": self.path, "authorization": self.headers.get("Authorization", "")[:6],
                              "range": self.headers.get("Range", self.headers.get("Content-Range", ""))}) + "\n")
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/token":
            return self.token(query)
        if url.path == "/v2/":
            return self.reply(200, b"{}")
        if url.path == "/v1/search":
            return self.reply(200, json.dumps({"num_results": 2, "results": [
                {"name": "few", "description": "with few\nstars", "star_count": 1, "is_official": False},
                {"name": query["q"], "description": "what was asked for", "star_count": 5, "is_official": True}][: int(query["n"])]}).encode())
        if url.path.startswith("/author/") and not self.headers.get("Authorization"):
            return self.reply(200, AUTHORS[url.path[8:]])
        match = re.fullmatch(r"/v2/(.+?)/(manifests|blobs|tags|referrers)/(.*)", url.path)
        if not match or match[1].split("/")[-1] not in KNOWN:
            return self.refuse(404, "NAME_UNKNOWN", "repository name not known to registry")
        repository, kind, rest = match.groups()
        fault = repository.split("/")[-1]
        self.origin = f"http://{self.headers['Host']}"
        authorization = self.headers.get("Authorization", "")
        if (fault == "basic" or fault == "elsewhere" and OTHER) and authorization != "Basic " + base64.b64encode(b"alice:sesame").decode():
            return self.refuse(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", 'Basic realm="here"')])
        if fault in ("bearer", "fickle") and (authorization != "Bearer good-" + repository or fault == "fickle" and count(repository) == 2):
            return self.refuse(401, "UNAUTHORIZED", "authentication required",
                               [("WWW-Authenticate", f'Bearer realm="{self.origin}/token",service="faults",scope="repository:{repository}:pull"')])
        if fault == "down" or (fault in ("flaky", "push-flaky") and count(repository, self.command, url.path) == 1):
            return self.refuse(503, "UNAVAILABLE", "out for lunch", [("Retry-After", "0")])
        if fault == "limited" and count(repository, self.command, url.path) == 1:
            return self.refuse(429, "TOOMANYREQUESTS", "slower", [("Retry-After", "1")])
        if kind == "referrers":
            return self.refuse(404, "NOT_FOUND", "no such thing here")
        if kind == "manifests":
            return self.manifest(repository, fault, rest)
        if kind == "tags":
            return self.reply(200, json.dumps({"name": repository, "tags": ["1"]}).encode())
        if rest.startswith("uploads/"):
            return self.upload(repository, fault, rest[8:], query)
        return self.blob(repository, fault, rest)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_one

    def token(self, query):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = dict(urllib.parse.parse_qsl(body))
        scope = (form or query).get("scope", "::")
        given = self.headers.get("Authorization", "")
        good = given == "Basic " + base64.b64encode(b"alice:sesame").decode() or form.get("refresh_token") == "refresh-alice"
        if not good:
            return self.reply(401, json.dumps({"details": "incorrect username or password"}).encode())
        answer = {"token": "good-" + scope.split(":")[1], "expires_in": 300}
        if query.get("offline_token"):
            answer["refresh_token"] = "refresh-alice"
        self.reply(200, json.dumps(answer).encode())

    def manifest(self, repository, fault, reference):
        manifests, _ = stored(repository)
        if self.command == "PUT":
            data = self.rfile.read(int(self.headers["Content-Length"]))
            manifests[reference] = manifests[digest(data)] = (data, self.headers["Content-Type"])
            return self.reply(201, b"", [("Docker-Content-Digest", digest(b"lies" if fault == "push-lies" else data))])
        if reference not in manifests:
            return self.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        text, kind = manifests[reference]
        said = digest(b"something else") if fault == "lying-manifest" else digest(text)
        warnings = [("Warning", '299 - "this image is old: \\"good\\" is newer"')] if fault == "warned" else []
        self.reply(200, text, [("Content-Type", kind), ("Docker-Content-Digest", said), *warnings])

    def blob(self, repository, fault, name):
        _, blobs = stored(repository)
        if name not in blobs:
            return self.refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data = blobs[name]
        if self.command == "HEAD":
            return self.reply(200, data)
        is_layer = data[:2] == b"\x1f\x8b" and len(data) > 1 << 20
        if fault == "loop":
            return self.reply(307, b"", [("Location", self.path)])
        if fault == "elsewhere" and "of=elsewhere" not in self.path:
            return self.reply(307, b"", [("Location", OTHER + self.path + "?of=elsewhere")])
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and fault != "cut-norange":
            start = int(wanted[1])
        if fault == "wrong-range" and wanted:
            return self.reply(206, data, [("Content-Range", f"bytes 0-{len(data) - 1}/{len(data)}")])
        headers = [("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")] if start else []
        if is_layer and fault in ("cut", "cut-norange", "wrong-range") and count(repository, name) <= 2:
            self.reply(206 if start else 200, data[start:start + (1 << 20)], headers, length=len(data) - start)
            return self.hang_up()
        if is_layer and fault == "stall" and not start:
            self.reply(200, data[:1 << 20], length=len(data))
            self.wfile.flush()
            time.sleep(600)
        if is_layer and fault == "slow":
            self.reply(206 if start else 200, b"", headers, length=len(data) - start)
            for at in range(start, len(data), 64 << 10):
                self.wfile.write(data[at:at + (64 << 10)])
                self.wfile.flush()
                time.sleep(0.1)
            return
        self.reply(206 if start else 200, data[start:], headers)

    def upload(self, repository, fault, name, query):
        _, blobs = stored(repository)
        if self.command == "POST":
            if not fault.startswith("push-") and query.get("mount") and query.get("from") in STORED and query["mount"] in STORED[query["from"]][1]:
                blobs[query["mount"]] = STORED[query["from"]][1][query["mount"]]
                return self.reply(201)
            name = f"u{count('upload')}"
            UPLOADS[name] = bytearray()
            return self.reply(202, b"", [("Location", f"/v2/{repository}/blobs/uploads/{name}"), ("Range", "0-0")])
        if fault == "push-forgets" and count(repository, name) == 2 and count(repository, "forgot") == 1:
            UPLOADS.pop(name, None)
        if name not in UPLOADS:
            return self.refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        data = UPLOADS[name]
        location = [("Location", f"/v2/{repository}/blobs/uploads/{name}"), ("Range", f"0-{max(len(data) - 1, 0)}")]
        if self.command == "GET":
            return self.reply(204, b"", location)
        left = int(self.headers.get("Content-Length") or 0)
        if self.command == "PATCH":
            start = int(self.headers.get("Content-Range", "0-").split("-")[0])
            if start != len(data):
                return self.refuse(416, "RANGE_INVALID", "that is not where it goes on")
            if fault == "push-moves" and left and count(repository, "moved") == 1:  # bytes of a connection that is gone came in meanwhile
                data += self.rfile.read(left)[:left // 2]
                return self.reply(416, b'{"errors":[{"code":"RANGE_INVALID","message":"that is not where it goes on"}]}', [("Content-Type", "application/json")])
            cut = fault == "push-cut" and left > 1 << 20 and count(repository, "cut") <= 2
            while left:
                piece = self.rfile.read(min(left, 64 << 10))
                data += piece
                left -= len(piece)
                if fault == "push-slow":
                    LOG.write(json.dumps({"method": "PATCH", "path": self.path, "range": "0-", "received": len(piece)}) + "\n")
                    time.sleep(0.02)
                if not piece or (cut and len(data) - start > 1 << 20):
                    return self.hang_up()
            return self.reply(202, b"", [location[0], ("Range", f"0-{max(len(data) - 1, 0)}")])
        if digest(bytes(data)) != query["digest"]:
            return self.refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        blobs[query["digest"]] = bytes(data)
        self.reply(201, b"", [("Docker-Content-Digest", query["digest"])])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
