"""Claims of api_lifecycle.test: every endpoint of containers and exec, its statuses, bodies and side effects. NAME"""
from api_client import *

N = sys.argv[1]
ZERO = "0001-01-01T00:00:00Z"


def states():
    id = create(N, Labels={"who": "lifecycle"})
    holds("a create answers 64 hex digits", len(id) == 64 and set(id) <= set("0123456789abcdef"), id)
    equal("Warnings of a create is a list", call("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"NetworkMode": "none"}}, name=N + "-2").json["Warnings"], [])
    remove(N + "-2")
    seen = inspect(id)["State"]
    equal("state of a created one", (seen["Status"], seen["Running"], seen["Pid"], seen["StartedAt"], seen["FinishedAt"]), ("created", False, 0, ZERO, ZERO))
    for way in (id, id[:12], N):
        equal(f"found by {way}", call("GET", f"/containers/{way}/json").json["Id"], id)
    equal("start", call("POST", f"/containers/{N}/start").status, 204)
    again = call("POST", f"/containers/{N}/start")
    equal("start of a running one", (again.status, again.body), (304, b""))
    seen = inspect(id)["State"]
    holds("state of a running one", seen["Running"] and seen["Pid"] > 0 and seen["FinishedAt"] == ZERO and not seen["Paused"] and not seen["Restarting"] and not seen["Dead"] and not seen["OOMKilled"] and seen["Error"] == "", seen)
    top = call("GET", f"/containers/{N}/top")
    equal("top's titles are those of ps -ef", (top.status, top.json["Titles"]), (200, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]))
    holds("top names the process", any(row[-1] == "sleep 1000" for row in top.json["Processes"]), top.text)
    equal("pause", call("POST", f"/containers/{N}/pause").status, 204)
    seen = inspect(id)["State"]
    equal("state of a paused one", (seen["Status"], seen["Running"], seen["Paused"]), ("paused", True, True))
    equal("unpause", call("POST", f"/containers/{N}/unpause").status, 204)
    equal("rename", call("POST", f"/containers/{N}/rename", name=N + "-new").status, 204)
    equal("the new name is used", inspect(id)["Name"], f"/{N}-new")
    equal("the old name is free", call("GET", f"/containers/{N}/json").status, 404)
    other = create(N)
    equal("rename to a name in use", call("POST", f"/containers/{N}/rename", name=N + "-new").status, 409)
    remove(other)
    call("POST", f"/containers/{id}/rename", name=N)
    equal("kill by number", call("POST", f"/containers/{N}/kill", signal="9").status, 204)
    equal("wait after the end", call("POST", f"/containers/{N}/wait").json["StatusCode"], 137)
    seen = inspect(id)["State"]
    holds("state of an ended one", seen["Status"] == "exited" and seen["ExitCode"] == 137 and seen["FinishedAt"] > seen["StartedAt"] and seen["Pid"] == 0, seen)
    stopped = call("POST", f"/containers/{N}/stop")
    equal("stop of a stopped one", (stopped.status, stopped.body), (304, b""))
    equal("restart of a stopped one starts it", call("POST", f"/containers/{N}/restart", t=0).status, 204)
    first = inspect(id)
    equal("restart of a running one", call("POST", f"/containers/{N}/restart", t=0).status, 204)
    second = inspect(id)
    holds("restart gives a new process and counts nothing", first["State"]["Pid"] != second["State"]["Pid"] and second["RestartCount"] == 0, second["RestartCount"])
    equal("stop", call("POST", f"/containers/{N}/stop", t=0).status, 204)
    equal("remove", call("DELETE", f"/containers/{N}").status, 204)
    gone = call("GET", f"/containers/{id}/json")
    equal("gone", (gone.status, gone.message), (404, f"No such container: {id}"))


def stop_signal():
    id = run(N, ("sh", "-c", "trap 'exit 9' USR1; trap 'exit 8' TERM; echo up; while :; do sleep 0.05; done"), StopSignal="SIGUSR1")
    wait_until(lambda: b"up" in call("GET", f"/containers/{id}/logs", stdout=1).body, "the trap")
    call("POST", f"/containers/{id}/stop", t=30)
    equal("stop sends StopSignal", inspect(id)["State"]["ExitCode"], 9)
    remove(id)


def waits():
    id = create(N, ("sh", "-c", "exit 3"))
    reply = stream("POST", f"/containers/{id}/wait", condition="next-exit")  # headers come before the end
    equal("wait's header comes at once", reply.status, 200)
    removal = stream("POST", f"/containers/{id}/wait", condition="removed")
    call("POST", f"/containers/{id}/start")
    equal("next-exit", json.loads(reply.read())["StatusCode"], 3)
    remove(id)
    equal("removed", json.loads(removal.read())["StatusCode"], 3)


def logs():
    id = run(N, ("sh", "-c", "echo one; echo two >&2; echo three"))
    call("POST", f"/containers/{id}/wait")
    body = call("GET", f"/containers/{id}/logs", stdout=1, stderr=1).body
    equal("logs are multiplexed", (of_stream(body, 1), of_stream(body, 2)), (b"one\nthree\n", b"two\n"))
    equal("only stderr", frames(call("GET", f"/containers/{id}/logs", stderr=1).body), [(2, b"two\n")])
    equal("tail", len(frames(call("GET", f"/containers/{id}/logs", stdout=1, stderr=1, tail=1).body)), 1)
    equal("tail all", len(frames(call("GET", f"/containers/{id}/logs", stdout=1, stderr=1, tail="all").body)), 3)
    stamped = frames(call("GET", f"/containers/{id}/logs", stdout=1, timestamps=1).body)[0][1].decode()
    holds("timestamps are RFC3339Nano", len(stamped.split()[0]) == 30 and stamped.split()[0].endswith("Z"), stamped)
    equal("since the future", call("GET", f"/containers/{id}/logs", stdout=1, since=int(time.time()) + 1000).body, b"")
    equal("until the past", call("GET", f"/containers/{id}/logs", stdout=1, until=1000).body, b"")
    equal("follow ends with the container", of_stream(call("GET", f"/containers/{id}/logs", stdout=1, follow=1).body, 1), b"one\nthree\n")
    remove(id)
    id = run(N, ("echo", "raw"), Tty=True)
    call("POST", f"/containers/{id}/wait")
    equal("logs of a terminal are raw", call("GET", f"/containers/{id}/logs", stdout=1).body, b"raw\r\n")
    remove(id)


def attach():
    for upgrade, status in ((True, 101), (False, 200)):
        id = create(N, ("cat",), OpenStdin=True, StdinOnce=True, AttachStdin=True, AttachStdout=True)
        client = Hijacked(f"/containers/{id}/attach", upgrade=upgrade, stream=1, stdin=1, stdout=1, stderr=1)
        equal(f"attach with upgrade={upgrade}", client.status, status)
        call("POST", f"/containers/{id}/start")
        client.send(b"hello\n")
        client.end_input()
        equal("a half-close reaches the process", frames(client.read_all()), [(1, b"hello\n")])
        equal("and it ended", call("POST", f"/containers/{id}/wait").json["StatusCode"], 0)
        client.close()
        late = Hijacked(f"/containers/{id}/attach", logs=1, stdout=1)
        equal("logs=1 replays", of_stream(late.read_all(), 1), b"hello\n")
        remove(id)
    id = run(N, ("sh",), OpenStdin=True, Tty=True)
    client = Hijacked(f"/containers/{id}/attach", stream=1, stdin=1, stdout=1, detachKeys="ctrl-x,q")
    client.send(b"echo a''b\n")
    holds("a terminal is raw", b"ab\r\n" in client.read_until(b"ab\r\n"), client.rest)
    equal("resize", (call("POST", f"/containers/{id}/resize", h=33, w=77).status, call("POST", f"/containers/{id}/resize", h="x", w=1).status), (200, 400))
    client.send(b"stty size\n")
    holds("resize is seen", b"33 77" in client.read_until(b"33 77"), client.rest)
    client.send(b"\x18q")
    client.rest = b""
    client.read_all()  # ends by detaching
    equal("detach keys leave it running", inspect(id)["State"]["Running"], True)
    remove(id)


def execs():
    id = run(N, Env=["A=1"])
    plain = {"AttachStdout": True, "AttachStderr": True}
    reply = call("POST", f"/containers/{id}/exec", {**plain, "Cmd": ["sh", "-c", "echo $A $B $PWD; id -u; echo bad >&2; exit 5"], "Env": ["B=2"], "User": "12", "WorkingDir": "/tmp"})
    exec_id = reply.json["Id"]
    equal("exec create", (reply.status, len(exec_id)), (201, 64))
    seen = call("GET", f"/exec/{exec_id}/json").json
    equal("before the start", (seen["Running"], seen["ExitCode"], seen["ContainerID"]), (False, None, id))
    equal("its ProcessConfig", {key: seen["ProcessConfig"][key] for key in ("entrypoint", "tty", "user", "privileged")}, {"entrypoint": "sh", "tty": False, "user": "12", "privileged": False})
    equal("arguments and streams", (seen["ProcessConfig"]["arguments"][0], seen["OpenStdin"], seen["OpenStdout"], seen["OpenStderr"]), ("-c", False, True, True))
    holds("inspect names it", exec_id in (inspect(id)["ExecIDs"] or []), inspect(id)["ExecIDs"])
    client = Hijacked(f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})
    body = client.read_all()
    equal("exec's streams", (client.status, of_stream(body, 1), of_stream(body, 2)), (101, b"1 2 /tmp\n12\n", b"bad\n"))
    seen = wait_until(lambda: (lambda now: not now["Running"] and now)(call("GET", f"/exec/{exec_id}/json").json), "the exec's end")
    equal("exec's exit code", seen["ExitCode"], 5)
    exec_id = call("POST", f"/containers/{id}/exec", {"Cmd": ["touch", "/made"]}).json["Id"]
    reply = call("POST", f"/exec/{exec_id}/start", {"Detach": True})
    equal("detached start", (reply.status, reply.body), (200, b""))
    wait_until(lambda: call("HEAD", f"/containers/{id}/archive", path="/made").status == 200, "the file")
    exec_id = call("POST", f"/containers/{id}/exec", {**plain, "AttachStdin": True, "Tty": True, "Cmd": ["sh"], "Privileged": True, "DetachKeys": "ctrl-a"}).json["Id"]
    client = Hijacked(f"/exec/{exec_id}/start", {"Detach": False, "Tty": True, "ConsoleSize": [31, 71]})
    client.send(b"stty size\n")
    holds("ConsoleSize of exec", b"31 71" in client.read_until(b"31 71") or os.environ.get("DOCKER_ERA"), client.rest)
    equal("exec resize", call("POST", f"/exec/{exec_id}/resize", h=20, w=60).status, 200)
    client.send(b"stty size; grep CapEff /proc/self/status\n")
    holds("exec resize is seen", b"20 60" in client.read_until(b"20 60"), client.rest)
    seen = call("GET", f"/exec/{exec_id}/json").json
    holds("a running exec", seen["Running"] and seen["Pid"] > 0 and seen["ProcessConfig"]["tty"] and seen["ProcessConfig"]["privileged"], seen)
    client.send(b"exit 4\n")
    client.read_all()
    wait_until(lambda: call("GET", f"/exec/{exec_id}/json").json["ExitCode"] == 4, "exit code 4")
    remove(id)
    equal("execs go with the container", call("GET", f"/exec/{exec_id}/json").status, 404)


def lists():
    id = run(N, Labels={"k": "v"})
    dead = create(N + "-dead", ("true",))
    ours = lambda **query: [item for item in call("GET", "/containers/json", **query).json if item["Id"] in (id, dead)]
    equal("only running ones", [item["Id"] for item in ours()], [id])
    equal("all, newest first", [item["Id"] for item in ours(all=1)], [dead, id])
    equal("limit counts stopped ones", [item["Id"] for item in ours(limit=1)], [dead])
    item = ours()[0]
    equal("an item", (item["Names"], item["Image"], item["Command"], item["State"], item["Labels"], item["Ports"], item["Mounts"], item["HostConfig"]["NetworkMode"]),
          ([f"/{N}"], "busybox", "sleep 1000", "running", {"k": "v"}, [], [], "none"))
    holds("Status is human text", item["Status"].startswith("Up "), item["Status"])
    holds("Created is seconds, ImageID a digest", abs(item["Created"] - time.time()) < 1000 and item["ImageID"].startswith("sha256:"), item)
    holds("networks", "none" in item["NetworkSettings"]["Networks"], item["NetworkSettings"])
    holds("no sizes unless asked", "SizeRw" not in item and "SizeRootFs" in ours(size=1)[0], item)
    holds("inspect with size", "SizeRootFs" in call("GET", f"/containers/{id}/json", size=1).json)
    holds("inspect without", "SizeRootFs" not in inspect(id))
    seen = inspect(id)
    equal("inspect: Path and Args", (seen["Path"], seen["Args"]), ("sleep", ["1000"]))
    for member in ("ResolvConfPath", "HostnamePath", "HostsPath"):
        holds(f"inspect: {member}", seen[member].startswith("/"), seen[member])
    holds("inspect: the rest", seen["Image"].startswith("sha256:") and seen["Platform"] == "linux" and seen["Driver"] and "Name" in seen["GraphDriver"] and seen["ExecIDs"] is None and seen["Mounts"] == [] and seen["Created"].endswith("Z") and "LogPath" in seen, seen)
    settings = seen["NetworkSettings"]
    holds("inspect: NetworkSettings", {"SandboxID", "SandboxKey", "Ports", "Networks"} <= set(settings) and "none" in settings["Networks"], settings)
    remove(id)
    remove(dead)


def filters():
    created = {}
    created["a"] = run(N + "-a", Labels={"k": "v", "n": "1"}, ExposedPorts={"81/tcp": {}}, host={"Tmpfs": {"/t": ""}})
    created["b"] = create(N + "-b", ("sh", "-c", "exit 6"), Labels={"k": "w"})
    call("POST", f"/containers/{created['b']}/start")
    call("POST", f"/containers/{created['b']}/wait")
    created["c"] = create(N + "-c")
    names = {id: name for name, id in created.items()}

    def found(filters, **query):
        return "".join(sorted(names[item["Id"]] for item in call("GET", "/containers/json", all=1, filters=filters, **query).json if item["Id"] in names))

    for given, wanted in (({"ancestor": ["busybox"], "name": [N]}, "abc"), ({"ancestor": ["nope"]}, ""), ({"before": [N + "-b"], "name": [N]}, "a"), ({"since": [N + "-b"]}, "c"),
                          ({"expose": ["81/tcp"]}, "a"), ({"expose": ["80-82"]}, "a"), ({"exited": ["6"], "name": [N]}, "b"), ({"id": [created["c"][:20]]}, "c"), ({"label": ["k"]}, "ab"),
                          ({"label": ["k=v"]}, "a"), ({"label": ["k", "n=1"]}, "a"), ({"name": [N + "-[ab]$"]}, "ab"), ({"name": [f"^/{N}-c$"]}, "c"), ({"network": ["none"], "name": [N]}, "abc"),
                          ({"network": ["bridge"], "name": [N]}, ""), ({"publish": ["81"]}, ""), ({"status": ["running"], "name": [N]}, "a"), ({"status": ["created", "exited"], "name": [N]}, "bc"),
                          ({"health": ["none"], "name": [N]}, "abc"), ({"volume": ["/nope"]}, ""), ({"label": {"k=v": True}}, "a")):
        equal(f"filter {given}", found(given), wanted)
    equal("a status filter means all", [names[i["Id"]] for i in call("GET", "/containers/json", filters={"status": ["exited"], "name": [N]}).json], ["b"])
    for bad in ({"status": ["nope"]}, {"exited": ["x"]}, {"health": ["x"]}, {"before": ["no-such"]}):
        holds(f"filter {bad} is refused", call("GET", "/containers/json", filters=bad).status in (400, 404, 500), bad)
    remove(created["a"])
    label = {"label": ["k=w"]}
    pruned = call("POST", "/containers/prune", filters={"label": ["k=w"], "label!": ["no"]})
    equal("prune by label", (pruned.status, pruned.json["ContainersDeleted"]), (200, [created["b"]]))
    holds("prune says what it freed", isinstance(pruned.json["SpaceReclaimed"], int), pruned.text)
    equal("prune of what is older than the container", call("POST", "/containers/prune", filters={"until": ["1000"]}).json["ContainersDeleted"], None)
    equal("prune of none", call("POST", "/containers/prune", filters={"label": ["k=w"]}).json["ContainersDeleted"], None)
    remove(created["c"])


def archives():
    import io, tarfile
    id = create(N)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size, info.uid, info.gid = 3, 7, 8
        tar.addfile(info, io.BytesIO(b"abc"))
    tar_headers = {"Content-Type": "application/x-tar"}
    equal("put", call("PUT", f"/containers/{id}/archive", data.getvalue(), tar_headers, path="/tmp").status, 200)
    equal("put where no directory is", call("PUT", f"/containers/{id}/archive", data.getvalue(), tar_headers, path="/nope").status, 404)
    equal("put into a file", call("PUT", f"/containers/{id}/archive", data.getvalue(), tar_headers, path="/tmp/file").status, 400)
    with io.BytesIO() as other:
        with tarfile.open(fileobj=other, mode="w") as tar:
            info = tarfile.TarInfo("tmp")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
        equal("a directory is not overwritten", call("PUT", f"/containers/{id}/archive", other.getvalue(), tar_headers, path="/", noOverwriteDirNonDir=1).status, 400)
    got = call("GET", f"/containers/{id}/archive", path="/tmp/file")
    stat = json.loads(base64.b64decode(got.headers["X-Docker-Container-Path-Stat"]))
    equal("its stat", (stat["name"], stat["size"]), ("file", 3))
    with tarfile.open(fileobj=io.BytesIO(got.body)) as tar:
        equal("get", (tar.getnames(), tar.getmember("file").uid), (["file"], 7))
    import bz2, gzip, lzma
    for name, pack in (("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)):
        equal(f"put of {name}", call("PUT", f"/containers/{id}/archive", pack(data.getvalue()), tar_headers, path="/tmp").status, 200)
    remove(id)
    id = create(N, host={"ReadonlyRootfs": True})
    equal("put into a read-only root", call("PUT", f"/containers/{id}/archive", data.getvalue(), tar_headers, path="/tmp").status, 403)
    remove(id)


check(states, stop_signal, waits, logs, attach, execs, lists, filters, archives)
