#!/usr/bin/env python3
"""Builds on a full disk: full_disk_build.py [--bin DIR].

The data root is a small ext4 in a file. A build that needs more than there is fails at the step that needs it, says what was full, and
leaves nothing half-made; when there is space again the next build goes on from the last good step. Prints one line per claim, ends
with status 1 when one failed."""
import argparse, os, pathlib, re, signal, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fixtures, soak
from full_disk import end, fill, mount_small_disk, verdict, MEGABYTE
from run import Daemon, ROOT
from soak import claim, hull


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def build(daemon, *arguments):
    return hull(daemon, "build", "--network", "none", "-t", "built", *arguments)


def cached(done):
    return done.stdout.count("Using cache")


def nothing_is_left(daemon, data, what):
    left = [f"{kind}/{name}" for kind in ("staging", "build/contexts", "build/temporary", "build/mounts") for name in os.listdir(f"{data}/{kind}")]
    containers = hull(daemon, "ps", "-aq").stdout.split()
    claim(not left and not containers, f"after {what} nothing half-made is left: {left} {containers}")


def fails_as_full(done, what):
    text = done.stdout + done.stderr
    claim(done.returncode != 0 and re.search(r"no space left|disk.*full|full.*disk", text, re.I), f"{what} fails and says that the disk is full: {done.returncode} {text.strip()[-300:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    options = parser.parse_args()
    daemon = Daemon("hull", pathlib.Path(options.bin).resolve(), ["--cgroup-parent", "/" + soak.CGROUP_PARENT], mount_small_disk)
    data, context = daemon.root + "/data", daemon.root + "/c"
    try:
        fixtures.make_busybox(daemon.root + "/busybox.tar")
        claim(hull(daemon, "load", "-q", "-i", daemon.root + "/busybox.tar").returncode == 0, "an image is loaded")
        os.mkdir(context)
        write(context + "/f", "small\n")
        with open(context + "/big", "wb") as big:
            big.write(os.urandom(12 * MEGABYTE))
        good = "FROM busybox\nCOPY f /f\nRUN echo ran >/ran\n"
        cases = {
            "a RUN that writes more than there is": "RUN dd if=/dev/urandom of=/much bs=1M count=60\n",
            "a RUN whose files fit and whose layer does not": "RUN head -c 14000000 /dev/urandom >/much\n",
            "a COPY of a large file": "COPY big /big\n",
            "an ADD of a large file": "ADD big /big\n",
        }
        fill(data, keep_bytes=18 * MEGABYTE)
        for what, step in cases.items():
            write(context + "/Dockerfile", good + step)
            done = build(daemon, context)
            fails_as_full(done, what)
            nothing_is_left(daemon, data, what)
            write(context + "/Dockerfile", good)
            done = build(daemon, context)
            claim(done.returncode == 0 and cached(done) == 2, f"the steps before it are in the cache: {done.returncode} {cached(done)} {done.stderr.strip()[-200:]}")
        with open(context + "/Dockerfile", "a") as file:
            file.write("COPY big /big\n")
        archive = subprocess.run(["tar", "-c", "-C", context, "."], capture_output=True, check=True).stdout
        fill(data, keep_bytes=8 * MEGABYTE)
        done = subprocess.run([str(pathlib.Path(options.bin) / "hull"), "build", "--network", "none", "-"], env=daemon.env, input=archive, capture_output=True)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        fails_as_full(done, "a context that does not fit")
        nothing_is_left(daemon, data, "a context that does not fit")

        # Not a byte is left: also the records cannot be written.
        fill(data)
        write(context + "/Dockerfile", good + "RUN echo more >/more\n")
        done = build(daemon, context)
        claim(done.returncode == 0 or "space" in done.stdout + done.stderr, f"on a disk without a byte a build works or says why not: {done.returncode} {(done.stdout + done.stderr).strip()[-300:]}")
        nothing_is_left(daemon, data, "a disk without a byte")
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
        daemon.start()
        claim("busybox" in hull(daemon, "images").stdout, "a daemon killed meanwhile comes back")
        os.unlink(data + "/filler")

        write(context + "/Dockerfile", good + "RUN echo more >/more\nCOPY f /last\n")
        done = build(daemon, context)
        claim(done.returncode == 0 and cached(done) >= 2, f"with space again the build goes on from the last good step: {done.returncode} {cached(done)} {done.stderr.strip()[-300:]}")
        done = hull(daemon, "run", "--rm", "--network", "none", "built", "cat", "/f", "/ran", "/more", "/last")
        claim(done.stdout == "small\nran\nmore\nsmall\n", f"and what it makes is whole: {done.stdout!r} {done.stderr.strip()[:200]}")
        done = hull(daemon, "system", "fsck", "--verify")
        faults = [line for line in (done.stdout + done.stderr).splitlines() if re.match(r"[a-z-]+: ", line) and "lost+found" not in line]
        claim(done.returncode in (0, 4) and not faults, f"fsck finds nothing: {done.returncode} {faults}")
    finally:
        log = end(daemon, data)
    return verdict(log)


if __name__ == "__main__":
    sys.exit(main())
