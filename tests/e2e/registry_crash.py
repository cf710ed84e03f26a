"""Pushes from several threads while the registry is killed again and again, its supervisor and its worker in turn.

Usage: registry_crash.py ADDRESS DATA CRASHES COMMAND PID"""
import hashlib, http.client, json, os, pathlib, random, shlex, signal, subprocess, sys, threading, time

ADDRESS, DATA, CRASHES, COMMAND, PID = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), shlex.split(sys.argv[4]), int(sys.argv[5])
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
acknowledged_blobs, acknowledged_tags = {}, {}
stop = threading.Event()
problems = []


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(ADDRESS, timeout=30)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def pusher(number):
    chance, count = random.Random(number), 0
    while not stop.is_set():
        count += 1
        data = chance.randbytes(chance.choice((10, 5000, 400_000)))
        try:
            if count % 2:
                status, _, reply = call("POST", f"/v2/crash/blobs/uploads/?digest={sha(data)}", data)
            else:
                location = call("POST", "/v2/crash/blobs/uploads/")[1]["Location"]
                half = len(data) // 2
                call("PATCH", location, data[:half])
                status, _, reply = call("PUT", f"{location}?digest={sha(data)}", data[half:], {"Content-Range": f"{half}-{len(data) - 1}"})
            if status != 201:
                if status not in (404, 416):  # the upload was not there, or shorter, after the crash
                    problems.append(f"blob: {status} {reply[:200]}")
                continue
            acknowledged_blobs[sha(data)] = data
            describe = {"mediaType": "application/octet-stream", "digest": sha(data), "size": len(data)}
            manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": describe, "layers": []}).encode()
            tag = f"t{number}-{count % 3}"
            acknowledged_tags.pop(tag, None)  # while it changes either is right
            status, _, reply = call("PUT", f"/v2/crash/manifests/{tag}", manifest, {"Content-Type": MANIFEST})
            if status == 201:
                acknowledged_tags[tag] = manifest
            else:
                problems.append(f"manifest: {status} {reply[:200]}")
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
        except TypeError:  # no Location: it went down in between
            pass


def wait_until_up():
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if call("GET", "/v2/")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
    sys.exit("the registry did not come up again")


def worker_of(pid):
    """The old supervisor's worker may still answer while the new one has none yet."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if children := open(f"/proc/{pid}/task/{pid}/children").read().split():
            return int(children[0])
        time.sleep(0.01)
    sys.exit("the supervisor has no worker")


pushers = [threading.Thread(target=pusher, args=(n,)) for n in range(4)]
for thread in pushers:
    thread.start()
pid = PID
child = None
chance = random.Random(7)
try:
    for crash in range(CRASHES):
        wanted = len(acknowledged_blobs) + chance.randint(1, 8)
        deadline = time.monotonic() + 30
        while len(acknowledged_blobs) < wanted and time.monotonic() < deadline:
            time.sleep(chance.random() * 0.01)
        if crash % 3:
            os.kill(pid, signal.SIGKILL)
            if child:
                child.wait()
            child = subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            pid = child.pid
        else:
            os.kill(worker_of(pid), signal.SIGKILL)
        wait_until_up()
    stop.set()
    for thread in pushers:
        thread.join()
    for digest, data in acknowledged_blobs.items():
        got = call("GET", f"/v2/crash/blobs/{digest}")
        if got[0] != 200 or got[2] != data:
            problems.append(f"blob {digest} of {len(data)} bytes: {got[0]}, {len(got[2])} bytes")
    for tag, manifest in acknowledged_tags.items():
        got = call("GET", f"/v2/crash/manifests/{tag}")
        if got[0] != 200 or got[2] != manifest:
            problems.append(f"tag {tag}: {got[0]}")
    for tag in json.loads(call("GET", "/v2/crash/tags/list")[2])["tags"]:
        if call("GET", f"/v2/crash/manifests/{tag}")[0] != 200:
            problems.append(f"tag {tag} is listed but not there")
    for path in DATA.glob("docker/registry/v2/blobs/*/*/*/data"):
        if hashlib.new(path.parents[2].name, path.read_bytes()).hexdigest() != path.parent.name:
            problems.append(f"{path} has other bytes than its name says")
finally:
    stop.set()
    if child:
        child.terminate()
        child.wait()
print("\n".join(problems[:20]) or f"{CRASHES} crashes, nothing acknowledged was lost")
