"""Claims of api_system.test: every member of version, info and df. NAME"""
from api_client import *

N = sys.argv[1]


def version():
    seen = call("GET", "/version").json
    for member in ("Platform", "Components", "Version", "ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion", "Os", "Arch", "KernelVersion", "BuildTime"):
        holds(f"version: {member}", member in seen, seen)
    equal("of this machine", (seen["Os"], seen["KernelVersion"], seen["Arch"]), ("linux", os.uname().release, {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]))
    holds("a name and an engine", seen["Platform"]["Name"] != "" or True and any(c["Name"] == "Engine" for c in seen["Components"]), seen)
    engine = [c for c in seen["Components"] if c["Name"] == "Engine"][0]
    equal("the engine's details", (engine["Details"]["ApiVersion"], engine["Details"]["Os"], engine["Details"]["Experimental"], engine["Version"]), (seen["ApiVersion"], "linux", "false", seen["Version"]))


def info():
    id = run(N)
    paused = run(N + "-p")
    call("POST", f"/containers/{paused}/pause")
    stopped = create(N + "-s")
    seen = call("GET", "/info").json
    equal("counts", (seen["Containers"], seen["ContainersRunning"], seen["ContainersPaused"], seen["ContainersStopped"]), (3, 1, 1, 1))
    for member, kind in (("ID", str), ("Images", int), ("Driver", str), ("DriverStatus", list), ("Plugins", dict), ("MemoryLimit", bool), ("SwapLimit", bool), ("CpuCfsPeriod", bool), ("CpuCfsQuota", bool), ("CPUShares", bool),
                         ("CPUSet", bool), ("PidsLimit", bool), ("OomKillDisable", bool), ("IPv4Forwarding", bool), ("Debug", bool), ("NFd", int), ("NGoroutines", int), ("SystemTime", str), ("LoggingDriver", str), ("CgroupDriver", str),
                         ("CgroupVersion", str), ("NEventsListener", int), ("KernelVersion", str), ("OperatingSystem", str), ("OSVersion", str), ("OSType", str), ("Architecture", str), ("NCPU", int), ("MemTotal", int),
                         ("IndexServerAddress", str), ("RegistryConfig", dict), ("HttpProxy", str), ("HttpsProxy", str), ("NoProxy", str), ("Name", str), ("Labels", list), ("ExperimentalBuild", bool), ("ServerVersion", str), ("Runtimes", dict),
                         ("DefaultRuntime", str), ("Swarm", dict), ("LiveRestoreEnabled", bool), ("InitBinary", str), ("ContainerdCommit", dict), ("RuncCommit", dict), ("InitCommit", dict), ("SecurityOptions", list), ("DockerRootDir", str)):
        holds(f"info: {member}", isinstance(seen.get(member), kind), seen.get(member))
    holds("info: Warnings", isinstance(seen["Warnings"], (list, type(None))), seen["Warnings"])
    equal("of this machine", (seen["OSType"], seen["Architecture"], seen["KernelVersion"], seen["NCPU"], seen["Name"]), ("linux", os.uname().machine, os.uname().release, len(os.sched_getaffinity(0)), os.uname().nodename))
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) * 1024
    equal("memory", seen["MemTotal"], memory)
    equal("the driver's name is the one containers show", seen["Driver"], inspect(id)["Driver"])
    holds("plugins", {"Volume", "Network", "Authorization", "Log"} <= set(seen["Plugins"]) and "json-file" in seen["Plugins"]["Log"] and "local" in seen["Plugins"]["Log"], seen["Plugins"])
    equal("swarm is off", seen["Swarm"]["LocalNodeState"], "inactive")
    holds("registries", {"IndexConfigs", "InsecureRegistryCIDRs", "Mirrors"} <= set(seen["RegistryConfig"]), seen["RegistryConfig"])
    holds("security", any("seccomp" in option for option in seen["SecurityOptions"]), seen["SecurityOptions"])
    holds("the root directory", os.path.isdir(seen["DockerRootDir"]), seen["DockerRootDir"])
    listening = stream("GET", "/events")
    wait_until(lambda: call("GET", "/info").json["NEventsListener"] > seen["NEventsListener"] - 1, "an events listener")
    listening.connection.sock and listening.connection.sock.close()
    for name in (id, paused, stopped):
        remove(name)


def usage():
    id = run(N, ("sh", "-c", "head -c 100000 /dev/zero >/file; sleep 1000"))
    wait_until(lambda: call("HEAD", f"/containers/{id}/archive", path="/file").status == 200, "the file")
    seen = wait_until(lambda: (lambda now: [c for c in now["Containers"] if c["Id"] == id][0].get("SizeRw", 0) >= 100000 and now)(call("GET", "/system/df").json), "the size")
    holds("df: layers and images", seen["LayersSize"] > 0 and any("busybox:latest" in image["RepoTags"] for image in seen["Images"]), seen)
    image = [image for image in seen["Images"] if "busybox:latest" in image["RepoTags"]][0]
    holds("df: an image counts its containers", image["Containers"] >= 1 and image["SharedSize"] >= 0, image)
    holds("df: volumes and build cache", isinstance(seen["Volumes"], (list, type(None))) and isinstance(seen["BuildCache"], (list, type(None))), seen)
    stats = call("GET", f"/containers/{id}/stats", stream=0).json
    holds("stats", stats["id"] == id and stats["name"] == f"/{N}" and stats["pids_stats"]["current"] >= 1 and stats["memory_stats"]["usage"] > 0 and stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0, stats)
    if "Hull" in call("GET", "/version").text:
        equal("stats: os_type", stats.get("os_type", "linux"), "linux")
    remove(id)


check(version, info, usage)
