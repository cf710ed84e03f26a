#!/usr/bin/env python3
"""docker_py_files.py CONTAINER: docker-py's methods for a container's files, and what they give."""
import io, os, sys, tarfile

import docker

# The system's proxies and credentials have no place here; an old daemon knows old versions only.
client = docker.DockerClient(base_url=os.environ["DOCKER_HOST"], version="auto")
container = client.containers.get(sys.argv[1])


def tar_of(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("_", "-"))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def names(chunks):
    return [member.name for member in tarfile.open(fileobj=io.BytesIO(b"".join(chunks))).getmembers()]


chunks, stat = container.get_archive("/d")
print("get_archive", stat["name"], names(chunks))
print("put_archive", container.put_archive("/", tar_of(from_py=b"py\n")), container.exec_run("cat /from-py").output.decode().strip())
big = os.urandom(3_000_000)
container.put_archive("/d", tar_of(big=big))
chunks, _ = container.get_archive("/d/big", chunk_size=100_000)
print("chunks", tarfile.open(fileobj=io.BytesIO(b"".join(chunks))).extractfile("big").read() == big)
container.exec_run("rm /d/big")
print("diff", sorted((change["Path"], change["Kind"]) for change in container.diff()))
print("export", {"from-py", "d/one"} <= set(names(container.export())))
image = container.commit("made-py", "2", message="msg", author="author", changes='CMD ["cat", "/from-py"]')
print("commit", image.tags, image.attrs["Config"]["Cmd"], image.attrs["Author"])
try:
    container.get_archive("/nope")
except docker.errors.NotFound as error:
    print("missing", error.status_code)
