#!/usr/bin/env python3
"""docker_py_build.py BASE NAME: docker-py's images.build, with what it makes of the stream."""
import io, os, sys

import docker

client = docker.DockerClient(base_url=os.environ["DOCKER_HOST"], version="auto")
base, name = sys.argv[1:]
image, log = client.images.build(path="c", tag=name, buildargs={"WHO": "py"}, network_mode="none", labels={"by": "py"}, rm=True)
print("tags", [tag.replace(name, "NAME") for tag in image.tags], image.labels)
log = list(log)
print("steps", sum(line.get("stream", "").startswith("Step ") for line in log))
print("run", client.containers.run(image, network_mode="none", remove=True).decode().strip())
same, _ = client.images.build(path="c", buildargs={"WHO": "py"}, network_mode="none", labels={"by": "py"})
print("cached", same.id == image.id)
try:
    client.images.build(fileobj=io.BytesIO(f"FROM {base}\nRUN exit 9\n".encode()), network_mode="none")
except docker.errors.BuildError as error:
    print("failed", error.msg)
try:
    client.images.build(fileobj=io.BytesIO(b"NOSUCH x\n"))
except docker.errors.APIError as error:
    print("refused", error.status_code, "unknown instruction: NOSUCH" in error.explanation)
