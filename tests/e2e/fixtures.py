"""Images for the end-to-end tests, made from Debian's busybox-static."""
import hashlib, io, json, os, subprocess, sys, tarfile


def add(tar, name, data=b"", mode=0o644, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname, info.mtime = len(data), mode, kind, link, 1700000000
    tar.addfile(info, io.BytesIO(data) if data else None)


def busybox_layer(marker=b""):
    if not os.path.exists("/bin/busybox"):
        sys.exit("no /bin/busybox: apt-get install busybox-static")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for directory in "bin dev etc home proc root sys usr usr/bin var".split():
            add(tar, directory, mode=0o755, kind=tarfile.DIRTYPE)
        add(tar, "tmp", mode=0o1777, kind=tarfile.DIRTYPE)
        add(tar, "bin/busybox", open("/bin/busybox", "rb").read(), 0o755)
        for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True).stdout.split():
            if applet != "busybox":
                add(tar, "bin/" + applet, kind=tarfile.SYMTYPE, link="busybox")
        add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/sh\nalice:x:1000:1001::/home:/bin/sh\n")
        add(tar, "etc/group", b"root:x:0:\nstaff:x:50:alice\nalice:x:1001:\nnogroup:x:65534:\n")
        add(tar, "bin/crlf.sh", b"#!/bin/sh\r\necho hi\r\n", 0o755)
        add(tar, "bin/nointerp.sh", b"#!/bin/no-such-shell\necho hi\n", 0o755)
        add(tar, "bin/noexec.sh", b"#!/bin/sh\necho hi\n", 0o644)
        elf_arm64 = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + (2).to_bytes(2, "little") + (183).to_bytes(2, "little") + b"\0" * 44
        add(tar, "bin/arm64", elf_arm64, 0o755)
        if marker:
            add(tar, "etc/marker", marker)
    return out.getvalue()


def make_busybox(path, name="busybox:latest", marker=b"", config={}):
    """Writes a `docker save` archive of one layer; `marker` makes it another one, `config` adds to the image's config."""
    layer = busybox_layer(marker)
    digest = hashlib.sha256(layer).hexdigest()
    document = json.dumps({"architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
                         "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], **config},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
                         "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "busybox from Debian's busybox-static"}]}).encode()
    config_name = hashlib.sha256(document).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [digest + "/layer.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        add(tar, config_name, document)
        add(tar, "manifest.json", manifest)
        add(tar, digest + "/layer.tar", layer)


if __name__ == "__main__":
    make_busybox(sys.argv[1], *sys.argv[2:3], config=json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
