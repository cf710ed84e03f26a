#!/usr/bin/env python3
"""What scripts of builds look at.

    many DIRECTORY                      makes 3,000 files in 30 directories
    odd DIRECTORY                       makes files with long and odd names
    measure COMMAND...                  runs it: its status, its peak of memory in MB, and the MB that the daemon and its programs read meanwhile
    annotations DIRECTORY               of an index and its manifests, as skopeo copies them to a directory
    provenance DIRECTORY [METADATA]     of an index with an image and a statement about it"""
import json, os, re, resource, subprocess, sys


def many(directory):
    for i in range(30):
        os.mkdir(f"{directory}/{i}")
        for k in range(100):
            with open(f"{directory}/{i}/{k}", "w") as file:
                file.write(f"{i} {k}")


def odd(directory):
    deep = directory + "/" + "/".join("d" * 200 for i in range(10))
    os.makedirs(deep)
    for name, text in ((f"{directory}/{'n' * 255}", "long"), (deep + "/f", "deep"), (os.fsencode(directory) + b"/\xff\xfe\n x", "odd")):
        with open(name, "w") as file:
            file.write(text)


def measure(*command):
    daemon = open(os.environ["DAEMON_ROOT"] + "/pid").read().strip()
    read = lambda: int(re.search(r"rchar: (\d+)", open(f"/proc/{daemon}/io").read())[1])
    before = read()
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, (read() - before) >> 20)


def load(path):
    with open(path) as file:
        return json.load(file)


def annotations(directory):
    index = load(directory + "/manifest.json")
    print(index["annotations"], [m["annotations"] for m in index["manifests"]])
    for m in index["manifests"]:
        print(m["platform"]["architecture"], load(f"{directory}/{m['digest'][7:]}.manifest.json")["annotations"])


def provenance(directory, metadata=None):
    image, statement = load(directory + "/manifest.json")["manifests"]
    print(statement["annotations"]["vnd.docker.reference.type"], statement["annotations"]["vnd.docker.reference.digest"] == image["digest"], statement["platform"]["os"])
    layer = load(f"{directory}/{statement['digest'][7:]}.manifest.json")["layers"][0]
    print(layer["mediaType"], layer["annotations"]["in-toto.io/predicate-type"])
    told = load(f"{directory}/{layer['digest'][7:]}")
    print(told["_type"], told["subject"][0]["digest"]["sha256"] == image["digest"][7:])
    predicate = told["predicate"]
    definition = predicate["buildDefinition"]
    print("by", predicate["runDetails"]["builder"]["id"], predicate["runDetails"]["metadata"]["startedOn"])
    print(len(definition["resolvedDependencies"]), "material,", definition["externalParameters"]["request"]["args"].get("build-arg:word"), [s["instruction"].split()[0] for s in definition["internalParameters"].get("steps", [])])
    if metadata:
        print(load(metadata)["buildx.build.provenance"] == predicate)


globals()[sys.argv[1]](*sys.argv[2:])
