#!/usr/bin/env python3
"""The disk of a private hulld is full: full_disk.py [--bin DIR].

The data root is a small ext4 in a file. While it is full, what needs space fails and says so, everything else goes on, also over a
kill -9; when there is space again everything works and nothing half-made is left. Prints one line per claim, ends with status 1
when one failed."""
import argparse, os, pathlib, re, signal, subprocess, sys, tarfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fixtures, soak
from run import Daemon, ROOT
from soak import claim, hull

MEGABYTE = 1 << 20


def mount_small_disk(root):
    os.mkdir(root + "/data")
    with open(root + "/disk", "wb") as disk:
        disk.truncate(40 * MEGABYTE)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "4000", root + "/disk"], check=True)
    subprocess.run(["mount", "-o", "loop", root + "/disk", root + "/data"], check=True)


def fill(path, keep_bytes=0):
    """A file that takes all that is left, but for `keep_bytes`."""
    left = os.statvfs(path).f_bavail * os.statvfs(path).f_frsize - keep_bytes
    with open(path + "/filler", "ab", buffering=0) as filler:
        for size in (MEGABYTE, 4096, 1):
            try:
                while keep_bytes == 0 or left >= size > 1:
                    left -= filler.write(b"x" * size)
            except OSError:
                pass
        os.fsync(filler.fileno())


def says_what_was_full(done):
    text = done.stderr + done.stdout
    return done.returncode != 0 and re.search(r"(no space left|full)", text, re.I) and re.search(r"\d+ (bytes|KiB)( are)? (needed|free|left)|needs (about|up to) \d+", text) and text.strip().count("\n") < 3


def state(daemon, name):
    return hull(daemon, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name).stdout.strip()


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Registry:
    """Holds an image of 5 MB as `good:1`."""

    def __init__(self, root):
        port = root + "/registry.port"
        self.process = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).resolve().parent / "fault_registry.py"), port, root + "/registry.log"])
        if not wait_for(lambda: os.path.exists(port) and os.path.getsize(port)):
            self.close()
            raise RuntimeError("the registry does not start")
        self.image = f"localhost:{open(port).read().strip()}/good:1"

    def close(self):
        self.process.kill()
        self.process.wait()


def while_full(daemon, data, image):
    for verb, arguments in (("load", ("load", "-i", daemon.root + "/big.tar")), ("import", ("import", daemon.root + "/plain.tar", "imported:x")), ("pull", ("pull", "-q", image))):
        done = hull(daemon, *arguments)
        claim(says_what_was_full(done), f"{verb} on a full disk says what is full and how much it needed: {(done.stderr + done.stdout).strip()[:300]}")
    claim(not os.listdir(data + "/staging"), "nothing of them is left in staging")
    for verb in ("create", "run"):
        done = hull(daemon, verb, *(["--rm"] if verb == "run" else []), "--name", "new-" + verb, "--network", "none", "busybox", "true")
        claim(done.returncode == 0 or says_what_was_full(done), f"{verb} works or says what is full: {done.returncode} {done.stderr.strip()[:300]}")
        if done.returncode:
            claim(hull(daemon, "inspect", "new-" + verb).returncode == 1, f"nothing is left of a failed {verb}")
        hull(daemon, "rm", "-f", "new-" + verb)
    fill(data)
    claim(hull(daemon, "exec", "keeper", "echo", "inside").stdout == "inside\n", "exec works")
    claim(hull(daemon, "exec", "keeper", "sh", "-c", "dd if=/dev/zero of=/file bs=1M count=8; code=$?; rm /file; exit $code").returncode == 1, "a container that writes to its root is told by its own system call")
    claim(hull(daemon, "logs", "--tail", "1", "keeper").stdout.startswith("tick"), "logs works")
    claim("keeper" in hull(daemon, "ps").stdout and "busybox" in hull(daemon, "images").stdout, "ps and images work")
    subprocess.run(["touch", daemon.root + "/go"], check=True)
    claim(wait_for(lambda: state(daemon, "ends") == "exited 7"), f"a container that ends keeps its exit code: {state(daemon, 'ends')}")
    claim(wait_for(lambda: hull(daemon, "inspect", "ends-rm").returncode == 1), "a --rm container that ends goes")
    done = hull(daemon, "stop", "-t", "0", "stopped")
    claim(done.returncode == 0 and state(daemon, "stopped") == "exited 137", f"stop works: {done.stderr.strip()}")
    done = hull(daemon, "start", "stopped")
    claim(done.returncode == 0 and state(daemon, "stopped") == "running 0" or says_what_was_full(done), f"start works or says what is full: {done.stderr.strip()[:300]}")
    hull(daemon, "stop", "-t", "0", "stopped")
    done = hull(daemon, "rename", "keeper", "kept")
    claim(done.returncode == 0 or says_what_was_full(done), f"rename works or says what is full: {done.stderr.strip()[:300]}")
    if done.returncode == 0:
        hull(daemon, "rename", "kept", "keeper")


def kill_and_restart(daemon):
    os.kill(daemon.process.pid, signal.SIGKILL)
    daemon.process.wait()
    daemon.start()
    claim(state(daemon, "keeper") == "running 0" and state(daemon, "ends") == "exited 7", f"a daemon killed on a full disk comes back and knows everything: {state(daemon, 'keeper')}, {state(daemon, 'ends')}")


def end(daemon, data):
    """Of the daemon and its disk; the log's last lines."""
    log = daemon.log_tail()
    subprocess.run("hull ps -aq | xargs -r hull rm -f", shell=True, env=daemon.env, capture_output=True)
    os.kill(daemon.process.pid, signal.SIGTERM)
    daemon.process.wait()
    claim(subprocess.run(["umount", data]).returncode == 0, "the disk can be unmounted: nothing holds it")
    daemon.close()
    soak.remove_cgroups()
    return log


def verdict(log):
    if soak.failures:
        print("the daemon's last words:\n" + log)
    return 1 if soak.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    options = parser.parse_args()
    daemon = Daemon("hull", pathlib.Path(options.bin).resolve(), ["--cgroup-parent", "/" + soak.CGROUP_PARENT], mount_small_disk)
    data = daemon.root + "/data"
    registry = Registry(daemon.root)
    try:
        fixtures.make_busybox(daemon.root + "/busybox.tar")
        fixtures.make_busybox(daemon.root + "/big.tar", "big:latest", marker=os.urandom(12 * MEGABYTE))
        with tarfile.open(daemon.root + "/plain.tar", "w") as tar:
            fixtures.add(tar, "random", os.urandom(12 * MEGABYTE))
        hull(daemon, "load", "-q", "-i", daemon.root + "/busybox.tar")
        run = ("run", "-d", "--network", "none", "-v", daemon.root + ":/host")
        until_go = "until [ -e /host/go ]; do sleep 0.05; done"
        hull(daemon, *run, "--name", "keeper", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.05; done")
        hull(daemon, *run, "--name", "stopped", "busybox", "sleep", "1000")
        hull(daemon, *run, "--name", "ends", "busybox", "sh", "-c", until_go + "; exit 7")
        hull(daemon, *run, "--rm", "--name", "ends-rm", "busybox", "sh", "-c", until_go)
        wait_for(lambda: "tick" in hull(daemon, "logs", "keeper").stdout)
        fill(data, 6 * MEGABYTE)
        done = hull(daemon, "load", "-i", daemon.root + "/big.tar")
        claim(says_what_was_full(done), f"load of what does not fit says how much it needs: {(done.stderr + done.stdout).strip()[:300]}")
        done = hull(daemon, "pull", "-q", registry.image)
        claim(says_what_was_full(done), f"pull of what does not fit says how much it needs: {(done.stderr + done.stdout).strip()[:300]}")
        fill(data)
        while_full(daemon, data, registry.image)
        fill(data)
        kill_and_restart(daemon)
        done = hull(daemon, "rm", "stopped", "ends")
        claim(done.returncode == 0, f"rm works on a full disk: {done.stderr.strip()[:300]}")
        os.unlink(data + "/filler")
        claim(hull(daemon, "load", "-q", "-i", daemon.root + "/big.tar").returncode == 0, "with space again, load works")
        claim(hull(daemon, "run", "--rm", "--network", "none", "big", "echo", "hi").stdout == "hi\n", "and run does")
        last = hull(daemon, "logs", "--tail", "1", "keeper").stdout
        claim(wait_for(lambda: hull(daemon, "logs", "--tail", "1", "keeper").stdout > last or hull(daemon, "logs", "--tail", "1", "keeper").stdout != last), "and the log goes on")
        hull(daemon, "rm", "-f", "keeper", "stopped", "ends")
        claim(hull(daemon, "rmi", "big").returncode == 0, "rmi works")
        done = hull(daemon, "pull", "-q", registry.image)
        claim(done.returncode == 0, f"and pull: {done.stderr.strip()[:300]}")
        claim(hull(daemon, "run", "--rm", "--network", "none", registry.image, "/bin/busybox", "cat", "/repo").stdout == "good\n", "and what it brought is whole")
        hull(daemon, "rmi", registry.image)
        registry.close()
        claim(not hull(daemon, "ps", "-aq").stdout, "every container can be removed")
        soak.nothing_unknown(daemon, "in the end")
    finally:
        registry.close()
        log = end(daemon, data)
    return verdict(log)


if __name__ == "__main__":
    sys.exit(main())
