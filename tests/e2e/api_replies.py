"""Claims of api_replies.test: the texts that Docker clients compare. NAME"""
import re
from api_client import *

N = sys.argv[1]
running = run(N)
stopped = create(N + "-stopped")
paused = run(N + "-paused")
call("POST", f"/containers/{paused}/pause")


def says(what, reply, status, message):
    """`message` is a regular expression for all of the text."""
    statuses = status if isinstance(status, tuple) else (status,)
    text = reply.json["message"] if reply.body.startswith(b"{") else reply.text.strip()
    holds(what, reply.status in statuses and re.fullmatch(message, text), f"{reply.status} {text}")


def creating():
    at = "/containers/create"
    says("absent image", call("POST", at, {"Image": "nope:latest"}), 404, "No such image: nope:latest")
    says("absent image, no tag", call("POST", at, {"Image": "nope"}), 404, "No such image: nope:latest")
    for policy in ("bogus",):
        says("restart policy", call("POST", at, {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", "RestartPolicy": {"Name": policy}}}), 400, "invalid restart policy:? .*'?bogus'?.*")
    says("name in use", call("POST", at, {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}, name=N), 409,
         f'Conflict. The container name "/{N}" is already in use by container "?{running}"?. You have to remove \\(or rename\\) that container to be able to reuse that name.')
    says("bad name", call("POST", at, {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}, name="a b"), 400, r"Invalid container name \(a b\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed")
    says("text/plain", call("POST", at, "{}", {"Content-Type": "text/plain"}), 400, r"Content-Type specified \(text/plain\) must be 'application/json'")
    says("list, unknown filter", call("GET", "/containers/json", filters={"foo": ["x"]}), 400, "[Ii]nvalid filter 'foo'")


def unknown():
    for method, path in (("GET", "json"), ("POST", "start"), ("POST", "stop"), ("POST", "restart"), ("POST", "kill"), ("POST", "pause"), ("POST", "unpause"), ("GET", "top"), ("GET", "logs?stdout=1"), ("POST", "attach"),
                         ("POST", "wait"), ("POST", "rename?name=x"), ("POST", "resize?h=1&w=1"), ("GET", "changes"), ("GET", "stats"), ("GET", "export"), ("GET", "archive?path=/"), ("DELETE", "")):
        says(f"{method} {path} of an unknown one", call(method, f"/containers/nope/{path}".rstrip("/")), 404, ".*No such container: nope")
    says("exec create of an unknown one", call("POST", "/containers/nope/exec", {"Cmd": ["true"]}), 404, "No such container: nope")
    says("commit of an unknown one", call("POST", "/commit", {}, container="nope"), 404, "No such container: nope")
    for method, path in (("GET", "/exec/nope/json"), ("POST", "/exec/nope/resize?h=1&w=1")):
        says(f"{path}", call(method, path), 404, "No such exec instance: nope")
    says("/exec/nope/start", call("POST", "/exec/nope/start", {"Detach": True}), 404, "No such exec instance: nope")


def states():
    for method, path, body in (("GET", "top", None), ("POST", "resize?h=1&w=1", None), ("POST", "pause", None), ("POST", "exec", {"Cmd": ["true"]})):
        says(f"{path} of a stopped one", call(method, f"/containers/{stopped}/{path}", body), 409, f"[Cc]ontainer {stopped} is not running")
    says("kill of a stopped one", call("POST", f"/containers/{N}-stopped/kill"), 409, f"[Cc]annot kill container: {N}-stopped: [Cc]ontainer {stopped} is not running")
    says("bad signal", call("POST", f"/containers/{running}/kill", signal="BOGUS"), 400, "[Ii]nvalid signal: BOGUS")
    says("pause of a paused one", call("POST", f"/containers/{paused}/pause"), 409, f"[Cc]ontainer {paused} is already paused")
    says("unpause of a running one", call("POST", f"/containers/{running}/unpause"), 500, f"[Cc]ontainer {running} is not paused")
    says("exec of a paused one", call("POST", f"/containers/{N}-paused/exec", {"Cmd": ["true"]}), 409, f"[Cc]ontainer {N}-paused is paused, unpause the container before exec")
    says("attach to a paused one", call("POST", f"/containers/{N}-paused/attach", stream=1), 409, f"container {N}-paused is paused, unpause the container before attach")
    says("rm of a running one", call("DELETE", f"/containers/{running}"), 409,
         f"You cannot remove a running container {running}. Stop the container before attempting removal or force remove")
    says("rm of a paused one", call("DELETE", f"/containers/{paused}"), 409,
         f"You cannot remove a paused container {paused}. Unpause and then stop the container before attempting removal or force remove")
    for path, id in (("start", running), ("stop", stopped)):
        reply = call("POST", f"/containers/{id}/{path}")
        equal(f"{path} again", (reply.status, reply.body), (304, b""))
    says("logs without a stream", call("GET", f"/containers/{running}/logs"), 400, "Bad parameters: you must choose at least one stream")
    says("rename without a name", call("POST", f"/containers/{running}/rename"), 400, "Neither old nor new names may be empty")
    says("rename to the same", call("POST", f"/containers/{running}/rename", name=N), 400, "Renaming a container with the same name as its current name")
    says("wait, bad condition", call("POST", f"/containers/{stopped}/wait", condition="bogus"), (400, 200), '(invalid condition: "?bogus"?|)' if not IS_DOCKER else ".*")


def execs():
    id = call("POST", f"/containers/{running}/exec", {"Cmd": ["/nope"], "AttachStdout": True}).json["Id"]
    reply = call("POST", f"/exec/{id}/start", {"Detach": True})
    says("exec of a missing program", reply, (400, 200), r'.*exec: "/nope": (stat /nope: )?no such file or directory.*')
    says("started twice", call("POST", f"/exec/{id}/start", {"Detach": True}), 409, f"Error: Exec command {id} has already run")
    says("no command", call("POST", f"/containers/{running}/exec", {"Cmd": []}), 400, "No exec command specified")
    created = create(N + "-nope", ("/nope",))
    says("start of a missing program", call("POST", f"/containers/{created}/start"), (400, 404, 500), '.*exec: "/nope": (stat /nope: )?no such file or directory.*')
    equal("its exit code", inspect(created)["State"]["ExitCode"], 127)
    holds("its error", "no such file or directory" in inspect(created)["State"]["Error"], inspect(created)["State"])
    remove(created)


def images():
    says("inspect", call("GET", "/images/nope/json"), 404, "(no such image: nope: )?No such image: nope:latest")
    says("history", call("GET", "/images/nope/history"), 404, "No such image: nope:latest")
    says("tag", call("POST", "/images/nope/tag", repo="a", tag="b"), 404, "No such image: nope:latest")
    says("remove", call("DELETE", "/images/nope"), 404, "No such image: nope:latest")
    says("get", call("GET", "/images/nope/get"), (404, 500), ".*No such image: nope(:latest)?|invalid reference format.*")
    image = call("GET", "/images/busybox/json").json["Id"]
    in_use = call("DELETE", "/images/busybox")
    says("in use", in_use, 409, r'conflict: unable to remove repository reference "busybox" \(must force\) - container [0-9a-f]{12} is using its referenced image ' + image[7:19])
    reply = call("POST", "/images/load", b"garbage " * 200, {"Content-Type": "application/x-tar"})
    holds("load of garbage fails", (reply.status in (400, 500)) or "errorDetail" in reply.text, reply.text)
    says("bad reference", call("POST", "/images/busybox/tag", repo="A B"), (400, 500), ".*invalid reference format.*")


def swarm():
    for method, path in (("GET", "/nodes"), ("GET", "/services"), ("GET", "/tasks"), ("GET", "/configs"), ("GET", "/swarm"), ("POST", "/swarm/leave") if not IS_DOCKER else ("GET", "/swarm/unlockkey")):
        says(f"{method} {path}", call(method, path), 503, 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.')


IS_DOCKER = "Hull" not in call("GET", "/version").text
try:
    check(creating, unknown, states, execs, images, swarm)
finally:
    for id in (running, stopped, paused):
        remove(id)
