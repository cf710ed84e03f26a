"""Claims of api_events.test: which events come, with which attributes, and what the filters let through. NAME"""
import threading
from api_client import *

N = sys.argv[1]
SINCE = f"{time.time():.9f}"


def past(**filters):
    return call("GET", "/events", since=SINCE, until=f"{time.time():.9f}", filters={key: value for key, value in filters.items()}).lines


def of(id):
    return [event for event in past(container=[id])]


def actions(id):
    return [event["Action"] for event in of(id)]


def a_life():
    id = create(N, ("sh", "-c", "echo up; sleep 1000"), Labels={"mark": N})
    call("POST", f"/containers/{id}/start")
    for path, query in (("pause", {}), ("unpause", {}), ("rename", {"name": N + "-b"}), ("resize", {"h": 1, "w": 1})):
        call("POST", f"/containers/{id}/{path}", **query)
    client = Hijacked(f"/containers/{id}/attach", stream=1, stdout=1)
    exec_id = call("POST", f"/containers/{id}/exec", {"Cmd": ["sh", "-c", "exit 3"], "AttachStdout": True}).json["Id"]
    Hijacked(f"/exec/{exec_id}/start", {"Detach": False}).read_all()
    call("GET", f"/containers/{id}/top")
    call("POST", f"/containers/{id}/update", {"Memory": 0, "RestartPolicy": {"Name": "no"}})
    call("POST", f"/containers/{id}/restart", t=0)
    client.read_all()
    call("POST", f"/containers/{id}/kill", signal="SIGKILL")
    call("POST", f"/containers/{id}/wait")
    call("POST", f"/containers/{id}/start")
    call("POST", f"/containers/{id}/stop", t=0)
    call("DELETE", f"/containers/{id}")
    wait_until(lambda: "destroy" in actions(id), "the event destroy")
    seen = [action for action in actions(id) if action not in ("resize", "top", "attach")]
    wanted = ["create", "start", "pause", "unpause", "rename", "exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die", "update",  # restart:
              "kill", "die", "stop", "start", "restart", "kill", "die", "start", "kill", "die", "stop", "destroy"]
    # SIGKILL after t=0 comes as a second kill where the first was the stop signal.
    shrunk = [action for index, action in enumerate(seen) if not (action == "kill" and index and seen[index - 1] == "kill")]
    equal("the events of a life, in order", shrunk, wanted)
    holds("attach", "attach" in actions(id), actions(id))
    by_action = {event["Action"]: event for event in of(id)}
    create_event = by_action["create"]
    equal("a message's members", {key: create_event[key] for key in ("Type", "Action", "scope", "status", "id", "from")}, {"Type": "container", "Action": "create", "scope": "local", "status": "create", "id": id, "from": "busybox"})
    holds("its times", create_event["time"] == create_event["timeNano"] // 10**9 and abs(create_event["time"] - time.time()) < 1000, create_event)
    equal("its actor", (create_event["Actor"]["ID"], create_event["Actor"]["Attributes"]), (id, {"image": "busybox", "name": N, "mark": N}))
    equal("die says the exit code", by_action["die"]["Actor"]["Attributes"]["exitCode"], "137")
    equal("rename says the old name", by_action["rename"]["Actor"]["Attributes"]["oldName"], f"/{N}")
    holds("kill says the signal", by_action["kill"]["Actor"]["Attributes"]["signal"] == "9", by_action["kill"])
    died = by_action["exec_die"]["Actor"]["Attributes"]
    equal("exec_die says which and how", (died["execID"], died["exitCode"]), (exec_id, "3"))
    if "Hull" in call("GET", "/version").text:
        holds("die says how long it ran", by_action["die"]["Actor"]["Attributes"]["execDuration"].isdigit(), by_action["die"])
    return id


def filters():
    id = a_life()
    equal("event", {e["Action"] for e in past(event=["die"], container=[id])}, {"die"})
    equal("event with a prefix", {e["Action"].split(":")[0] for e in past(event=["exec_create"], container=[id])}, {"exec_create"})
    equal("type", {e["Type"] for e in past(type=["container"])}, {"container"})
    equal("another type", [e for e in past(type=["volume"], container=[id])], [])
    equal("label", {e["Actor"]["ID"] for e in past(label=[f"mark={N}"])}, {id})
    equal("label that nobody has", past(label=["mark=other"]), [])
    equal("image", {e["from"] for e in past(image=["busybox"], type=["container"])}, {"busybox"})
    equal("scope", [e for e in past(scope=["swarm"])], [])
    holds("scope local", len(past(scope=["local"])) > 5)
    equal("container by name", {e["Actor"]["ID"] for e in past(container=[N + "-b"])}, {id})
    equal("network, volume and daemon: none", [past(network=["nope"]), past(volume=["nope"]), past(daemon=["nope"])], [[], [], []])
    equal("values of a key are alternatives", {e["Action"] for e in past(event=["die", "destroy"], container=[id])}, {"die", "destroy"})


def removals():
    id = run(N, ("true",), host={"AutoRemove": True})
    wait_until(lambda: "destroy" in actions(id), "the automatic removal")
    equal("the end of run --rm", actions(id)[-2:], ["die", "destroy"])
    id = create(N, Labels={"prune-me": N})
    call("POST", "/containers/prune", filters={"label": [f"prune-me={N}"]})
    event = wait_until(lambda: [e for e in past(event=["prune"], type=["container"])], "the event prune")[0]
    holds("prune says what it freed", event["Actor"]["Attributes"]["reclaimed"].isdigit(), event)
    id = run(N)
    data = call("GET", f"/containers/{id}/export").body
    reply = call("POST", "/images/create", data, {"Content-Type": "application/x-tar"}, fromSrc="-", repo=N, tag="e")
    image = reply.lines[-1]["status"]
    call("POST", f"/images/{image}/tag", repo=N, tag="f")
    saved = call("GET", f"/images/{N}:e/get").body
    call("DELETE", f"/images/{N}:e")
    call("DELETE", f"/images/{N}:f")
    call("POST", "/images/load", saved, {"Content-Type": "application/x-tar"})
    call("DELETE", f"/images/{N}:e")
    call("POST", "/commit", {}, container=id, repo=N, tag="g")
    call("DELETE", f"/images/{N}:g")
    call("POST", "/images/prune")
    seen = {e["Action"] for e in past(type=["image"])}
    holds("events of images", {"import", "tag", "untag", "delete", "save", "load", "prune"} <= seen, seen)
    tagged = [e for e in past(type=["image"], event=["tag"]) if e["Actor"]["ID"] == image][-1]
    equal("an image's event names it", tagged["Actor"]["Attributes"]["name"], f"{N}:f")
    reclaimed = past(type=["image"], event=["prune"])[-1]
    holds("image prune says what it freed", reclaimed["Actor"]["Attributes"]["reclaimed"].isdigit(), reclaimed)
    remove(id)


def live():
    got = []
    reply = stream("GET", "/events", filters={"container": [N]})
    equal("the header comes before any event", (reply.status, reply.headers["Content-Type"]), (200, "application/json"))
    id = create(N)
    got.append(json.loads(reply.readline()))
    equal("an event is flushed as it happens", (got[0]["Action"], got[0]["id"]), ("create", id))
    remove(id)
    equal("then the next", json.loads(reply.readline())["Action"], "destroy")
    reply.connection.sock.shutdown(socket.SHUT_RDWR) if reply.connection.sock else None
    late = call("GET", "/events", since=SINCE, until=str(int(time.time()) + 1), filters={"container": [N]})
    holds("until in the future ends", len(late.lines) >= 2, late.text)
    holds("a time that is none", call("GET", "/events", since="x", until="1").status in (400, 500))


def detach():
    id = run(N, ("sh",), OpenStdin=True, Tty=True)
    client = Hijacked(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1)
    client.send(b"\x10\x11")
    client.read_all()
    wait_until(lambda: "detach" in actions(id), "the event detach")
    exec_id = call("POST", f"/containers/{id}/exec", {"Cmd": ["sh"], "AttachStdin": True, "AttachStdout": True, "Tty": True}).json["Id"]
    client = Hijacked(f"/exec/{exec_id}/start", {"Detach": False, "Tty": True})
    client.send(b"\x10\x11")
    client.read_all()
    wait_until(lambda: "exec_detach" in actions(id), "the event exec_detach")
    remove(id)


check(filters, removals, live, detach)
