"""Claims of api_fields.test: every member of a create request comes back in inspect and takes effect. NAME"""
from api_client import *

N = sys.argv[1]
IS_DOCKER = "Hull" not in call("GET", "/version").text
V2 = call("GET", "/info").json["CgroupVersion"] == "2"


def out(cmd, **more):
    code, stdout, stderr = run_to_end(N, ("sh", "-c", cmd), **more)
    return stdout if code == 0 else f"exit {code}: {stdout}{stderr}"


def config_round_trip():
    wanted = {"Hostname": "host-a", "Domainname": "example.org", "User": "5:6", "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Tty": True, "OpenStdin": True,
              "StdinOnce": True, "Env": ["A=1"], "Cmd": ["x", "y"], "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "Retries": 2, "StartPeriod": 10**9}, "Volumes": {"/vol": {}},
              "WorkingDir": "/work", "Entrypoint": ["e"], "NetworkDisabled": True, "Labels": {"l": "1"}, "StopSignal": "SIGINT", "StopTimeout": 7, "Shell": ["/bin/ash", "-c"], "OnBuild": None}
    id = call("POST", "/containers/create", {"Image": "busybox", **wanted, "HostConfig": {"NetworkMode": "none"}}, name=N).json["Id"]
    seen = inspect(id)
    for name, value in wanted.items():
        if name == "Env":
            holds("Env: the request's and a PATH", "A=1" in seen["Config"]["Env"], seen["Config"]["Env"])
        elif name == "Healthcheck":
            holds(name, all(seen["Config"][name].get(key) == part for key, part in value.items()), seen["Config"][name])
        else:
            equal(f"Config.{name}", seen["Config"].get(name), value)
    equal("Config.Image", seen["Config"]["Image"], "busybox")
    equal("Path and Args", (seen["Path"], seen["Args"]), ("e", ["x", "y"]))
    holds("an anonymous volume", seen["Mounts"][0]["Destination"] == "/vol" and seen["Mounts"][0]["Type"] == "volume" and len(seen["Mounts"][0]["Name"]) == 64 and seen["Mounts"][0]["RW"], seen["Mounts"])
    remove(id)


def host_round_trip():
    wanted = {"CpuShares": 512, "Memory": 64 << 20, "CpuPeriod": 100000, "CpuQuota": 50000, "CpusetCpus": "0", "CpusetMems": "0", "MemoryReservation": 32 << 20, "MemorySwap": 128 << 20, "PidsLimit": 50,
              "Devices": [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero2", "CgroupPermissions": "rwm"}], "Init": True, "Ulimits": [{"Name": "nofile", "Hard": 2000, "Soft": 1000}],
              "Binds": ["/etc:/host-etc:ro"], "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "NetworkMode": "none", "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
              "AutoRemove": False, "ConsoleSize": [30, 90], "CapAdd": ["NET_ADMIN"], "CapDrop": ["CHOWN"], "Dns": ["192.0.2.1"], "DnsOptions": ["ndots:3"], "DnsSearch": ["example.org"], "ExtraHosts": ["a:192.0.2.2"],
              "GroupAdd": ["77"], "IpcMode": "private", "OomScoreAdj": 100, "PidMode": "host", "Privileged": False, "PublishAllPorts": False, "ReadonlyRootfs": True,
              "SecurityOpt": ["no-new-privileges"], "Tmpfs": {"/t": "size=1m"}, "ShmSize": 1 << 20, "Sysctls": {"net.ipv4.ip_forward": "1"}, "MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"],
              "Annotations": {"an": "x"}, "CgroupnsMode": "private", "UTSMode": "", "UsernsMode": ""}
    if IS_DOCKER:
        wanted.pop("Annotations"), wanted.pop("CgroupnsMode")
    id = create(N, host=wanted)
    seen = inspect(id)["HostConfig"]
    for name, value in wanted.items():
        if name in ("CapAdd", "CapDrop"):  # newer engines write CAP_ before them
            equal(f"HostConfig.{name}", [text.replace("CAP_", "") for text in seen[name]], value)
        elif name == "ConsoleSize" and IS_DOCKER:
            continue
        else:
            equal(f"HostConfig.{name}", seen.get(name), value)
    remove(id)
    for name, value in (("NanoCpus", 500000000), ("MemorySwappiness", 10), ("OomKillDisable", False), ("BlkioWeight", 300)):
        id = create(N, host={name: value})
        got = inspect(id)["HostConfig"].get(name)
        holds(f"HostConfig.{name}", got == value or got in (0, None) and name in ("BlkioWeight", "MemorySwappiness", "OomKillDisable"), got)
        remove(id)


def effects_of_config():
    equal("Hostname", out("hostname; cat /etc/hostname; grep -c host-a /etc/hosts || :", Hostname="host-a").split()[:2], ["host-a", "host-a"])
    equal("User", out("id -u; id -g", User="5:6"), "5\n6\n")
    equal("Env, PATH, HOME, HOSTNAME", out('echo $A; echo $PATH; echo $HOME; [ "$HOSTNAME" = "$(hostname)" ] && echo same', Env=["A=1"]), "1\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n/root\nsame\n")
    equal("TERM with a terminal", run_terminal("echo $TERM"), "xterm\r\n")
    equal("WorkingDir is made", out("pwd", WorkingDir="/made/here"), "/made/here\n")
    equal("Entrypoint and Cmd", run_to_end(N, ("b", "c"), Entrypoint=["echo", "a"])[1], "a b c\n")


def run_terminal(cmd):
    id = run(N, ("sh", "-c", cmd), Tty=True)
    call("POST", f"/containers/{id}/wait")
    text = call("GET", f"/containers/{id}/logs", stdout=1).text
    remove(id)
    return text


def effects_of_host():
    equal("ReadonlyRootfs", out("touch /x 2>&1 || echo no", host={"ReadonlyRootfs": True}).splitlines()[-1], "no")
    equal("Tmpfs with its options", [option in out("grep ' /t ' /proc/mounts", host={"Tmpfs": {"/t": "size=1024k,mode=700"}}) for option in ("size=1024k", "nosuid", "nodev", "noexec", "mode=700")], [True] * 5)
    equal("ShmSize", out("df -k /dev/shm | tail -1", host={"ShmSize": 2 << 20}).split()[1], "2048")
    equal("ShmSize is 64 MB by default", out("df -k /dev/shm | tail -1").split()[1], "65536")
    equal("Sysctls", out("cat /proc/sys/net/ipv4/ip_forward", host={"Sysctls": {"net.ipv4.ip_forward": "1"}}), "1\n")
    holds("a sysctl of the host is refused", call("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "host", "Sysctls": {"net.ipv4.ip_forward": "1"}}}).status in (400, 201))
    equal("Ulimits", out("ulimit -n; ulimit -Hn", host={"Ulimits": [{"Name": "nofile", "Hard": 2000, "Soft": 1000}]}), "1000\n2000\n")
    equal("OomScoreAdj", out("cat /proc/self/oom_score_adj", host={"OomScoreAdj": 321}), "321\n")
    equal("GroupAdd", out("id -G", host={"GroupAdd": ["77"]}).split()[-1], "77")
    default = int(out("grep CapEff /proc/self/status").split()[1], 16)
    equal("fourteen capabilities by default", f"{default:016x}", "00000000a80425fb")
    equal("CapAdd and CapDrop", int(out("grep CapEff /proc/self/status", host={"CapAdd": ["SYS_TIME"], "CapDrop": ["CHOWN"]}).split()[1], 16), default & ~1 | 1 << 25)
    equal("no-new-privileges", out("grep NoNewPrivs /proc/self/status", host={"SecurityOpt": ["no-new-privileges"]}).split()[1], "1")
    equal("seccomp is on, and off when unconfined", [out("grep Seccomp: /proc/self/status", host={"SecurityOpt": opt}).split()[1] for opt in ([], ["seccomp=unconfined"])], ["2", "0"])
    equal("ExtraHosts", out("grep 192.0.2.2 /etc/hosts", host={"ExtraHosts": ["a:192.0.2.2"]}).split(), ["192.0.2.2", "a"])
    equal("Binds, read-only", out("ls /host-etc/hosts; touch /host-etc/x 2>/dev/null || echo no", host={"Binds": ["/etc:/host-etc:ro"]}), "/host-etc/hosts\nno\n")
    equal("Mounts: bind and tmpfs", out("ls /m/hosts; touch /m/x 2>/dev/null || echo no; df -k /n | tail -1 | awk '{print $2}'",
                                       host={"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/m", "ReadOnly": True}, {"Type": "tmpfs", "Target": "/n", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}}]}), "/m/hosts\nno\n1024\n")
    equal("Devices", out("head -c 3 /dev/zero2 | wc -c", host={"Devices": [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero2", "CgroupPermissions": "rwm"}]}).strip(), "3")
    equal("MaskedPaths and ReadonlyPaths", out("cat /proc/uptime | wc -c; echo 1 >/proc/sysrq-trigger 2>/dev/null || echo no", host={"MaskedPaths": ["/proc/uptime"], "ReadonlyPaths": ["/proc/sysrq-trigger"]}).split(), ["0", "no"])
    equal("PidMode host", out("ls -d /proc/%d" % os.getpid(), host={"PidMode": "host"}).strip(), f"/proc/{os.getpid()}")
    equal("Init", out("cat /proc/1/comm", host={"Init": True}).strip() not in ("sh", "cat"), True)
    cgroup = "/sys/fs/cgroup/" if V2 else "/sys/fs/cgroup/*/"
    first = out(f"cat {cgroup}memory.limit_in_bytes {cgroup}pids.max {cgroup}cpu.shares {cgroup}cpu.cfs_quota_us {cgroup}cpuset.cpus 2>/dev/null || :", host={"Memory": 64 << 20, "PidsLimit": 50, "CpuShares": 512, "NanoCpus": 500000000, "CpusetCpus": "0"})
    if first.strip() and not V2:
        equal("limits", first.split(), [str(64 << 20), "50", "512", "50000", "0"])
    outer = run(N + "-outer", Hostname="outer", host={"IpcMode": "shareable"})
    equal("PidMode and IpcMode of a container", out("ls -d /proc/2* >/dev/null 2>&1; cat /proc/1/cmdline | tr '\\0' ' '", host={"PidMode": "container:" + outer, "IpcMode": "container:" + outer}).strip(), "sleep 1000")
    equal("NetworkMode container", out("hostname", host={"NetworkMode": "container:" + outer}).strip(), "outer")
    remove(outer)
    equal("NetworkMode none", out("ls /sys/class/net | grep -v lo | wc -l").strip() in ("0", "1", "2"), True)
    equal("UTSMode host", out("hostname", host={"UTSMode": "host"}).strip(), os.uname().nodename)
    equal("Privileged", f'{int(out("grep CapEff /proc/self/status", host={"Privileged": True}).split()[1], 16) if not IS_DOCKER else 0:x}'[-8:], (f'{int(next(l for l in open("/proc/self/status") if l.startswith("CapEff")).split()[1], 16):x}' if not IS_DOCKER else "0")[-8:])
    id = run(N, ("true",), host={"AutoRemove": True})
    wait_until(lambda: call("GET", f"/containers/{id}/json").status == 404, "the automatic removal")
    id = run(N, ("sh", "-c", "exit 1"), host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    wait_until(lambda: inspect(id)["RestartCount"] == 2 and inspect(id)["State"]["Status"] == "exited", "two restarts")
    remove(id)


def refusals():
    for name, value in (("Memory", 1000), ("CpuShares", -1), ("PidMode", "bogus"), ("IpcMode", "bogus"), ("Binds", ["x"]), ("Ulimits", [{"Name": "nope", "Soft": 1, "Hard": 1}]), ("CapAdd", ["NOPE"]),
                        ("Mounts", [{"Type": "bind", "Source": "/no/such", "Target": "/m"}]), ("Mounts", [{"Type": "nope", "Target": "/m"}]), ("LogConfig", {"Type": "nope"}), ("ExtraHosts", ["x"]),
                        ("NanoCpus", 10**15), ("CpusetCpus", "999"), ("OomScoreAdj", 5000), ("ShmSize", -1), ("RestartPolicy", {"Name": "no", "MaximumRetryCount": 3}), ("SecurityOpt", ["bogus"])):
        if IS_DOCKER and name in ("CapAdd", "OomScoreAdj", "ExtraHosts", "Ulimits", "Dns", "CpuShares"):
            continue
        reply = call("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", name: value}}, name=N)
        holds(f"{name}={value} is refused", reply.status in (400, 404, 409, 500), f"{reply.status} {reply.text}")
        remove(N)
    for name, value in (("Env", ["=x"]), ("WorkingDir", "relative"), ("StopSignal", "BOGUS"), ("User", 5), ("Cmd", 5), ("Labels", ["x"])):
        reply = call("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], name: value}, name=N)
        holds(f"{name}={value} is refused", reply.status in (400, 500) or IS_DOCKER, f"{reply.status} {reply.text}")
        remove(N)


check(config_round_trip, host_round_trip, effects_of_config, effects_of_host, refusals)
