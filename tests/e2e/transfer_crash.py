"""Pulls and pushes while the daemon, hull-transfer or the client is killed at random moments; then once in peace.

Usage: transfer_crash.py REGISTRY HULLD-DIRECTORY CRASHES. The registry is fault_registry.py: what it sends and takes is slow."""
import json, os, pathlib, random, shutil, signal, subprocess, sys, time

REGISTRY, HOME, CRASHES = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
BIN = os.environ["HULL_BIN"]
ENVIRONMENT = {**os.environ, "DOCKER_HOST": f"unix://{HOME}/sock"}
chance = random.Random(11)
daemon = None


def start_daemon():
    global daemon
    daemon = subprocess.Popen([f"{BIN}/hulld", "--data-root", f"{HOME}/data", "--exec-root", f"{HOME}/exec", "-H", ENVIRONMENT["DOCKER_HOST"], "--pidfile", f"{HOME}/pid", "--bridge", "none"],
                              stdout=subprocess.DEVNULL, stderr=open(HOME / "log", "ab"))
    deadline = time.monotonic() + 30
    while subprocess.run([f"{BIN}/hull", "version"], env=ENVIRONMENT, capture_output=True).returncode:
        if time.monotonic() > deadline or daemon.poll() is not None:
            sys.exit("the daemon does not start: " + (HOME / "log").read_text()[-500:])


def hull(*words, check=True):
    done = subprocess.run([f"{BIN}/hull", *words], env=ENVIRONMENT, capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"hull {' '.join(words)}: {done.stderr}")
    return done.stdout.strip()


def transfers():
    """Our daemon's hull-transfer processes: alive, and with our staging directory in their arguments."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 3 and words[0].endswith(b"hull-transfer") and words[3].startswith(f"{HOME}/data/".encode()):
            yield int(entry.name)


def requests(method, part):
    with open("faults.requests") as log:
        return [r for r in map(json.loads, log) if r["method"] == method and part in r["path"]]


def crash(verb, name, progressed):
    """One attempt that somebody's death ends. `progressed` says how far it is in bytes."""
    client = subprocess.Popen([f"{BIN}/hull", verb, f"{REGISTRY}/{name}"], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    target, deadline = progressed() + chance.randrange(400_000), time.monotonic() + 30
    while client.poll() is None and progressed() < target and time.monotonic() < deadline:
        time.sleep(0.002)
    victim = chance.choice(("daemon", "transfer", "client"))
    if victim == "daemon":
        daemon.kill()
        daemon.wait()
    elif victim == "transfer":
        for pid in transfers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    else:
        client.kill()
    if victim == "daemon":
        client.wait(60)
        start_daemon()
    client.wait(60)
    deadline = time.monotonic() + 30
    while list(transfers()):  # of a client that is gone, or of a daemon that is
        if time.monotonic() > deadline:
            sys.exit(f"hull-transfer lives on after the death of the {victim}")
        time.sleep(0.005)
    hull("images")
    while left := os.listdir(HOME / "data/staging"):
        if time.monotonic() > deadline:
            sys.exit(f"left in staging after the death of the {victim}: {left}")
        time.sleep(0.005)
    return victim


def partial_bytes():
    total = 0
    for directory in ("partial", "blobs/sha256"):
        for path in (HOME / "data" / directory).glob("*"):
            try:
                total += path.stat().st_size
            except OSError:
                pass
    return total


def received_bytes():
    """What the registry has of pushed blobs: it logs what arrived."""
    return sum(r.get("received", 0) for r in requests("PATCH", "/push-slow/"))


HOME.mkdir(parents=True)
try:
    start_daemon()
    victims = [crash("pull", "slow:1", partial_bytes) for _ in range(CRASHES)]
    hull("pull", "-q", f"{REGISTRY}/slow:1")
    print("pulled:", hull("run", "--rm", "--network", "none", f"{REGISTRY}/slow:1"))
    gets = [r for r in requests("GET", "/slow/blobs/") if r["range"]]
    print("went on in the middle:", len(gets) > 0)
    hull("tag", f"{REGISTRY}/slow:1", f"{REGISTRY}/push-slow:1")
    victims += [crash("push", "push-slow:1", received_bytes) for _ in range(CRASHES)]
    hull("push", "-q", f"{REGISTRY}/push-slow:1")
    patches = [r for r in requests("PATCH", "/push-slow/") if not r["range"].startswith("0-")]
    print("went on in the middle:", len(patches) > 0)
    hull("rmi", f"{REGISTRY}/slow:1", f"{REGISTRY}/push-slow:1")
    hull("pull", "-q", f"{REGISTRY}/push-slow:1")
    print("pushed:", hull("run", "--rm", "--network", "none", f"{REGISTRY}/push-slow:1"))
    hull("rmi", f"{REGISTRY}/push-slow:1")
    print("left:", [name for directory in ("blobs/sha256", "layers", "partial", "staging") for name in os.listdir(HOME / "data" / directory)])
    print("victims:", len(set(victims)))
finally:
    if daemon:
        daemon.terminate()
        daemon.wait()
    shutil.rmtree(HOME, ignore_errors=True)
