"""Claims of api_images.test: every endpoint, member and filter of local images. NAME"""
import io, tarfile
from api_client import *

N = sys.argv[1]
newest = call("GET", "/version").json["ApiVersion"]
modern = float(newest[2:]) >= 44


def tar_of(**files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return data.getvalue()


def imports():
    reply = call("POST", "/images/create", tar_of(a="1"), {"Content-Type": "application/x-tar"}, fromSrc="-", repo=N, tag="one", message="made here", changes=["CMD [\"/a\"]", "LABEL x=y", "ENV E=1"])
    equal("import", reply.status, 200)
    id = reply.lines[-1]["status"]
    holds("import says the id", id.startswith("sha256:"), reply.text)
    seen = call("GET", f"/images/{N}:one/json").json
    equal("inspect", (seen["Id"], seen["RepoTags"], seen["Comment"], seen["Os"], seen["Architecture"], seen["Config"]["Cmd"], seen["Config"]["Labels"], seen["Config"]["Env"]),
          (id, [f"{N}:one"], "made here", "linux", "amd64", ["/a"], {"x": "y"}, ["E=1"]))
    holds("inspect: the rest", seen["Created"].endswith("Z") and seen["Size"] >= 1 and seen["RootFS"]["Type"] == "layers" and len(seen["RootFS"]["Layers"]) == 1 and "Name" in seen["GraphDriver"] and seen["RepoDigests"] == []
          and seen.get("Author", "") == "" and "LastTagTime" in seen["Metadata"], seen)
    for way in (id, id[7:], id[7:19], f"{N}:one", f"docker.io/library/{N}:one"):
        equal(f"found by {way}", call("GET", f"/images/{way}/json").json.get("Id"), id)
    return id


def lists():
    id = imports()
    equal("tag", call("POST", f"/images/{id}/tag", repo=f"registry.example/{N}/deep", tag="two").status, 201)
    ours = lambda **query: [item for item in call("GET", "/images/json", **query).json if item["Id"] == id]
    item = ours()[0]
    equal("an item", (sorted(item["RepoTags"]), item["Labels"], item["ParentId"]), (sorted([f"{N}:one", f"registry.example/{N}/deep:two"]), {"x": "y"}, ""))
    holds("its numbers", isinstance(item["Created"], int) and item["Size"] >= 1 and item["SharedSize"] == -1 and item["Containers"] in (-1, 0), item)
    for given, wanted in (({"reference": [N]}, 1), ({"reference": [N + ":t*"]}, 0), ({"reference": [f"registry.example/*/deep"]}, 1), ({"label": ["x=y"]}, 1), ({"label": ["x=z"]}, 0), ({"label": ["x"]}, 1), ({"dangling": ["true"]}, 0),
                          ({"dangling": ["false"]}, 1), ({"before": [N + ":one"]}, 0), ({"since": [N + ":one"]}, 0), ({"since": ["busybox"]}, 1)):
        equal(f"filter {given}", len(ours(filters=given)), wanted)
    if modern:
        equal("until the past", len(ours(filters={"until": ["1000"]})), 0)
        equal("until now", len(ours(filters={"until": [str(int(time.time()) + 10)]})), 1)
        equal("shared-size", ours(**{"shared-size": 1})[0]["SharedSize"], 0)
        holds("VirtualSize before 1.44", "VirtualSize" in [i for i in call("GET", "/v1.43/images/json").json if i["Id"] == id][0] and "VirtualSize" not in item)
    history = call("GET", f"/images/{id}/history").json
    holds("history", history[0]["Id"] == id and history[0]["Comment"] == "made here" and sorted(history[0]["Tags"]) == sorted(item["RepoTags"]) and {"Created", "CreatedBy", "Size"} <= set(history[0]), history)
    conflict = call("DELETE", f"/images/{id[7:19]}")
    holds("by id with several repositories", conflict.status == 409 and "image is referenced in multiple repositories" in conflict.text, conflict.text)
    equal("untag", call("DELETE", f"/images/registry.example/{N}/deep:two").json, [{"Untagged": f"registry.example/{N}/deep:two"}])
    removed = call("DELETE", f"/images/{N}:one").json
    equal("remove", ([list(entry)[0] for entry in removed][:2], removed[1]["Deleted"]), (["Untagged", "Deleted"], id))


def dangling():
    first = imports()
    call("POST", "/images/create", tar_of(b="2"), {"Content-Type": "application/x-tar"}, fromSrc="-", repo=N, tag="one", changes="LABEL z=1")
    item = [item for item in call("GET", "/images/json").json if item["Id"] == first][0]
    equal("a dangling image", (item["RepoTags"], [i["Id"] for i in call("GET", "/images/json", filters={"dangling": ["true"], "label": ["x=y"]}).json]), ([] if modern else ["<none>:<none>"], [first]))
    if modern:
        equal("as clients before 1.43 see it", [i for i in call("GET", "/v1.42/images/json").json if i["Id"] == first][0]["RepoTags"], ["<none>:<none>"])
    pruned = call("POST", "/images/prune", filters={"label": ["x=y"]}).json
    holds("prune takes dangling ones", {"Deleted": first} in pruned["ImagesDeleted"] and isinstance(pruned["SpaceReclaimed"], int), pruned)
    equal("not by another label", call("POST", "/images/prune", filters={"label!": ["x"], "until": ["1000"]}).json["ImagesDeleted"], None)
    pruned = call("POST", "/images/prune", filters={"dangling": ["false"], "label": ["z"], "label!": ["keep"], "until": [str(int(time.time()) + 100)]}).json
    holds("dangling=false takes unused ones", any(entry.get("Untagged") == f"{N}:one" for entry in pruned["ImagesDeleted"] or []), pruned)


def save_and_load():
    imports()
    for path, query in ((f"/images/{N}:one/get", {}), ("/images/get", {"names": [f"{N}:one", "busybox"]})):
        reply = call("GET", path, **query)
        equal(path, (reply.status, reply.headers["Content-Type"]), (200, "application/x-tar"))
        with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
            names = tar.getnames()
            tags = [tag for entry in json.load(tar.extractfile("manifest.json")) for tag in entry["RepoTags"]]
        holds(f"{path} holds a manifest", "manifest.json" in names and f"{N}:one" in tags, tags)
        if modern:
            holds("and an OCI layout", "oci-layout" in names and "index.json" in names, names)
    call("DELETE", f"/images/{N}:one")
    loaded = call("POST", "/images/load", reply.body, {"Content-Type": "application/x-tar"})
    holds("load says what it loaded", any(line.get("stream") == f"Loaded image: {N}:one\n" for line in loaded.lines), loaded.text)
    equal("quiet load", [list(line) for line in call("POST", "/images/load", reply.body, {"Content-Type": "application/x-tar"}, quiet=1).lines], [["stream"], ["stream"]])
    call("DELETE", f"/images/{N}:one")


def usage():
    import threading
    imports()
    id = call("POST", "/containers/create", {"Image": f"{N}:one", "HostConfig": {"NetworkMode": "none"}}, name=N).json["Id"]
    used = call("DELETE", f"/images/{N}:one")
    holds("an image in use", used.status == 409 and "must force" in used.text, used.text)
    forced = call("DELETE", f"/images/{N}:one", force=1)
    equal("force of a name only untags", (forced.status, [list(entry)[0] for entry in forced.json][:1]), (200, ["Untagged"]))
    remove(id)
    call("POST", "/images/prune")
    commit = call("POST", "/commit", {}, container=run(N), repo=N, tag="committed", comment="c", author="me", changes="CMD [\"x\"]")
    seen = call("GET", f"/images/{N}:committed/json").json
    equal("commit", (commit.status, commit.json["Id"], seen["Comment"], seen["Author"], seen["Config"]["Cmd"]), (201, seen["Id"], "c", "me", ["x"]))
    remove(N)
    call("DELETE", f"/images/{N}:committed")


check(lists, dangling, save_and_load, usage)
