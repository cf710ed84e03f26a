"""registry_sha512.py ADDRESS NAME: puts an image at ADDRESS whose config, layer and manifest are named by SHA-512, as NAME:1 and in an
index NAME:index. Prints the manifest's digest."""
import gzip, hashlib, io, json, sys, tarfile, urllib.request

address, name = sys.argv[1:]
OCI = "application/vnd.oci.image."


def digest(data):
    return "sha512:" + hashlib.sha512(data).hexdigest()


def ask(method, path, data=None, **headers):
    request = urllib.request.Request(path if "://" in path else f"http://{address}{path}", data, headers, method=method)
    return urllib.request.urlopen(request)


def put_blob(data):
    location = ask("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
    ask("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest(data)}", data, **{"Content-Type": "application/octet-stream"})


def describe(media_type, data):
    return {"mediaType": OCI + media_type, "digest": digest(data), "size": len(data)}


tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as archive:
    for path, data in (("bin/busybox", open("/bin/busybox", "rb").read()), ("bin/sh", b"#!/bin/busybox sh\n")):
        info = tarfile.TarInfo(path)
        info.size, info.mode, info.mtime = len(data), 0o755, 1700000000
        archive.addfile(info, io.BytesIO(data))
layer = gzip.compress(tar.getvalue(), 1, mtime=0)
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/busybox", "echo", "sha512"]},
                     "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar.getvalue()).hexdigest()]}}).encode()
manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": describe("config.v1+json", config),
                       "layers": [describe("layer.v1.tar+gzip", layer)]}).encode()
index = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
    describe("manifest.v1+json", manifest) | {"platform": {"architecture": "amd64", "os": "linux"}}]}).encode()
put_blob(layer)
put_blob(config)
for reference in (digest(manifest), "1"):
    ask("PUT", f"/v2/{name}/manifests/{reference}", manifest, **{"Content-Type": OCI + "manifest.v1+json"})
ask("PUT", f"/v2/{name}/manifests/index", index, **{"Content-Type": OCI + "index.v1+json"})
print(digest(manifest))
