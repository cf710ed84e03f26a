"""Claims of rights.test: what sockets of limited rights allow. NAME DIRECTORY"""
from api_client import *

N, DIRECTORY = sys.argv[1:3]
MAIN = os.environ["DAEMON_SOCKET"]


def through(name):
    os.environ["DAEMON_SOCKET"] = f"{DIRECTORY}/{name}"


def main():
    os.environ["DAEMON_SOCKET"] = MAIN


QUESTIONS = (("GET", "/containers/json"), ("GET", "/info"), ("GET", "/version"), ("GET", "/_ping"), ("GET", "/images/json"), (f"GET", f"/containers/{N}/json"))
LIFE = [("POST", f"/containers/{N}/{verb}") for verb in ("pause", "unpause", "restart?t=0", "stop?t=0", "start")]
FORBIDDEN = [("POST", "/containers/create"), ("DELETE", f"/containers/{N}"), ("POST", f"/containers/{N}/exec"), ("POST", f"/containers/{N}/attach"), ("GET", f"/containers/{N}/archive?path=/"), ("GET", f"/containers/{N}/export"),
             ("POST", "/images/load"), ("DELETE", "/images/busybox"), ("POST", "/containers/prune"), ("POST", "/commit"), ("GET", "/images/busybox/get"), ("POST", "/images/create?fromImage=x"), ("POST", f"/containers/{N}/update"),
             ("POST", "/build"), ("POST", "/volumes/create"), ("POST", "/networks/create"), ("POST", "/auth"), ("GET", f"/containers/{N}/attach/ws")]


def levels():
    run(N)
    for name, allowed, refused in (("read", QUESTIONS, [("GET", f"/containers/{N}/logs?stdout=1")] + LIFE + FORBIDDEN), ("logs", QUESTIONS + (("GET", f"/containers/{N}/logs?stdout=1"),), LIFE + FORBIDDEN),
                                   ("lifecycle", QUESTIONS + tuple(LIFE), FORBIDDEN)):
        through(name)
        for method, path in allowed:
            holds(f"{name}: {method} {path}", call(method, path).status < 400, call(method, path).text)
        for method, path in refused:
            reply = call(method, path, {} if method == "POST" else None)
            equal(f"{name} refuses {method} {path}", reply.status, 403)
        holds(f"{name} says what to do", "main socket" in reply.text and name in reply.text, reply.text)
        main()
    remove(N)


ESCAPES = [{"Privileged": True}, {"Binds": ["/:/host"]}, {"Binds": ["/etc/shadow:/s:ro"]}, {"Binds": ["name:/v"]}, {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}, {"Mounts": [{"Type": "volume", "Source": "x", "Target": "/v",
            "VolumeOptions": {"DriverConfig": {"Options": {"type": "none", "o": "bind", "device": "/"}}}}]}, {"Mounts": [{"Type": "image", "Source": "busybox", "Target": "/i"}]}, {"PidMode": "host"}, {"IpcMode": "host"}, {"NetworkMode": "host"}, {"UTSMode": "host"}, {"UsernsMode": "host"},
           {"CgroupnsMode": "host"}, {"PidMode": f"container:{N}"}, {"IpcMode": f"container:{N}"}, {"NetworkMode": f"container:{N}"}, {"NetworkMode": "ns:/proc/1/ns/net"}, {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]},
           {"DeviceCgroupRules": ["a *:* rwm"]}, {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["x/y=z"]}]}, {"CapAdd": ["SYS_ADMIN"]}, {"CapAdd": ["ALL"]}, {"SecurityOpt": ["seccomp=unconfined"]}, {"SecurityOpt": ["apparmor=unconfined"]},
           {"SecurityOpt": ["systempaths=unconfined"]}, {"MaskedPaths": []}, {"ReadonlyPaths": []}, {"VolumesFrom": [N]}, {"CgroupParent": "/"}, {"Sysctls": {"kernel.domainname": "x"}}, {"Runtime": "other"}, {"OomScoreAdj": -1000},
           {"Annotations": {"run.oci.hooks": "x"}}, {"VolumeDriver": "x"}, {"Links": [f"{N}:x"]}, {"LogConfig": {"Type": "syslog"}}, {"OomKillDisable": True}]


def own():
    run(N)  # somebody else's
    through("own")
    for escape in ESCAPES:
        reply = call("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", **escape}})
        holds(f"own refuses {escape}", reply.status == 403 and "leads out of the container" in reply.text, f"{reply.status} {reply.text}")
    equal("what others own is not there", [call("GET", f"/containers/{N}/json").status, call("POST", f"/containers/{N}/exec", {"Cmd": ["true"]}).status, call("DELETE", f"/containers/{N}", force=1).status, call("GET", "/containers/json", all=1).json], [404, 404, 404, []])
    mine = run(N + "-mine", ("sh", "-c", "echo up; sleep 1000"), Labels={"hull.owner": "0-forged"}, host={"Memory": 64 << 20, "Tmpfs": {"/t": ""}})
    equal("one's own is listed and works", [item["Id"] for item in call("GET", "/containers/json").json], [mine])
    equal("the owner cannot be forged", inspect(mine)["Config"]["Labels"]["hull.owner"], str(os.geteuid()))
    exec_id = call("POST", f"/containers/{mine}/exec", {"Cmd": ["echo", "inside"], "AttachStdout": True}).json["Id"]
    equal("exec in it", of_stream(Hijacked(f"/exec/{exec_id}/start", {"Detach": False}).read_all(), 1), b"inside\n")
    equal("privileged exec", call("POST", f"/containers/{mine}/exec", {"Cmd": ["true"], "Privileged": True}).status, 403)
    equal("files and the end", [call("GET", f"/containers/{mine}/archive", path="/etc").status, call("POST", f"/containers/{mine}/stop", t=0).status, call("DELETE", f"/containers/{mine}").status], [200, 204, 204])
    main()
    remove(N)


def strangers():
    through("other")
    for method, path in QUESTIONS[:3]:
        equal(f"a uid that is not listed: {path}", call(method, path).status, 403)
    main()


def audit():
    lines = [json.loads(line) for line in open(f"{DIRECTORY}/audit")]
    holds("every change is noted, with who", any(l["path"].startswith(f"/containers/{N}/pause") and l["uid"] == os.geteuid() and l["pid"] == os.getpid() and l["status"] == 403 and l["socket"].endswith("/read") for l in lines), lines[-3:])
    holds("and no question", not any(l["method"] == "GET" for l in lines))
    equal("the log is root's", os.stat(f"{DIRECTORY}/audit").st_mode & 0o777, 0o600)


check(levels, own, strangers, audit)
