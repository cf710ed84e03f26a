"""Of network_fields.test: what GET /networks and GET /containers say, member by member."""
import http.client
import json
import os
import socket
import sys


def get(path):
    call = http.client.HTTPConnection("localhost")
    call.sock = socket.socket(socket.AF_UNIX)
    call.sock.connect(os.environ["DAEMON_SOCKET"])
    call.request("GET", path)
    return json.load(call.getresponse())


def spoken(name, value):
    if name == "IPAM":  # the docker CLI sends subnets in no order
        value = {**value, "Config": sorted(value["Config"], key=lambda config: ":" in config["Subnet"])}
    if name in ("Id", "NetworkID", "EndpointID", "SandboxID"):
        return len(value)
    if name in ("Created", "SandboxKey"):
        return bool(value)
    if name == "Containers":
        return " ".join([str(len(value)), *(f"{c['Name']} {c['IPv4Address']} {c['IPv6Address']} {c['MacAddress']} {len(c['EndpointID'])}" for c in value.values())])
    if name == "Networks":
        return sorted(value)
    if name == "Ports":
        return {port: sorted(binding["HostIp"] for binding in bindings) for port, bindings in value.items()}
    return value


what, name = sys.argv[1:3]
if what == "network":
    members = get(f"/networks/{name}")
else:
    container = get(f"/containers/{name}/json")
    members = container["NetworkSettings"]
    if what == "endpoint":
        members = members["Networks"][sys.argv[3]]
        members["DNSNames"] = ["ID" if n == container["Id"][:12] else n for n in members["DNSNames"]]
    else:
        members = {n: members[n] for n in ("Networks", "Ports", "SandboxID", "SandboxKey")}
for member in sorted(members):
    print(member, spoken(member, members[member]))
