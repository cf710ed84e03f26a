#!/usr/bin/env python3
"""Bad days on purpose, on a private hulld: soak.py [--bin DIR] [--runs N] [--execs N] [--crashes N].

runs: that many `run --rm`, 16 at a time; each must give its output and code.
execs: that many execs in one container; the daemon and the shim must not grow in descriptors, threads or memory.
crashes: the daemon is killed (kill -9) at a random moment under load, that often; what was acknowledged must still be there:
names, exit codes, log lines, images; and nothing stays mounted or running that no record knows.
Prints one line per claim, ends with status 1 when one failed."""
import argparse, concurrent.futures, json, os, pathlib, random, re, signal, subprocess, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fixtures
from run import Daemon, ROOT, leftovers, mounts_under

failures = 0


def claim(holds, text):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'} {text}", flush=True)


def hull(daemon, *arguments, timeout=120):
    return subprocess.run(["hull", *arguments], env=daemon.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def usage(pid):
    status = open(f"/proc/{pid}/status").read()
    field = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1])
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": field("Threads"), "rss_kb": field("VmRSS")}


def grew(before, after, kb):
    return after["descriptors"] > before["descriptors"] + 8 or after["threads"] > before["threads"] + 8 or after["rss_kb"] > before["rss_kb"] + kb


def runs(daemon, count):
    def one(i):
        done = hull(daemon, "run", "--rm", "--network", "none", "busybox", "sh", "-c", f"echo {i}; exit {i % 50}")
        return done.stdout == f"{i}\n" and done.returncode == i % 50 or f"{i}: {done}"
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))
        before = usage(daemon.pid())
        wrong = [r for r in pool.map(one, range(count)) if r is not True]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (hull(daemon, "ps", "-aq").stdout or mounts_under(daemon.root)):
        time.sleep(0.05)
    after = usage(daemon.pid())
    claim(not wrong, f"{count} runs, 16 at a time, gave their output and code {wrong[:2] or ''}")
    claim(not grew(before, after, 4096), f"the daemon did not grow over {count} runs: {before} -> {after}")
    claim(not hull(daemon, "ps", "-aq").stdout, "no container is left of them")


def execs(daemon, count):
    hull(daemon, "run", "-d", "--name", "soak-exec", "--network", "none", "busybox", "sleep", "100000")
    pid = int(hull(daemon, "inspect", "-f", "{{.State.Pid}}", "soak-exec").stdout)
    shim = int(re.search(r"^PPid:\s+(\d+)", open(f"/proc/{pid}/status").read(), re.M)[1])
    one = lambda i: hull(daemon, "exec", "soak-exec", "true").returncode
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(min(count, 200))))
        before, shim_before = usage(daemon.pid()), usage(shim)
        wrong = [r for r in pool.map(one, range(count)) if r]
    after, shim_after = usage(daemon.pid()), usage(shim)
    claim(not wrong, f"{count} execs returned 0 {wrong[:2] or ''}")
    claim(not grew(before, after, 8192), f"the daemon did not grow over {count} execs: {before} -> {after}")
    claim(not grew(shim_before, shim_after, 512), f"the shim did not grow over {count} execs: {shim_before} -> {shim_after}")
    hull(daemon, "rm", "-f", "soak-exec")


def crashes(daemon, count):
    acknowledged, stop, lock = {}, threading.Event(), threading.Lock()
    hull(daemon, "run", "-d", "--name", "ticker", "--network", "none", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")
    ticker = int(hull(daemon, "inspect", "-f", "{{.State.Pid}}", "ticker").stdout)

    def load(worker):
        serial = 0
        while not stop.is_set():
            serial += 1
            name = f"w{worker}-{serial}"
            if hull(daemon, "run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", f"echo {name}; exit {serial % 100}").returncode == 0:
                with lock:
                    acknowledged[name] = serial % 100
            hull(daemon, "run", "--rm", "--network", "none", "busybox", "true")
            hull(daemon, "tag", "busybox", f"soak:{name}")
    workers = [threading.Thread(target=load, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(count):
        time.sleep(random.uniform(0.05, 0.8))
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
        daemon.start()
    stop.set()
    for worker in workers:
        worker.join()
    deadline, lost = time.monotonic() + 20, []
    for name, code in acknowledged.items():
        state = None
        while time.monotonic() < deadline and state != ["exited", str(code)]:
            state = hull(daemon, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name).stdout.split()
        if state != ["exited", str(code)] or hull(daemon, "logs", name).stdout != name + "\n":
            lost.append((name, state, code))
    claim(not lost, f"{len(acknowledged)} acknowledged containers kept name, exit code and log over {count} kills {lost[:3] or ''}")
    claim(os.path.exists(f"/proc/{ticker}"), "a container that ran before the first kill still runs")
    lines = hull(daemon, "logs", "ticker").stdout.split()
    claim(lines == [str(i + 1) for i in range(len(lines))] and len(lines) > 10, f"its {len(lines)} log lines have no gap")
    claim(hull(daemon, "images", "-q", "busybox").stdout.strip() != "", "the image is there")
    ids = hull(daemon, "ps", "-aq").stdout.split()
    for at in range(0, len(ids), 50):
        hull(daemon, "rm", "-f", *ids[at:at + 50])
    claim(not hull(daemon, "ps", "-aq").stdout, "every container can be removed")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and len(known := records(daemon)) > 0:
        time.sleep(0.1)
    claim(not known, f"no bundle, runtime directory or cgroup is left that no record knows {known[:4] or ''}")


def records(daemon):
    left = []
    for where in ("data/containers", "exec/containers"):
        path = f"{daemon.root}/{where}"
        left += [f"{where}/{n}" for n in os.listdir(path)] if os.path.isdir(path) else []
    left += [f for f in leftovers(daemon.root) if "hulld" not in f]
    return left


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    for name in ("runs", "execs", "crashes"):
        parser.add_argument("--" + name, type=int, default=0)
    options = parser.parse_args()
    daemon = Daemon("hull", pathlib.Path(options.bin).resolve())
    try:
        fixtures.make_busybox(daemon.root + "/busybox.tar")
        hull(daemon, "load", "-q", "-i", daemon.root + "/busybox.tar")
        if options.runs:
            runs(daemon, options.runs)
        if options.execs:
            execs(daemon, options.execs)
        if options.crashes:
            crashes(daemon, options.crashes)
    finally:
        left = daemon.close()
    claim(not left, f"nothing is left after the daemon stopped {left[:4] or ''}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
