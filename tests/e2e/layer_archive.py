#!/usr/bin/env python3
"""layer_archive.py OUT NAME [--refused-by-docker]: an image of awkward layers on busybox, as a `docker save` archive."""
import hashlib, io, json, sys, tarfile
import fixtures


def layer(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in entries:
            if data is None:
                fixtures.add(tar, name, mode=0o755, kind=tarfile.DIRTYPE)
            elif isinstance(data, tuple):
                fixtures.add(tar, name, kind=data[0], link=data[1])
            else:
                fixtures.add(tar, name, data)
    return out.getvalue()


def layers(refused_by_docker):
    yield fixtures.busybox_layer()
    yield layer(("w", None), ("w/file", b"1"), ("w/dir", None), ("w/dir/a", b"a"), ("w/dir/b", b"b"), ("w/both", None), ("w/both/x", b"x"), ("w/op", None), ("w/op/old1", b""), ("w/op/old2", b""),
                ("w/dot", None), ("w/dot/.old", b""), ("w/dot/old", b""), ("w/keep", b"kept"), ("w/linked", b"one inode"), ("w/link", (tarfile.LNKTYPE, "w/linked")))
    yield layer(("w/.wh.file", b""), ("w/dir/.wh.a", b""), ("w/both", b"a file now"), ("w/op/new", b""), ("w/op/.wh..wh..opq", b""), ("w/dot/.new", b""), ("w/dot/.wh..wh..opq", b""), ("w/.wh.linked", b""))
    yield layer(("w/.wh.both", b""), ("w/both/", None), ("w/both/y", b"y"), ("p/q/r/deep", b"without parents"))
    if refused_by_docker:
        yield layer(("w/twice", b"first"), ("w/twice", b"second"), ("w/lower", (tarfile.LNKTYPE, "w/keep")))


def main():
    blobs = list(layers("--refused-by-docker" in sys.argv))
    digests = [hashlib.sha256(blob).hexdigest() for blob in blobs]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + d for d in digests]}}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    with tarfile.open(sys.argv[1], "w") as tar:
        fixtures.add(tar, name, config)
        fixtures.add(tar, "manifest.json", json.dumps([{"Config": name, "RepoTags": [sys.argv[2]], "Layers": [d + "/layer.tar" for d in digests]}]).encode())
        for digest, blob in zip(digests, blobs):
            fixtures.add(tar, digest + "/layer.tar", blob)


main()
