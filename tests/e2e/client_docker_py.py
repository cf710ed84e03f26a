"""Steps of client_docker_py.test: client_docker_py.py STEP NAME, against the daemon of $DOCKER_HOST."""
import os
import sys
import time

import docker

client = docker.DockerClient(base_url="unix://" + os.environ["DAEMON_SOCKET"])


def output(name):
    print(client.containers.run("busybox", "echo hello", remove=True, network_mode="none"))
    try:
        client.containers.run("busybox", ["sh", "-c", "echo no >&2; exit 4"], remove=True, network_mode="none")
    except docker.errors.ContainerError as error:
        print(error.exit_status, error.stderr)


def living(name):
    container = client.containers.run("busybox", "sleep 1000", name=name, detach=True, network_mode="none", mem_limit="64m", memswap_limit="128m",
                                      healthcheck={"test": ["CMD", "true"], "interval": 200000000})
    print(container.attrs["HostConfig"]["LogConfig"]["Type"])
    print(container.stats(stream=False)["memory_stats"]["limit"], next(container.stats(decode=True))["name"])
    print(container.update(mem_limit="32m", memswap_limit="64m")["Warnings"])
    container.reload()
    print(container.attrs["HostConfig"]["Memory"])
    deadline = time.monotonic() + 30
    while container.attrs["State"]["Health"]["Status"] != "healthy" and time.monotonic() < deadline:
        time.sleep(0.1)
        container.reload()
    print(container.attrs["State"]["Health"]["Status"])
    print([usage.get("SizeRw", 0) for usage in client.df()["Containers"] if usage["Id"] == container.id])
    container.remove(force=True)


{"output": output, "living": living}[sys.argv[1]](sys.argv[2])
