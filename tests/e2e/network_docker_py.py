"""Steps of network_docker_py.test: network_docker_py.py NAME, against the daemon of $DAEMON_SOCKET."""
import os
import sys

import docker

client = docker.DockerClient(base_url="unix://" + os.environ["DAEMON_SOCKET"])
name = sys.argv[1]


def refused(body):
    try:
        body()
    except docker.errors.APIError as error:
        return error.status_code
    return "not refused"


pool = docker.types.IPAMPool(subnet="10.219.1.0/24", gateway="10.219.1.9", iprange="10.219.1.128/25", aux_addresses={"printer": "10.219.1.130"})
network = client.networks.create(name, driver="bridge", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={"of": name}, options={"com.docker.network.driver.mtu": "1300"},
                                 check_duplicate=True, attachable=True)
network.reload()
print(network.attrs["IPAM"]["Config"][0], network.attrs["Attachable"], network.attrs["Options"]["com.docker.network.driver.mtu"])
print([n.name for n in client.networks.list(filters={"label": "of=" + name})], len(client.networks.list(names=[name])))
print(refused(lambda: client.networks.create(name, check_duplicate=True)))
container = client.containers.run("busybox", "sleep 1000", name=name, detach=True, network=name, ports={"80/tcp": None, "81/udp": ("127.0.0.1", None)})
container.reload()
settings = container.attrs["NetworkSettings"]
print(settings["Networks"][name]["Gateway"], settings["Networks"][name]["IPAddress"].startswith("10.219.1."), sorted(settings["Ports"]), settings["Ports"]["81/udp"][0]["HostIp"])
print(container.ports["80/tcp"][0]["HostPort"].isdigit())
other = client.containers.create("busybox", "sleep 1000", name=name + "-other")
network.connect(other, aliases=["o"], ipv4_address="10.219.1.200")
other.start()
other.reload()
print(other.attrs["NetworkSettings"]["Networks"][name]["IPAddress"], sorted(other.attrs["NetworkSettings"]["Networks"]) == sorted(["bridge", name]))
network.reload()
print(sorted(c.name for c in network.containers) == sorted([name, name + "-other"]))
print(container.exec_run(["ping", "-c", "1", "-W", "2", "o"]).exit_code, refused(network.remove), refused(lambda: network.connect(other)))
network.disconnect(other)
other.reload()
print(name in other.attrs["NetworkSettings"]["Networks"])
for c in (container, other):
    c.remove(force=True)
print(client.networks.prune(filters={"label": "of=" + name}))
print(refused(lambda: client.networks.get(name)))
