"""Says where two containers differ, by name or by file with their inspect; what each has of its own apart.
Usage: inspect_as.py CONTAINER|FILE CONTAINER|FILE [MEMBER-THAT-MAY-DIFFER...]"""
import json, os, subprocess, sys


def look(name):
    text = open(name).read() if os.path.exists(name) else subprocess.run(["hull", "inspect", name], capture_output=True, text=True, check=True).stdout
    container = json.loads(text)[0]
    config = container["Config"]
    short_id = container["Id"][:12]
    if config["Hostname"] == short_id:
        config["Hostname"] = ""
    config["Labels"] = {name: value for name, value in (config["Labels"] or {}).items() if not name.startswith(("com.docker.compose.", "hull.compose."))}
    # Compose gives the service's name as an alias.
    own = (short_id, container["Name"][1:])
    networks = {name: {"Aliases": sorted(set(endpoint["Aliases"] or []) - set(own)), "IPAMConfig": endpoint["IPAMConfig"]}
                for name, endpoint in container["NetworkSettings"]["Networks"].items()}
    mounts = sorted((mount["Type"], mount["Destination"], mount["RW"], mount.get("Name", "") if len(mount.get("Name", "")) < 64 else "") for mount in container["Mounts"])
    return {"Config": config, "HostConfig": container["HostConfig"], "Path": container["Path"], "Args": container["Args"], "Networks": networks, "Mounts": mounts}


def differences(a, b, at=""):
    if isinstance(a, dict) and isinstance(b, dict):
        return [line for key in sorted({*a, *b}) for line in differences(a.get(key), b.get(key), f"{at}.{key}")]
    if a in (None, [], {}, "") and b in (None, [], {}, ""):
        return []
    ordered = at.split(".")[-1] in ("Cmd", "Entrypoint", "Args", "Test")
    if isinstance(a, list) and isinstance(b, list) and not ordered:
        a, b = sorted(a, key=str), sorted(b, key=str)
    return [] if a == b else [f"{at}: {a!r} -> {b!r}"]


found = differences(look(sys.argv[1]), look(sys.argv[2]))
print("\n".join(line for line in found if line.split(":")[0] not in sys.argv[3:]) or "same")
