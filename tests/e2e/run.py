#!/usr/bin/env python3
"""Runs the end-to-end scripts (*.test) against hull, the docker CLI on hulld, or real Docker.

A script is a list of commands a user could type, each with what it must do:

    # What this script claims (first line).
    needs: cgroup2 hull            skip unless all hold: root cgroup1 cgroup2 hull (daemon is hulld) hull-cli docker-cli
                                   systemd no-systemd apparmor program:NAME (it is installed)
                                   peer:NAME (tools/peers.sh could fetch it; $PEERS/NAME is where it lies)
                                   npm:PACKAGE@VERSION (it can be installed; NODE_PATH leads there)
                                   names (containers find each other by name)
                                   world (the Debian mirror can be reached) sctp (the kernel has it)
    $ hull run --rm $BUSYBOX echo hi
    hi                             standard output, line by line, exactly
    ~ ^[0-9a-f]{64}$               a line of standard output that matches
    ...                            any number of lines
    err ~ no such file             standard error matches somewhere
    exit 7                         exit status (0 when absent); several where engines differ
    GET /containers/json -> 200 [] an API call: status, and the body when given (~ REGEX: the body matches)

Without any output line, output is not compared. All commands of a script share one bash, so variables live on.
$NAME is a prefix of the script's own for container names; helpers (bash functions) are in helpers.sh.
Usage: run.py [--against hull|docker-cli|docker] [--bin DIR] [--accept] [--jobs N] [SCRIPT...]"""
import argparse, functools, hashlib, http.client, json, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ROOT / "build/peers"
# Sanitizer builds are several times slower.
COMMAND_SECONDS = 120 * int(os.environ.get("HULL_E2E_SLOW") or 1)


class Daemon:
    """A private daemon with its own data root, exec root and socket."""

    def __init__(self, kind, bin_dir, extra=(), prepare=lambda root: None):
        self.kind = kind
        self.root = tempfile.mkdtemp(prefix="hull-e2e-", dir=os.environ.get("HULL_E2E_TMP") or None)
        self.socket = self.root + "/sock"
        pid_file = self.root + "/pid"
        common = ["--data-root", self.root + "/data", "--exec-root", self.root + "/exec", "-H", "unix://" + self.socket, "--pidfile", pid_file]
        if kind == "docker":
            self.argv = ["/usr/sbin/dockerd", *common, "--live-restore"]
        else:
            self.argv = [str(bin_dir / "hulld"), *common, *extra]
        self.write_helper_environment(bin_dir)
        prepare(self.root)
        self.start()

    def write_helper_environment(self, bin_dir):
        path = self.root + "/bin"
        os.mkdir(path)
        cli = bin_dir / "hull" if self.kind == "hull" else docker_cli(self.kind)
        os.symlink(cli, path + "/hull")
        self.env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "DOCKER_HOST": "unix://" + self.socket, "DOCKER_CONFIG": self.root + "/cli",
                    "DAEMON_SOCKET": self.socket, "DAEMON_ROOT": self.root, "E2E": str(HERE), "HULL_BIN": str(bin_dir), "PEERS": str(PEERS), "LC_ALL": "C.UTF-8", "DOCKER_BUILDKIT": "0", "HULL_ERRORS": "plain",
                    "DAEMON_ARGV": " ".join(self.argv)}

    def start(self):
        with open(self.root + "/daemon.log", "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.request("GET", "/_ping")[0] == 200:
                    return
            except OSError:
                time.sleep(0.01)
        sys.exit("the daemon did not come up:\n" + self.log_tail())

    def log_tail(self):
        return "\n".join(open(self.root + "/daemon.log", errors="replace").read().splitlines()[-20:])

    def sanitizer_findings(self):
        """Of hull-transfer, whose sandbox has no place for report files; it shares the daemon's stderr."""
        log = open(self.root + "/daemon.log", errors="replace").read()
        return re.findall(r"^.*(?:ERROR: \w+Sanitizer|runtime error: ).*$", log, re.M)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(self.socket)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        return reply.status, reply.read().decode(errors="replace").strip()

    def load_busybox(self):
        subprocess.run(["hull", "load", "-q", "-i", self.env["BUSYBOX_TAR"]], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def has_busybox(self):
        try:
            return self.request("GET", "/images/busybox/json")[0] == 200
        except OSError:  # what became of the daemon is asked next
            return True

    def pid(self):
        try:
            return int(open(self.root + "/pid").read())
        except (OSError, ValueError):
            return self.process.pid

    def close(self):
        subprocess.run(["hull", "ps", "-aq"], env=self.env, capture_output=True, timeout=30)
        ids = subprocess.run("hull ps -aq | xargs -r hull rm -f", shell=True, env=self.env, capture_output=True, timeout=120)
        try:
            networks = json.loads(self.request("GET", "/networks")[1] or "[]") if self.kind != "docker" else []
        except OSError:  # a script has ended the daemon
            networks = []
        left = [f"network {n['Name']}" for n in networks if n["Name"] not in ("bridge", "host", "none")]
        for network in networks:
            self.request("DELETE", "/networks/" + network["Id"])
        pid = self.pid()
        try:
            os.kill(pid, signal.SIGTERM)
            for _ in range(1000):
                os.kill(pid, 0)
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
                time.sleep(0.01)
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        # The shims of containers that have just gone may still be tearing down.
        deadline = time.monotonic() + 10 * int(os.environ.get("HULL_E2E_SLOW") or 1)
        while (found := leftovers(self.root) + network_objects(self)) and time.monotonic() < deadline:
            time.sleep(0.05)
        left += found + self.sanitizer_findings()
        for mount in reversed(mounts_under(self.root)):
            subprocess.run(["umount", "-l", mount])
        shutil.rmtree(self.root, ignore_errors=True)
        return left if self.kind != "docker" else []


def enter_private_network():
    """Docker's rules belong to the machine: its daemon, the scripts and we live in a network namespace of our own."""
    if os.environ.get("HULL_E2E_NETWORK"):
        return
    os.environ["HULL_E2E_NETWORK"] = "private"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv])


def network_objects(daemon):
    """What a daemon that has removed all its containers and networks must not leave on the machine."""
    left = []
    links = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, text=True).stdout or "[]")
    suffix = hashlib.sha256((daemon.root + "/data").encode()).hexdigest()[:6]
    left += [f"interface {link['ifname']}" for link in links if link["ifname"] == "hull-" + suffix or link.get("master") == "hull-" + suffix]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout if shutil.which("nft") else ""
    left += [line for line in tables.splitlines() if line.endswith(" hull-" + suffix)]
    return left


def mounts_under(root):
    with open("/proc/self/mounts") as file:
        return [line.split()[1] for line in file if line.split()[1].startswith(root + "/")]


def leftovers(root):
    """What a daemon that removed all its containers must not leave: mounts and processes under its root."""
    left = [f"mount {m}" for m in mounts_under(root)]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline").read().replace("\0", " ")
        except OSError:
            continue
        if root in command and int(pid) != os.getpid() and "run.py" not in command:
            left.append(f"process {pid} {command.strip()}")
    return left


def docker_cli(kind):
    for path in (["/usr/bin/docker"] if kind == "docker" else []) + ["/usr/local/bin/docker", "/usr/bin/docker"]:
        if os.path.exists(path):
            return path
    sys.exit("no docker CLI is installed: apt-get install docker.io")


@functools.cache
def outside_facts():
    have = set()
    try:
        socket.create_connection(("deb.debian.org", 80), timeout=5).close()
        have.add("world")
    except OSError:
        pass
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
        have.add("sctp")
    except OSError:
        pass
    return have


def facts(against):
    have = {"root"} if os.geteuid() == 0 else set()
    have.add("systemd" if os.path.isdir("/run/systemd/system") else "no-systemd")
    have.add("cgroup2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "cgroup1")
    have |= outside_facts()
    if os.path.exists("/sys/kernel/security/apparmor/profiles"):
        have.add("apparmor")
    if against == "docker" or (ROOT / "build/release/bin/hull-names").exists():
        have.add("names")
    have |= {"hull": {"hull", "hull-cli"}, "docker-cli": {"hull", "docker-cli"}, "docker": {"docker", "docker-cli"}}[against]
    return have


def npm_module(package, daemon):
    """Whether the package could be installed for the scripts of this run; false without npm or its registry."""
    modules = daemon.root + "/npm"
    daemon.env["NODE_PATH"] = modules + "/node_modules"
    if os.path.isdir(f"{modules}/node_modules/{package.rsplit('@', 1)[0]}"):
        return True
    os.makedirs(modules, exist_ok=True)
    try:
        install = ["npm", "install", "--prefix", modules, "--silent", "--no-audit", "--no-fund", "--fetch-retries", "1", package]
        return subprocess.run(install, capture_output=True, timeout=COMMAND_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Step:
    def __init__(self, line, number):
        self.text, self.number, self.expect, self.actual_out = line, number, [], None


def parse(path):
    """(claim, needs, steps) of a script."""
    claim, needs, steps = "", [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("#"):
            claim = claim or line[1:].strip()
        elif line.startswith("needs:"):
            needs += line[6:].split()
        elif line.startswith("$ ") or re.match(r"(GET|POST|DELETE|HEAD|PUT) /", line):
            steps.append(Step(line, number))
        elif line.strip() and steps:
            steps[-1].expect.append(line)
    return claim, needs, steps


class Shell:
    """One bash that runs the commands of a script, each with its output in files."""

    def __init__(self, daemon, name):
        self.dir = tempfile.mkdtemp(prefix="script-", dir=daemon.root)
        self.mark = "HULL_E2E_SCRIPT=" + os.path.basename(self.dir)
        env = {**daemon.env, "NAME": name, "BUSYBOX": "busybox", "TMPDIR": self.dir, "HULL_E2E_SCRIPT": os.path.basename(self.dir), "HULL_E2E_AGAINST": daemon.kind}
        self.process = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.dir,
                                        env=env, text=True, start_new_session=True)
        self.run(f". {HERE}/helpers.sh")

    def run(self, command):
        out, err = self.dir + "/.out", self.dir + "/.err"
        try:
            self.process.stdin.write(f"{{ {command}\n}} >{out} 2>{err} </dev/null\necho \"@status $?\"\n")
            self.process.stdin.flush()
        except BrokenPipeError:  # an earlier command ended the shell or ran too long
            return None, "", ""
        timer = threading.Timer(COMMAND_SECONDS, lambda: os.killpg(self.process.pid, signal.SIGKILL))
        timer.start()
        status = None
        for line in self.process.stdout:
            if line.startswith("@status "):
                status = int(line.split()[1])
                break
        timer.cancel()
        read = lambda p: open(p, errors="replace").read() if os.path.exists(p) else ""
        return status, read(out), read(err)

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def undo(self):
        """What the script has left to at_end, the last one first."""
        try:
            commands = open(self.dir + "/at_end").read().splitlines()
        except OSError:
            return
        for command in reversed(commands):
            subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS)

    def clear(self):
        """Ends what a script that failed has left behind: daemons of its own, their containers, mounts."""
        for _ in range(20):  # a daemon's death starts a helper anew, a shim's one more
            pids = self.processes()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not pids:
                break
            time.sleep(0.05)
        for mount in reversed(mounts_under(self.dir)):
            subprocess.run(["umount", "-l", mount])

    def processes(self):
        """Those with the script's environment, those that work in its directory (shims), and their children (containers)."""
        parents, ours = {}, set()
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            try:
                parents[pid] = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
                if self.mark in open(f"/proc/{pid}/environ", errors="replace").read().split("\0") or self.dir in open(f"/proc/{pid}/cmdline", errors="replace").read():
                    ours.add(pid)
            except OSError:
                pass
        while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
            ours |= more
        return ours


def match_output(expected, actual):
    """True when the expected lines (literal, `~ regex`, `...`) describe the actual ones."""
    if not expected:
        return not actual
    first, rest = expected[0], expected[1:]
    if first == "...":
        return any(match_output(rest, actual[i:]) for i in range(len(actual) + 1))
    if not actual:
        return False
    hit = re.search(first[2:], actual[0]) if first.startswith("~ ") else first == actual[0]
    return bool(hit) and match_output(rest, actual[1:])


def check_command(step, shell):
    status, out, err = shell.run(step.text[2:])
    wanted, lines = [0], []
    if status is None:
        return f"ended the shell or ran longer than {COMMAND_SECONDS} s"
    for line in step.expect:
        if line.startswith("exit "):
            wanted = [int(code) for code in line[5:].split()]
        elif line.startswith("err ~ "):
            if not re.search(line[6:], err, re.M):
                return f"standard error does not match {line[6:]!r}:\n{err}"
        else:
            lines.append(line)
    step.actual_out = out.splitlines()
    if status not in wanted:
        return f"exit {status}, expected {' or '.join(map(str, wanted))}\n{out[-2000:]}{err[-2000:]}"
    if lines and not match_output(lines, step.actual_out):
        return f"standard output is\n{out[-3000:]}{err[-1000:]}"
    return None


def check_request(step, daemon, shell):
    call, _, expected = step.text.partition(" -> ")
    method, path = call.split(" ", 1)
    path, _, body = path.partition(" ")
    _, path, _ = shell.run(f'printf %s "{path}"') if "$" in path else (0, path, "")
    status, reply = daemon.request(method, path, body or None)
    wanted, _, text = expected.partition(" ")
    if status != int(wanted):
        return f"answered {status} {reply}"
    if text.startswith("~ ") and not re.search(text[2:], reply) or text and not text.startswith("~ ") and reply != text:
        return f"answered {reply}"
    return None


def run_script(path, daemon, against):
    claim, needs, steps = parse(path)
    have = facts(against)
    missing = [n for n in needs if n not in have and not (n.startswith("program:") and shutil.which(n[len("program:"):]))
               and not (n.startswith("peer:") and (PEERS / n[len("peer:"):]).is_dir())
               and not (n.startswith("npm:") and npm_module(n[len("npm:"):], daemon))]
    if missing:
        return "skip", f"needs {' '.join(missing)}", steps
    name = re.sub(r"[^a-z0-9]", "-", path.stem)
    shell = Shell(daemon, name)
    problem = None
    try:
        for step in steps:
            problem = check_command(step, shell) if step.text.startswith("$ ") else check_request(step, daemon, shell)
            if problem:
                return "fail", f"{path.name}:{step.number}: {step.text}\n{problem}", steps
        return "pass", claim, steps
    except BaseException:
        problem = "stopped"
        raise
    finally:
        shell.close()
        shell.undo()
        if problem:
            shell.clear()
        # A client such as Testcontainers names its containers itself: after a failure every one goes.
        which = "" if problem else f"--filter name={name}"
        subprocess.run(f"hull ps -aq {which} | xargs -r hull rm -f", shell=True, env=daemon.env, capture_output=True, timeout=COMMAND_SECONDS)
        if problem:
            for kind in ("network", "volume"):
                subprocess.run(f"hull {kind} ls -q --filter name={name} | xargs -r hull {kind} rm", shell=True, env=daemon.env, capture_output=True, timeout=COMMAND_SECONDS)


def accept(path, steps):
    """Rewrites literal expectations with what was seen; regex lines are kept by hand."""
    lines, by_number = [], {s.number: s for s in steps}
    skipping = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        step = by_number.get(number)
        if step:
            lines.append(line)
            literal = [x for x in step.expect if not x.startswith(("exit ", "err ~ ", "~ ")) and x != "..."]
            skipping = bool(literal) and step.actual_out is not None and not any(x.startswith("~ ") or x == "..." for x in step.expect)
            if skipping:
                lines += step.actual_out
        elif not skipping or line.startswith(("#", "exit ", "err ~ ")) or not line.strip():
            lines.append(line)
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", default="hull", choices=["hull", "docker-cli", "docker"])
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("scripts", nargs="*")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    import fixtures
    scripts = [pathlib.Path(s) if os.path.exists(s) else HERE / s for s in options.scripts] or sorted(HERE.glob("*.test"))
    if options.against == "docker":
        enter_private_network()
    daemon = Daemon(options.against, pathlib.Path(options.bin).resolve())
    counts = {"pass": 0, "fail": 0, "skip": 0}
    try:
        fixtures.make_busybox(daemon.root + "/busybox.tar")
        daemon.env["BUSYBOX_TAR"] = daemon.root + "/busybox.tar"
        daemon.load_busybox()
        for path in scripts:
            begin = time.monotonic()
            verdict, text, steps = run_script(path, daemon, options.against)
            if not daemon.has_busybox():
                daemon.load_busybox()
                verdict, text = "fail", f"{path.name} took the image away that all scripts share\n" + text
            counts[verdict] += 1
            print(f"{verdict} {path.name} ({time.monotonic() - begin:.1f} s): {text}", flush=True)
            if options.accept and verdict != "skip":
                accept(path, steps)
            try:
                daemon.request("GET", "/_ping")
            except OSError:
                print("the daemon is gone:\n" + daemon.log_tail())
                daemon.start()
    finally:
        left = daemon.close()
    if left:
        counts["fail"] += 1
        print("fail leftovers (or findings) after the last container was removed:\n  " + "\n  ".join(left))
    print(f"e2e against {options.against}: {counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped")
    return 1 if counts["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())
