"""Of network_api.test: what HostConfig and lists say of networks, member by member: network_api.py NAME."""
import http.client, json, os, socket, sys

name = sys.argv[1]


def call(method, path, body=None):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["DAEMON_SOCKET"])
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    return reply.status, json.loads(text) if text.strip() else None


def claim(what, is_so):
    if not is_so:
        sys.exit(f"{what} does not hold")


def create(suffix, host, **more):
    status, reply = call("POST", f"/containers/create?name={name}-{suffix}", {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": host, **more})
    claim(f"create {suffix}: {status} {reply}", status == 201)
    return reply["Id"]


def start(container):
    status, reply = call("POST", f"/containers/{container}/start")
    claim(f"start: {status} {reply}", status == 204)


db = create("db", {"NetworkMode": "bridge"})
start(db)
host = {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}, {"HostIp": "", "HostPort": ""}], "53/udp": [{"HostPort": "0"}]}, "PublishAllPorts": True,
        "Dns": ["192.0.2.53", "2001:db8::53"], "DnsOptions": ["ndots:2"], "DnsSearch": ["example.com"], "Links": [f"{name}-db:database"], "ExtraHosts": ["far:192.0.2.9"]}
web = create("web", host, ExposedPorts={"81/tcp": {}, "82/udp": {}}, Hostname="box", Domainname="example.org", MacAddress="02:42:00:00:11:22")
start(web)
_, inspect = call("GET", f"/containers/{web}/json")
kept = inspect["HostConfig"]
claim("NetworkMode", kept["NetworkMode"] == "bridge")
claim("PortBindings", kept["PortBindings"]["80/tcp"][0]["HostIp"] == "127.0.0.1" and sorted(kept["PortBindings"]) == ["53/udp", "80/tcp"])
for member in ("PublishAllPorts", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts"):
    claim(member, kept[member] == host[member])
claim("Links", kept["Links"] == [f"/{name}-db:/{name}-web/database"])
ports = inspect["NetworkSettings"]["Ports"]
claim("Ports of inspect", sorted(ports) == ["53/udp", "80/tcp", "81/tcp", "82/udp"] and all(binding["HostPort"].isdigit() for bindings in ports.values() for binding in bindings))
claim("addresses of 80/tcp", sorted(binding["HostIp"] for binding in ports["80/tcp"]) == ["0.0.0.0", "127.0.0.1", "::"])
_, listed = call("GET", f"/containers/json?filters=" + json.dumps({"name": [f"{name}-web"]}).replace('"', "%22").replace(" ", ""))
summary = listed[0]["Ports"]
claim("Ports of the list", {(p["PrivatePort"], p["Type"]) for p in summary} == {(53, "udp"), (80, "tcp"), (81, "tcp"), (82, "udp")} and all(1 <= p["PublicPort"] <= 65535 and p["IP"] for p in summary))
claim("NetworkSettings of the list", list(listed[0]["NetworkSettings"]["Networks"]) == ["bridge"] and listed[0]["HostConfig"]["NetworkMode"] in ("bridge", "default"))
claim("MacAddress", inspect["NetworkSettings"]["Networks"]["bridge"]["MacAddress"] == "02:42:00:00:11:22")
_, stats = call("GET", f"/containers/{web}/stats?stream=false")
claim("networks of stats", set(stats["networks"]["eth0"]) >= {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"})

# Several networks at creation, each with an address and a MAC of its own (1.44).
for i in (1, 2):
    status, reply = call("POST", "/networks/create", {"Name": f"{name}-{i}", "IPAM": {"Config": [{"Subnet": f"10.230.{i}.0/24"}]}})
    claim(f"network {i}: {status} {reply}", status == 201)
both = create("both", {"NetworkMode": f"{name}-1"}, NetworkingConfig={"EndpointsConfig": {
    f"{name}-1": {"IPAMConfig": {"IPv4Address": "10.230.1.50"}, "MacAddress": "02:42:0a:e6:01:32", "Aliases": ["one"]}, f"{name}-2": {"IPAMConfig": {"IPv4Address": "10.230.2.50"}, "MacAddress": "02:42:0a:e6:02:32", "Aliases": ["two"]}}})
start(both)
_, inspect = call("GET", f"/containers/{both}/json")
for i in (1, 2):
    endpoint = inspect["NetworkSettings"]["Networks"][f"{name}-{i}"]
    claim(f"endpoint {i}", endpoint["IPAddress"] == f"10.230.{i}.50" and endpoint["MacAddress"] == f"02:42:0a:e6:0{i}:32" and endpoint["IPPrefixLen"] == 24)
    claim(f"DNSNames {i}", {f"{name}-both", both[:12], ["one", "two"][i - 1]} <= set(endpoint["DNSNames"]))
    claim(f"Aliases {i}", ["one", "two"][i - 1] in endpoint["Aliases"])
print("every claim holds")
