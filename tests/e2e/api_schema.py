"""Claims of api_schema.test: replies have the shapes of the Engine API's own description. FILE NAME

For every GET endpoint the reply is checked against the schema that swagger.yaml gives for its status: members of a wrong type,
required members that lack, and members that the description does not know."""
import yaml
from api_client import *

SPEC = yaml.load(open(sys.argv[1]), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
N = sys.argv[2]
sys.argv[1] = N
# Not in the newest description, but in that of the versions we speak, or sent by Docker's daemon undescribed, or ours and additive.
EXTRA = {"Reason", "status", "id", "from", "name", "os_type", "sequence", "Sequence", "Parent", "DockerVersion", "LayersSize", "Images", "Containers", "Volumes", "BuildCache",
         "Bridge", "HairpinMode", "LinkLocalIPv6Address", "LinkLocalIPv6PrefixLen", "SecondaryIPAddresses", "SecondaryIPv6Addresses", "EndpointID", "Gateway", "GlobalIPv6Address",
         "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress"}
NULLABLE = ("exec/{id}/json.ExitCode", ".MemorySwappiness", ".OomKillDisable")  # pointers in Go: null while it runs, or unset
problems = []


def resolve(schema):
    while "$ref" in schema:
        node = SPEC
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node[part]
        schema = node
    if "allOf" in schema:
        if resolve(schema["allOf"][0]).get("type", "object") != "object":
            return resolve(schema["allOf"][0])
        merged = {"type": "object", "properties": {}}
        for part in schema["allOf"]:
            part = resolve(part)
            merged["properties"].update(part.get("properties", {}))
            if "additionalProperties" in part:
                merged["additionalProperties"] = part["additionalProperties"]
        return merged
    return schema


KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def compare(where, value, schema):
    schema = resolve(schema)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if value is None:  # Go's nil: maps, slices, pointers
        if kind in ("string", "integer", "number", "boolean") and not schema.get("x-nullable") and not where.endswith(NULLABLE):
            problems.append(f"{where} is null, not {kind}")
        return
    if kind is None:
        return
    if not isinstance(value, KINDS[kind]) or isinstance(value, bool) and kind != "boolean":
        problems.append(f"{where} is {type(value).__name__} {str(value)[:60]}, not {kind}")
        return
    if "enum" in schema and kind == "string" and value not in schema["enum"] and value != "":
        problems.append(f"{where} is {value!r}, not one of {schema['enum']}")
    if kind == "array" and "items" in schema:
        for index, item in enumerate(value):
            compare(f"{where}[{index}]", item, schema["items"])
    if kind == "object":
        known = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                problems.append(f"{where} has no {name}")
        for name, item in value.items():
            if name in known:
                compare(f"{where}.{name}", item, known[name])
            elif isinstance(schema.get("additionalProperties"), dict):
                compare(f"{where}.{name}", item, schema["additionalProperties"])
            elif known and name not in EXTRA and not schema.get("additionalProperties"):
                problems.append(f"{where}.{name} is not in the description")


def schema_of(method, path, status):
    responses = SPEC["paths"][path][method.lower()]["responses"]
    response = responses.get(status, responses.get(str(status)))
    return response and response.get("schema")


checked = 0


def ask(method, path, body=None, status=200, query=None, **values):
    global checked
    real = path
    for name, value in values.items():
        real = real.replace("{" + name + "}", value)
    reply = call(method, real, body, **(query or {}))
    where = f"{method} {path}"
    if reply.status != status:
        problems.append(f"{where} answered {reply.status} {reply.text[:200]}")
        return None
    schema = schema_of(method, path, status)
    if schema is None:
        problems.append(f"{where}: {status} is not in the description")
        return None
    checked += 1
    value = reply.lines[-1] if path in ("/events",) else reply.json
    compare(where, value, schema)
    return value


def everything():
    host = {"Memory": 64 << 20, "Binds": ["/etc:/e:ro"], "RestartPolicy": {"Name": "no"}, "Tmpfs": {"/t": ""}, "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "NetworkMode": "none",
            "Devices": [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/z", "CgroupPermissions": "r"}], "Mounts": [{"Type": "tmpfs", "Target": "/m"}]}
    body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "Labels": {"a": "b"}, "Healthcheck": {"Test": ["CMD", "true"], "Interval": 20000000}, "Volumes": {"/v": {}}, "ExposedPorts": {"80/tcp": {}}, "HostConfig": host}
    id = ask("POST", "/containers/create", body, 201, {"name": N})["Id"]
    for path in ("/containers/{id}/json",):
        ask("GET", path, id=id)
    call("POST", f"/containers/{id}/start")
    wait_until(lambda: inspect(id)["State"]["Health"]["Log"], "a health check")
    ask("GET", "/containers/{id}/json", id=id, query={"size": 1})
    ask("GET", "/containers/json", query={"all": 1, "size": 1})
    ask("GET", "/containers/{id}/top", id=id)
    ask("GET", "/containers/{id}/changes", id=id)
    ask("GET", "/containers/{id}/stats", id=id, query={"stream": 0})
    ask("POST", "/containers/{id}/update", {"Memory": 32 << 20, "MemorySwap": 64 << 20}, id=id)
    exec_id = ask("POST", "/containers/{id}/exec", {"Cmd": ["true"]}, 201, id=id)["Id"]
    ask("GET", "/exec/{id}/json", id=exec_id)
    call("POST", f"/exec/{exec_id}/start", {"Detach": True})
    ask("POST", "/commit", {}, 201, {"container": id, "repo": N, "tag": "x"})
    call("POST", f"/containers/{id}/kill")
    ask("POST", "/containers/{id}/wait", id=id)
    ask("GET", "/images/json", query={"shared-size": 1, "digests": 1})
    ask("GET", "/images/{name}/json", name="busybox")
    ask("GET", "/images/{name}/history", name="busybox")
    ask("GET", "/system/df")
    ask("GET", "/info")
    ask("GET", "/version")
    ask("GET", "/events", query={"since": "1", "until": str(int(time.time()) + 1)})
    remove(id)
    ask("DELETE", "/images/{name}", name=f"{N}:x")
    ask("POST", "/containers/prune", query={"filters": {"label": ["none=such"]}})
    ask("POST", "/images/prune", query={"filters": {"label": ["none=such"]}})
    for path, status in (("/networks", 200), ("/volumes", 200)):
        if call("GET", path).status != 501:
            ask("GET", path)
    # Errors have one shape, whatever fails.
    for method, path, status, values in (("GET", "/containers/{id}/json", 404, {"id": "nope"}), ("POST", "/containers/{id}/start", 404, {"id": "nope"}), ("DELETE", "/containers/{id}", 404, {"id": "nope"}),
                                         ("GET", "/images/{name}/json", 404, {"name": "nope"}), ("GET", "/exec/{id}/json", 404, {"id": "nope"}), ("GET", "/swarm", 503, {}), ("GET", "/nodes", 503, {}), ("GET", "/services", 503, {})):
        ask(method, path, None, status, **values)
    for problem in problems:
        failed.append(problem)
    holds("many endpoints were asked", checked >= 30, checked)


def every_path():
    """No path of the description is unknown: each is served, or says 501 or 503 with a message."""
    for path, methods in SPEC["paths"].items():
        for method in methods:
            if method not in ("get", "post", "put", "delete", "head"):
                continue
            real = path.replace("{id}", "nope").replace("{name}", "nope")
            if (method, path) in (("get", "/events"), ("post", "/session"), ("post", "/images/load"), ("post", "/swarm/init"), ("post", "/build/prune"), ("post", "/images/prune"), ("post", "/containers/prune"), ("post", "/volumes/prune"), ("post", "/networks/prune")):
                continue
            try:
                reply = call(method.upper(), real, {} if method in ("post", "put") else None)
            except OSError as error:
                failed.append(f"{method} {path} broke off: {error}")
                continue
            holds(f"{method} {path} is known", "page not found" not in reply.text, f"{reply.status} {reply.text}")
            holds(f"{method} {path} fails with a message", reply.status < 400 or method == "head" or "message" in reply.text, f"{reply.status} {reply.text}")


check(everything, every_path)
