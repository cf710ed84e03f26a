#!/usr/bin/env python3
"""Builds the same Dockerfiles with hull and with Docker, runs what came out, and compares every file.

Each case is a directory beside this file: a Dockerfile and its context; `run`, a shell script that runs in the image (its output must
be the same and end with "ok"); `ignore`, regular expressions of paths whose content is random or dated by its maker, with the reason.
All but `small` are made of Debian packages: hull fetches them through its bridge and NAT, Docker with the machine's own network.
Root only. Usage: compare.py [--bin DIR] [--scratch DIR] [CASE...]   (all cases when none is named)"""
import argparse, hashlib, os, pathlib, re, shutil, signal, subprocess, sys, tarfile, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
sys.path.insert(0, str(HERE.parents[1]))
import fixtures


class Engine:
    def __init__(self, name, binaries, scratch, flags):
        self.name, self.root = name, tempfile.mkdtemp(prefix=f"compare-{name}-", dir=scratch)
        program, self.cli = {"hull": (binaries / "hulld", str(binaries / "hull")), "docker": ("/usr/sbin/dockerd", "docker")}[name]
        self.env = {**os.environ, "DOCKER_HOST": f"unix://{self.root}/sock", "DOCKER_CONFIG": self.root + "/cli", "DOCKER_BUILDKIT": "0"}
        self.process = subprocess.Popen([program, "--data-root", self.root + "/data", "--exec-root", self.root + "/exec", "-H", f"unix://{self.root}/sock", "--pidfile",
                                         self.root + "/pid", *flags], stdin=subprocess.DEVNULL, stdout=open(self.root + "/log", "w"), stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while subprocess.run([self.cli, "version"], env=self.env, capture_output=True).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = open(self.root + "/log").read()[-2000:]
                self.close()
                sys.exit(f"{name}: the daemon did not come up\n" + log)
            time.sleep(0.05)

    def call(self, *words, **more):
        done = subprocess.run([self.cli, *words], env=self.env, capture_output=True, stdin=subprocess.DEVNULL, **more)
        if done.returncode:
            raise RuntimeError(f"{self.name} {' '.join(words)}: {done.stdout.decode(errors='replace')[-3000:]}{done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout.decode(errors="replace")

    def files(self, image):
        """What each path of the image is: kind, mode, owner, target, digest of the content."""
        container = self.call("create", image, "x").strip()
        process = subprocess.Popen([self.cli, "export", container], env=self.env, stdout=subprocess.PIPE)
        found = {}
        with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
            for entry in tar:
                content = hashlib.sha256(tar.extractfile(entry).read()).hexdigest() if entry.isreg() else ""
                link = "" if entry.islnk() else entry.linkname
                xattrs = {k: v for k, v in entry.pax_headers.items() if k.startswith("SCHILY.xattr.")}
                kind = tarfile.REGTYPE if entry.islnk() else entry.type
                found["/" + entry.name.strip("./").rstrip("/")] = (kind, "" if entry.issym() else oct(entry.mode & 0o7777), entry.uid, entry.gid, link, entry.devmajor, entry.devminor, tuple(xattrs.items()), content)
                if entry.islnk():
                    target = found.get("/" + entry.linkname.strip("./"))
                    found["/" + entry.name.strip("./").rstrip("/")] = target
        process.wait()
        self.call("rm", "-f", container)
        return found

    def close(self):
        subprocess.run(f"{self.cli} ps -aq | xargs -r {self.cli} rm -f", shell=True, env=self.env, capture_output=True)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for line in reversed(open("/proc/self/mounts").read().splitlines()):
            if line.split()[1].startswith(self.root + "/"):
                subprocess.run(["umount", "-l", line.split()[1]])
        shutil.rmtree(self.root, ignore_errors=True)


# What engines put into a container themselves.
ENGINE_FILES = re.compile(r"^(/\.dockerenv|/(dev|proc|sys)(/.*)?|/etc/(hostname|hosts|resolv\.conf|mtab)|)$")


def read_ignored(case):
    path = HERE / case / "ignore"
    lines = path.read_text().splitlines() if path.exists() else []
    return re.compile("|".join(f"(?:{line.split('  #')[0].strip()})$" for line in lines if line.strip() and not line.startswith("#")) or "(?!)")


def compare(case, engines, base):
    """What differs, as lines of text."""
    images, said = {}, {}
    for engine in engines:
        begin = time.monotonic()
        network = [] if case == "small" else ["--network", "host" if engine.name == "docker" else "default"]
        engine.call("build", *(["--network", "none"] if case == "small" else network), "-t", case, "--build-arg", "BASE=" + base, str(HERE / case), timeout=3600)
        seconds = time.monotonic() - begin
        script = (HERE / case / "run").read_text()
        words = script.splitlines()[0].lstrip("# ").split() if script.startswith("# ") else ["sh", "-c", script]
        said[engine.name] = engine.call("run", "--rm", "--network", "none", case, *words, timeout=600)
        images[engine.name] = engine.files(case)
        print(f"  {engine.name}: built in {seconds:.0f} s, {len(images[engine.name])} files", flush=True)
    hull, docker = images["hull"], images["docker"]
    ignored, differences = read_ignored(case), []
    if said["hull"] != said["docker"] or not said["hull"].rstrip().endswith("ok"):
        differences.append(f"run: hull says {said['hull']!r}, docker {said['docker']!r}")
    skipped = 0
    for path in sorted({*hull, *docker}):
        if ENGINE_FILES.match(path):
            continue
        mine, theirs = hull.get(path), docker.get(path)
        if mine == theirs:
            continue
        # Of what its maker dates or draws, all but the content must be the same.
        if mine and theirs and ignored.match(path) and mine[:-1] == theirs[:-1] or ignored.match(path) and not (mine and theirs):
            skipped += 1
            continue
        differences.append(f"{path}: hull {mine}, docker {theirs}")
    print(f"  {len(differences)} differences, {skipped} files whose content is not comparable", flush=True)
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=ROOT / "build/release/bin", type=pathlib.Path)
    parser.add_argument("--scratch", default="/var/tmp")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    cases = options.cases or sorted(p.parent.name for p in HERE.glob("*/Dockerfile"))
    scratch = tempfile.mkdtemp(prefix="hull-compare-", dir=options.scratch)
    engines, failed = [], 0
    try:
        engines.append(Engine("hull", options.bin.resolve(), scratch, []))
        engines.append(Engine("docker", options.bin.resolve(), scratch, ["--bridge=none", "--iptables=false", "--ip6tables=false"]))
        archive = scratch + "/busybox.tar"
        fixtures.make_busybox(archive)
        for engine in engines:
            engine.call("load", "-q", "-i", archive)
        if set(cases) - {"small"}:
            print("making a Debian base with mmdebstrap", flush=True)
            subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", "bookworm", scratch + "/base.tar"], check=True)
            for engine in engines:
                engine.call("import", "-c", 'CMD ["bash"]', scratch + "/base.tar", "debian:compare")
        for case in cases:
            print(case, flush=True)
            try:
                differences = compare(case, engines, "busybox" if case == "small" else "debian:compare")
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                differences = [str(error)]
            for line in differences[:50]:
                print("  " + line)
            failed += bool(differences)
    finally:
        for engine in engines:
            engine.close()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{len(cases) - failed} of {len(cases)} cases are equal")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
