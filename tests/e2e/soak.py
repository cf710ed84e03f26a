#!/usr/bin/env python3
"""Bad days on purpose, on a private hulld: soak.py [--bin DIR] [--runs N] [--execs N] [--crashes N].

runs: that many `run --rm`, 16 at a time; each must give its output and code.
execs: that many execs in one container; the daemon and the shim must not grow.
crashes: the daemon is killed (kill -9) at a random moment under load, that often; what was acknowledged must still be there:
names, exit codes, log lines, images; and nothing stays mounted or running that no record knows.
Before and after each part everything that could leak is counted: descriptors, threads, memory (PSS), processes, mounts, cgroups,
loop devices, files. Prints one line per claim, ends with status 1 when one failed."""
import argparse, concurrent.futures, os, pathlib, random, re, signal, subprocess, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fixtures
from run import Daemon, ROOT, leftovers, mounts_under

failures = 0
CGROUP_PARENT = f"hull-soak-{os.getpid()}"


def claim(holds, text):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'} {text}", flush=True)


def hull(daemon, *arguments, timeout=120):
    return subprocess.run(["hull", *arguments], env=daemon.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def usage(pid):
    field = lambda file, name: int(re.search(rf"^{name}:\s+(\d+)", open(f"/proc/{pid}/{file}").read(), re.M)[1])
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": field("status", "Threads"), "pss_kb": field("smaps_rollup", "Pss")}


def settled_usage(pid, wanted, kb):
    """What `pid` uses, once its helpers of the last moment have ended."""
    deadline = time.monotonic() + 5
    while grew(wanted, now := usage(pid), kb) and time.monotonic() < deadline:
        time.sleep(0.1)
    return now


def grew(before, after, kb):
    if os.environ.get("HULL_E2E_SLOW"):
        kb = 1 << 30  # a sanitizer keeps freed memory back on purpose; it finds leaks its own way
    return after["descriptors"] > before["descriptors"] or after["threads"] > before["threads"] or after["pss_kb"] > before["pss_kb"] + kb


def cgroups():
    """Directories of our containers in every hierarchy."""
    found = []
    for hierarchy in [pathlib.Path("/sys/fs/cgroup"), *pathlib.Path("/sys/fs/cgroup").glob("*")]:
        parent = hierarchy / CGROUP_PARENT
        found += [str(p) for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
    return found


def remove_cgroups():
    for hierarchy in [pathlib.Path("/sys/fs/cgroup"), *pathlib.Path("/sys/fs/cgroup").glob("*")]:
        try:
            (hierarchy / CGROUP_PARENT).rmdir()
        except OSError:
            pass


def mounts_of(pid, root):
    with open(f"/proc/{pid}/mountinfo") as file:
        return [line.split()[4] for line in file if root in line]


def loop_devices(root):
    found = []
    for backing in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found += [f"{backing.parent.parent.name} {backing.read_text().strip()}"] if root in backing.read_text() else []
        except OSError:
            pass
    return found


def unknown(daemon):
    """Everything under the daemon's roots that belongs to no container which `ps -a` shows; for processes and cgroups: which runs."""
    known = set(hull(daemon, "ps", "-aq", "--no-trunc").stdout.split())
    running = set(hull(daemon, "ps", "-q", "--no-trunc").stdout.split())
    left = []
    for where in ("data/containers", "exec/containers"):
        path = f"{daemon.root}/{where}"
        left += [f"{where}/{n}" for n in os.listdir(path) if n not in known] if os.path.isdir(path) else []
    left += [f"data/staging/{n}" for n in os.listdir(daemon.root + "/data/staging")]
    for directory, subdirectories, files in os.walk(daemon.root + "/data"):
        subdirectories[:] = [d for d in subdirectories if d not in ("upper", "work", "volumes")]
        left += [f"{directory}/{name}" for name in files if ".tmp" in name]
    is_known = lambda text, ids: any(i in text for i in ids)
    left += [f"mount {m}" for m in mounts_of(daemon.pid(), daemon.root) if not is_known(m, running) and m != daemon.root + "/data"]
    left += [f"cgroup {c}" for c in cgroups() if not is_known(c, running)]
    left += [p for p in leftovers(daemon.root) if not p.startswith("mount ") and "hulld" not in p and "soak" not in p and not is_known(p, running)]
    return left


def nothing_unknown(daemon, when):
    deadline = time.monotonic() + 15
    while (left := unknown(daemon)) and time.monotonic() < deadline:
        time.sleep(0.1)
    claim(not left, f"{when}: no file, process, mount or cgroup that no record knows {left[:4] or ''}")


def runs(daemon, count):
    def one(i):
        done = hull(daemon, "run", "--rm", "--network", "none", "busybox", "sh", "-c", f"echo {i}; exit {i % 50}")
        return done.stdout == f"{i}\n" and done.returncode == i % 50 or f"{i}: {done}"
    one(0)  # from the first run on the daemon holds the mounts of the image's layers
    before = usage(daemon.pid())
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(min(count, 128))))
        warm = settled_usage(daemon.pid(), {**before, "pss_kb": 1 << 30}, 0)
        begin = time.monotonic()
        wrong = [r for r in pool.map(one, range(count)) if r is not True]
    seconds = time.monotonic() - begin
    after = settled_usage(daemon.pid(), {**before, "pss_kb": warm["pss_kb"]}, 1024)
    claim(not wrong, f"{count} runs, 16 at a time ({seconds:.1f} s), gave their output and code {wrong[:2] or ''}")
    claim(not grew({**before, "pss_kb": warm["pss_kb"]}, after, 1024), f"the daemon did not grow: fresh {before}, after 128 {warm}, after all {after}")
    claim(not hull(daemon, "ps", "-aq").stdout, "no container is left of them")
    nothing_unknown(daemon, "after the runs")


def execs(daemon, count):
    hull(daemon, "run", "-d", "--name", "soak-exec", "--network", "none", "busybox", "sleep", "100000")
    pid = int(hull(daemon, "inspect", "-f", "{{.State.Pid}}", "soak-exec").stdout)
    shim = int(re.search(r"^PPid:\s+(\d+)", open(f"/proc/{pid}/status").read(), re.M)[1])
    before, shim_before = usage(daemon.pid()), usage(shim)
    one = lambda i: hull(daemon, "exec", "soak-exec", "sh", "-c", f"exit {i % 7}").returncode == i % 7 or i
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(min(count, 1500))))  # as many as are kept for inspect
        warm = settled_usage(daemon.pid(), {**before, "pss_kb": 1 << 30}, 0)
        begin = time.monotonic()
        wrong = [r for r in pool.map(one, range(count)) if r is not True]
    seconds = time.monotonic() - begin
    bound = {**before, "pss_kb": warm["pss_kb"]}
    after, shim_after = settled_usage(daemon.pid(), bound, 1024), settled_usage(shim, shim_before, 256)
    claim(not wrong, f"{count} execs, 8 at a time ({seconds:.1f} s), returned their code {wrong[:2] or ''}")
    claim(not grew(bound, after, 1024), f"the daemon did not grow: before {before}, warm {warm}, after {after}")
    claim(not grew(shim_before, shim_after, 256), f"the shim did not grow: {shim_before} -> {shim_after}")
    inside = hull(daemon, "exec", "soak-exec", "ps", "-o", "comm").stdout.split()
    claim(sorted(inside) == ["COMMAND", "ps", "sleep"], f"no process of them is left inside {inside if len(inside) > 3 else ''}")
    hull(daemon, "rm", "-f", "soak-exec")
    nothing_unknown(daemon, "after the execs")


class Load(threading.Thread):
    """One client that uses the daemon while it is killed, and remembers what it was promised."""

    def __init__(self, daemon, number, gate, archive):
        super().__init__()
        self.daemon, self.number, self.gate, self.archive = daemon, number, gate, archive
        self.codes = {}  # name -> exit code of containers that must be there
        self.removed, self.images, self.broken = set(), set(), []
        self.stop, self.acknowledged = False, 0

    def run(self):
        serial = 0
        while not self.stop:
            with self.gate:  # closed while the books are checked
                serial += 1
                self.step(serial, random.choice((self.detached, self.detached, self.attached, self.renamed, self.gone, self.tagged, self.loaded, self.execed)))

    def step(self, serial, action):
        try:
            action(f"w{self.number}-{serial}", serial % 100)
        except Exception as error:
            self.broken.append(repr(error))

    def ok(self, *arguments):
        done = hull(self.daemon, *arguments)
        self.acknowledged += done.returncode == 0
        return done.returncode == 0

    def detached(self, name, code):
        if self.ok("run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", f"echo {name}; exit {code}"):
            self.codes[name] = code
            return True

    def attached(self, name, code):
        done = hull(self.daemon, "run", "--rm", "--name", name, "--network", "none", "busybox", "sh", "-c", f"echo {name}; exit {code}")
        if done.returncode not in (code, 125, 1) or done.returncode == code and not done.stderr and done.stdout != name + "\n":
            self.broken.append(f"run --rm gave {done}")

    def renamed(self, name, code):
        if self.detached(name, code):
            del self.codes[name]
            if self.ok("rename", name, name + "-new"):
                self.codes[name + "-new"] = code

    def gone(self, name, code):
        if self.detached(name, code):
            del self.codes[name]
            if self.ok("rm", "-f", name):
                self.removed.add(name)

    def tagged(self, name, code):
        if self.ok("tag", "busybox", f"soak:{name}"):
            self.images.add(f"soak:{name}")

    def loaded(self, name, code):
        if self.ok("load", "-q", "-i", self.archive):
            self.images.add("loaded:latest")
            self.ok("rmi", "-f", f"soak:nothing-{name}")

    def execed(self, name, code):
        done = hull(self.daemon, "exec", "ticker", "sh", "-c", f"echo {name}; exit {code}")
        if done.returncode == code and not done.stderr and done.stdout != name + "\n":
            self.broken.append(f"exec gave {done}")

    def lost(self):
        """What was promised and is not so."""
        rows = hull(self.daemon, "ps", "-a", "--no-trunc", "--format", "{{.Names}}").stdout.split()
        lost = [f"{n} is back" for n in self.removed if n in rows]
        images = set(hull(self.daemon, "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())
        lost += [f"image {i}" for i in self.images - images]
        deadline = time.monotonic() + 20
        for name, code in self.codes.items():
            state = None
            while state != ["exited", str(code)] and (state is None or time.monotonic() < deadline):
                state = hull(self.daemon, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", name).stdout.split()
            said = hull(self.daemon, "logs", name).stdout
            if state != ["exited", str(code)] or said != name.removesuffix("-new") + "\n":
                lost.append(f"{name}: {state} instead of exited {code}, said {said!r}")
        return lost + self.broken

    def forget(self):
        names = list(self.codes)
        for at in range(0, len(names), 50):
            hull(self.daemon, "rm", "-f", *names[at:at + 50])
        self.codes, self.removed, self.broken = {}, set(), []


def check_books(daemon, workers, ticker, last_line, kills):
    lost = [x for w in workers for x in w.lost()]
    claim(not lost, f"after {kills} kills: {sum(w.acknowledged for w in workers)} acknowledged requests hold {lost[:3] or ''}")
    for worker in workers:
        worker.forget()
    claim(os.path.exists(f"/proc/{ticker}"), "a container that ran before the first kill still runs")
    lines = hull(daemon, "logs", "ticker").stdout.split()
    claim(lines == [str(i + 1) for i in range(len(lines))] and len(lines) > last_line, f"its {len(lines)} log lines have no gap")
    nothing_unknown(daemon, f"after {kills} kills")
    return len(lines)


def crashes(daemon, count, workers_count=4):
    fixtures.make_busybox(daemon.root + "/loaded.tar", "loaded:latest", marker=b"another layer\n")
    hull(daemon, "run", "-d", "--name", "ticker", "--network", "none", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")
    ticker = int(hull(daemon, "inspect", "-f", "{{.State.Pid}}", "ticker").stdout)
    gates = [threading.Lock() for _ in range(workers_count)]
    workers = [Load(daemon, i, gates[i], daemon.root + "/loaded.tar") for i in range(workers_count)]
    for worker in workers:
        worker.start()
    last_line, slowest_start = 0, 0
    for kill in range(1, count + 1):
        time.sleep(random.choice((random.uniform(0, 0.05), random.uniform(0.05, 0.8))))
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
        begin = time.monotonic()
        daemon.start()
        slowest_start = max(slowest_start, time.monotonic() - begin)
        if kill % 20 == 0 or kill == count:
            for gate in gates:
                gate.acquire()
            last_line = check_books(daemon, workers, ticker, last_line, kill)
            for gate in gates:
                gate.release()
    for worker in workers:
        worker.stop = True
    for worker in workers:
        worker.join()
    print(f"     slowest restart {slowest_start * 1000:.0f} ms")
    while ids := hull(daemon, "ps", "-aq").stdout.split():
        done = hull(daemon, "rm", "-f", *ids[:50])
        if done.returncode:
            claim(False, f"every container can be removed: {done.stderr.strip()}")
            break
    names = [i for w in workers for i in w.images]
    hull(daemon, "rmi", "-f", *names)
    claim(not hull(daemon, "ps", "-aq").stdout, "every container can be removed")
    nothing_unknown(daemon, "when all are removed")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    for name in ("runs", "execs", "crashes"):
        parser.add_argument("--" + name, type=int, default=0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="of the random moments, printed")
    options = parser.parse_args()
    random.seed(options.seed)
    print(f"     seed {options.seed}")
    daemon = Daemon("hull", pathlib.Path(options.bin).resolve(), ["--cgroup-parent", "/" + CGROUP_PARENT])
    try:
        fixtures.make_busybox(daemon.root + "/busybox.tar")
        hull(daemon, "load", "-q", "-i", daemon.root + "/busybox.tar")
        if options.runs:
            runs(daemon, options.runs)
        if options.execs:
            execs(daemon, options.execs)
        if options.crashes:
            crashes(daemon, options.crashes)
        failed_log = daemon.log_tail() if failures else ""
    finally:
        left = daemon.close()
    left += [f"cgroup {c}" for c in cgroups()] + [f"loop device {d}" for d in loop_devices(daemon.root)] + [f"mount {m}" for m in mounts_of("self", daemon.root)]
    remove_cgroups()
    claim(not left, f"nothing is left after the daemon stopped {left[:4] or ''}")
    if failed_log:
        print("the daemon's last words:\n" + failed_log)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
