#!/usr/bin/env python3
"""Speed and memory of Hull beside Docker and Podman, measured in one run.

Every engine gets a fresh daemon and store of its own under --scratch (a real file system that overlayfs can use; a
loop ext4 is best). Engines take turns round by round; a cell is the median [smallest] of its rounds and the ratio of
the engine to hull. Networks are `none` but for the topics net and bridge, measured in a network namespace of their own. Root only.
Usage: bench.py [--engines hull,docker,podman] [--rounds N] [--scratch DIR] [--floor PROGRAM] [TOPIC...]
Topics: run exec everyday scale memory load registry log compose build net bridge (all but net and bridge when none is given).
Issue 4 at a glance: ./dev bench --floor FLOOR net bridge
Issue 6: ./dev bench --engines hull,docker build; one case of one builder: ./dev bench --engines hull --builders hull --cases cold build"""
import argparse, http.client, json, os, pathlib, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
import fixtures

BIN = pathlib.Path(os.environ.get("HULL_BIN", ROOT / "build/release/bin"))
TICK = os.sysconf("SC_CLK_TCK")
now = time.perf_counter


class Engine:
    def __init__(self, name, scratch):
        self.name, self.root, self.process = name, tempfile.mkdtemp(prefix=f"bench-{name}-", dir=scratch), None
        r = self.root
        self.socket = r + "/sock"
        common = ["--data-root", r + "/data", "--exec-root", r + "/exec", "-H", "unix://" + self.socket, "--pidfile", r + "/pid"]
        self.env = {**os.environ, "DOCKER_HOST": "unix://" + self.socket}
        self.cli, self.daemon = {
            "hull": ([str(BIN / "hull")], [str(BIN / "hulld"), *common]),
            "docker": (["/usr/bin/docker"], ["/usr/sbin/dockerd", *common, "--live-restore", *([] if os.environ.get("HULL_BENCH_NETWORK") else ["--bridge=none", "--iptables=false", "--ip6tables=false"])]),
            "podman": (["podman", "--root", r + "/data", "--runroot", r + "/run", "--tmpdir", r + "/tmp"], None),
        }[name]
        if name == "podman":
            self.configure_podman()

    def configure_podman(self):
        """runc, since crun refuses a v1 hierarchy with a v2 mount beside it; limits a plain root may set."""
        with open(self.root + "/containers.conf", "w") as file:
            file.write('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\nlog_driver = "k8s-file"\n'
                       '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "runc"\n')
        with open(self.root + "/storage.conf", "w") as file:
            file.write(f'[storage]\ndriver = "overlay"\ngraphroot = "{self.root}/data"\nrunroot = "{self.root}/run"\n')
        self.env |= {"CONTAINERS_CONF": self.root + "/containers.conf", "CONTAINERS_STORAGE_CONF": self.root + "/storage.conf"}

    def up(self):
        """Starts the daemon; the seconds until it answers."""
        if not self.daemon:
            return None
        begin = now()
        self.process = subprocess.Popen(self.daemon, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.root + "/log", "ab"))
        while True:
            try:
                if self.get("/_ping") == b"OK":
                    return now() - begin
            except OSError:
                pass
            if self.process.poll() is not None or now() - begin > 60:
                sys.exit(f"{self.name}: no answer, see {self.root}/log")
            time.sleep(0.0005)

    def down(self, signal_number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(signal_number)
            self.process.wait()
            self.process = None

    def get(self, path):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.socket)
        connection.request("GET", path)
        return connection.getresponse().read()

    def run(self, *arguments, **more):
        """Wall seconds of one command."""
        begin = now()
        done = subprocess.run(self.cli + list(arguments), env=self.env, stdin=more.get("stdin", subprocess.DEVNULL), stdout=more.get("stdout", subprocess.DEVNULL), stderr=subprocess.PIPE)
        if done.returncode:
            sys.exit(f"{self.name} {' '.join(arguments)}: {done.stderr.decode()[-2000:]}")
        return now() - begin

    def out(self, *arguments):
        return subprocess.run(self.cli + list(arguments), env=self.env, check=True, capture_output=True, text=True).stdout.strip()

    def clear(self):
        ids = self.out("ps", "-aq").split()
        for at in range(0, len(ids), 50):
            self.run("rm", "-f", *ids[at:at + 50])

    def close(self):
        try:
            self.clear()
        finally:
            self.down()
            for mount in reversed([line.split()[1] for line in open("/proc/self/mounts") if line.split()[1].startswith(self.root + "/")]):
                subprocess.run(["umount", "-l", mount])
            shutil.rmtree(self.root, ignore_errors=True)

    def processes(self):
        """Pids of the engine outside containers: the daemon's tree and every process that names our root."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace")
                if self.root in command and os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid"):
                    found.append(int(pid))
            except OSError:
                pass
        return found


def pss_kb(pid):
    try:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def cpu_seconds(pids):
    """User and system time of processes and of their reaped children."""
    total = 0
    for pid in pids:
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15]))
        except OSError:
            pass
    return total / TICK


class Table:
    def __init__(self, engines):
        self.engines, self.rows = engines, {}

    def add(self, row, engine, value):
        if value is not None:
            self.rows.setdefault(row, {}).setdefault(engine if isinstance(engine, str) else engine.name, []).append(value)

    def print(self):
        names = [e.name for e in self.engines]
        extra = [n for row in self.rows.values() for n in row if n not in names]
        names += list(dict.fromkeys(extra))
        print("| |" + "|".join(f" {n} " for n in names) + "|\n|---|" + "--:|" * len(names))
        for row, cells in self.rows.items():
            base = statistics.median(cells["hull"]) if "hull" in cells else None
            text = []
            for name in names:
                values = cells.get(name)
                if not values:
                    text.append("–")
                    continue
                middle = statistics.median(values)
                ratio = f" ({middle / base:.2f}×)" if name != "hull" and base else ""
                text.append(f"{middle:.3g} [{min(values):.3g}]{ratio}")
            print(f"| {row} | " + " | ".join(text) + " |", flush=True)


def rounds(engines, count, one):
    for i in range(count):
        k = i % len(engines)
        for engine in engines[k:] + engines[:k]:
            one(engine)


def topic_run(table, engines, options):
    if options.floor:
        root = engines[0].root + "/floor-root"
        os.makedirs(root + "/bin", exist_ok=True)
        shutil.copy("/bin/busybox", root + "/bin/busybox")
        report = subprocess.run([options.floor, "-n", "60", "-q", "0.5", "-m", "tuned", "--no-net", "--root", root, "--", "/bin/busybox", "true"], capture_output=True, text=True).stdout
        for line in report.splitlines():
            if "TOTAL seen" in line:
                table.add("run --rm true [ms]", "cold floor", float(line.split("|")[2] if "|" in line else line.split()[-1]))
    rounds(engines, options.rounds * 3, lambda e: table.add("run --rm true [ms]", e, 1000 * e.run("run", "--rm", "--network", "none", "busybox", "true")))


def topic_exec(table, engines, options):
    for e in engines:
        e.run("run", "-d", "--name", "xx", "--network", "none", "busybox", "sleep", "1000")
    rounds(engines, options.rounds * 3, lambda e: table.add("exec true [ms]", e, 1000 * e.run("exec", "xx", "true")))
    for e in engines:
        e.clear()


def start_many(engine, count, jobs=8):
    begin = now()
    subprocess.run(["xargs", f"-P{jobs}", "-I{}", *engine.cli, "run", "-d", "--network", "none", "--name", "n{}", "busybox", "sleep", "100000"],
                   input="\n".join(map(str, range(count))), text=True, env=engine.env, stdout=subprocess.DEVNULL, check=True)
    return now() - begin


def topic_scale(table, engines, options):
    def one(e):
        table.add("50 containers, 8 clients [containers/s]", e, 50 / start_many(e, 50))
        e.clear()
    rounds(engines, max(2, options.rounds // 3), one)


def topic_memory(table, engines, options):
    for e in engines:
        if e.daemon:
            e.down(), e.up()
        time.sleep(1)
        table.add("idle daemon PSS [MB]", e, sum(map(pss_kb, e.processes())) / 1024)
        before = set(e.processes())
        start_many(e, 50)
        time.sleep(1)
        after = e.processes()
        table.add("PSS per idle container [KB]", e, sum(pss_kb(p) for p in after if p not in before) / 50)
        if e.name == "hull":
            start_many_more(e, 50, 200)
            daemon = e.process.pid
            table.add("daemon PSS with 200 containers [MB]", e, pss_kb(daemon) / 1024)
            topic_ps_one(table, e, options)
            for _ in range(5):
                e.down(signal.SIGKILL)
                table.add("daemon start with 200 containers to first answer [ms]", e, 1000 * e.up())
            table.add("daemon PSS after adopting 200 [MB]", e, pss_kb(e.process.pid) / 1024)
        e.clear()


def start_many_more(e, first, last):
    subprocess.run(["xargs", "-P8", "-I{}", *e.cli, "run", "-d", "--network", "none", "--name", "n{}", "busybox", "sleep", "100000"],
                   input="\n".join(map(str, range(first, last))), text=True, env=e.env, stdout=subprocess.DEVNULL, check=True)


def topic_ps_one(table, e, options):
    for _ in range(options.rounds * 3):
        table.add("ps with 200 containers [ms]", e, 1000 * e.run("ps"))
        begin = now()
        e.get("/v1.40/containers/json")
        table.add("GET /containers/json with 200 [ms]", e, 1000 * (now() - begin))


class Accounting:
    """CPU of everything an engine runs for a command, client included, by a cgroup of its own where there is a v1 cpuacct."""

    def __init__(self, engine):
        self.engine, self.group = engine, f"/sys/fs/cgroup/cpuacct/hull-bench-{os.getpid()}"

    def __enter__(self):
        os.makedirs(self.group, exist_ok=True)
        for pid in [*self.engine.processes(), os.getpid()]:
            open(self.group + "/cgroup.procs", "w").write(str(pid))
        return self

    def __exit__(self, *_):
        for pid in [*self.engine.processes(), os.getpid()]:
            open("/sys/fs/cgroup/cpuacct/cgroup.procs", "w").write(str(pid))
        os.rmdir(self.group)

    def run(self, table, label, *words):
        read = lambda: int(open(self.group + "/cpuacct.usage").read()) / 1e9
        before, wall = read(), self.engine.run(*words)
        table.add(label + ", CPU [s]", self.engine, read() - before)
        table.add(label + ", wall [s]", self.engine, wall)


def topic_load(table, engines, options):
    archive = options.image
    if not archive or not os.path.exists(archive):
        print(f"load: skipped, no image archive (--image FILE of about 350 MB, a docker save archive)")
        return

    def one(e):
        with Accounting(e) as accounting:
            accounting.run(table, f"load of {os.path.getsize(archive) >> 20} MB", "load", "-q", "-i", archive)
        names = e.out("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        e.run("rmi", "-f", *[n for n in names if "busybox" not in n])
    rounds(engines, max(2, options.rounds // 3), one)


class Registry:
    """Debian's docker-registry on a loopback port, with data of its own or a copy of `data`."""

    def __init__(self, scratch, data=None):
        self.root = tempfile.mkdtemp(prefix="bench-registry-", dir=scratch)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if data:
            shutil.copytree(data, self.root + "/data")
        open(self.root + "/config.yml", "w").write(
            f"version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.root}/data}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}'}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", self.root + "/config.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.01)

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.root)


def topic_registry(table, engines, options):
    """The image of --image goes to an empty registry and comes back into an empty store; skopeo and a shell beside."""
    archive = options.image
    if not archive or not os.path.exists(archive) or not shutil.which("docker-registry"):
        print("registry: skipped, it needs docker-registry and an image archive (--image FILE)")
        return
    canon = Registry(options.scratch)
    name = f"127.0.0.1:{canon.port}/bench/big:1"
    subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", "docker-archive:" + archive, "docker://" + name], check=True)

    def one(e):
        plain = ["--tls-verify=false"] if e.name == "podman" else []
        e.run("load", "-q", "-i", archive)
        loaded = [n for n in e.out("images", "--format", "{{.Repository}}:{{.Tag}}").split() if "busybox" not in n][0]
        sink, source = Registry(options.scratch), Registry(options.scratch, canon.root + "/data")
        built, pulled = f"127.0.0.1:{sink.port}/bench/built:1", f"127.0.0.1:{source.port}/bench/big:1"
        e.run("tag", loaded, built)
        with Accounting(e) as accounting:
            accounting.run(table, "push of a built image", "push", "-q", *plain, built)
            accounting.run(table, "push again", "push", "-q", *plain, built)
        e.run("rmi", "-f", built, loaded)
        os.sync()  # nobody pays for what another left behind
        with Accounting(e) as accounting:
            accounting.run(table, "pull, empty store", "pull", "-q", *plain, pulled)
            accounting.run(table, "pull again", "pull", "-q", *plain, pulled)
        sink.close()
        sink = Registry(options.scratch)
        again = f"127.0.0.1:{sink.port}/bench/pulled:1"
        e.run("tag", pulled, again)
        with Accounting(e) as accounting:
            accounting.run(table, "push of a pulled image", "push", "-q", *plain, again)
        e.run("rmi", "-f", pulled, again)
        sink.close()
        source.close()
    count = max(2, options.rounds // 3)
    rounds(engines, count, one)
    for _ in range(count):
        registry_peers(table, canon, options)
    canon.close()


def registry_peers(table, canon, options):
    """skopeo, which unpacks nothing, and what a shell would do: curl | gzip -d | tar x of every layer, one after the other."""
    with tempfile.TemporaryDirectory(prefix="bench-peers-", dir=options.scratch) as scratch:
        source, sink = Registry(scratch, canon.root + "/data"), Registry(scratch)
        pulled, pushed = f"docker://127.0.0.1:{source.port}/bench/big:1", f"docker://127.0.0.1:{sink.port}/bench/big:1"

        def measured(column, label, command):
            os.sync()
            before, begin = os.times(), now()
            subprocess.run(command, check=True, cwd=scratch, stdout=subprocess.DEVNULL)
            after = os.times()
            table.add(label + ", CPU [s]", column, after.children_user + after.children_system - before.children_user - before.children_system)
            table.add(label + ", wall [s]", column, now() - begin)

        skopeo = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
        measured("skopeo", "pull, empty store", [*skopeo, pulled, "dir:image"])
        measured("skopeo", "pull again", [*skopeo, pulled, "dir:image"])
        measured("skopeo", "push of a pulled image", [*skopeo, "dir:image", pushed])
        measured("skopeo", "push again", [*skopeo, "dir:image", pushed])
        layers = [l["digest"] for l in json.load(open(scratch + "/image/manifest.json"))["layers"]]
        fetch = "curl -sSf" if shutil.which("curl") else "wget -qO-"
        measured("curl, gzip, tar", "pull, empty store", ["sh", "-c", " && ".join(
            f"mkdir {n} && {fetch} http://127.0.0.1:{source.port}/v2/bench/big/blobs/{digest} | gzip -d | tar x -C {n}" for n, digest in enumerate(layers))])
        source.close()
        sink.close()


def topic_log(table, engines, options):
    """200 MB of 100-byte lines; CPU of the engine's own processes while they are written."""
    command = "yes 012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789abcdefghi | head -c 200000000; read x"

    def one(e):
        driver = {"docker": ["--log-driver", "json-file"]}.get(e.name, [])
        begin = now()
        e.run("run", "-d", "-i", "--name", "log", "--network", "none", *driver, "busybox", "sh", "-c", command)
        pid = int(e.out("inspect", "-f", "{{.State.Pid}}", "log"))
        # the writer is done when the shell waits in read with no child left
        while open(f"/proc/{pid}/task/{pid}/children").read().strip():
            time.sleep(0.005)
        time.sleep(0.5)
        table.add("200 MB of output, engine CPU [s]", e, cpu_seconds(e.processes()) - e.cpu_before)
        table.add("200 MB of output, wall [s]", e, now() - begin - 0.5)
        e.clear()

    def prepared(e):
        e.cpu_before = cpu_seconds(e.processes())
        one(e)
    rounds([e for e in engines if e.daemon], max(2, options.rounds // 3), prepared)


PEER = """
import socket, sys, threading, time
def serve(port):
    listener = socket.create_server(("", port), backlog=512)
    def one(c):
        c.setsockopt(6, 1, 1)
        kind = c.recv(1)
        while kind and (data := c.recv(1 << 20 if kind == b"t" else 4096)):
            if kind == b"e": c.sendall(data)
        c.close()
    print("ready", flush=True)
    while True: threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
def connect(host, port, kind):
    c = socket.create_connection((host, port), 5)
    c.setsockopt(6, 1, 1)
    c.sendall(kind)
    return c
def measure(host, port):
    c, data, total, begin = connect(host, port, b"t"), bytes(1 << 20), 0, time.perf_counter()
    while time.perf_counter() - begin < 2: total += c.send(data)
    print(total * 8 / (time.perf_counter() - begin) / 1e9)
    c.close()
    c, times = connect(host, port, b"e"), []
    for _ in range(3000):
        t = time.perf_counter(); c.send(b"x"); c.recv(1); times.append(time.perf_counter() - t)
    print(sorted(times)[1500] * 1e6)
    t = time.perf_counter()
    for _ in range(400):
        with connect(host, port, b"e") as c: c.send(b"x"); c.recv(1)
    print(400 / (time.perf_counter() - t))
serve(int(sys.argv[2])) if sys.argv[1] == "serve" else measure(sys.argv[2], int(sys.argv[3]))
"""


def topic_net(table, engines, options):
    """The servers and clients are Python in the containers' network namespaces: paths are compared, not programs."""
    row = "run --rm true, bridge and a port [ms]"
    if options.floor:
        report = subprocess.run([options.floor, "-n", "60", "-q", "0.5", "-m", "tuned", "--", "/bin/busybox", "true"], capture_output=True, text=True).stdout
        for line in report.splitlines():
            if "TOTAL seen" in line:
                table.add(row, "cold floor", float(line.split("|")[2] if "|" in line else line.split()[-1]))
    rounds(engines, options.rounds * 3, lambda e: table.add(row, e, 1000 * e.run("run", "--rm", "-p", "80", "busybox", "true")))

    def paths(e):
        port = 21000 + engines.index(e)
        e.run("run", "-d", "--name", "server", "-p", f"{port}:5000", "busybox", "sleep", "1000")
        e.run("run", "-d", "--name", "client", "busybox", "sleep", "1000")
        inside = lambda name: ["nsenter", "-t", e.out("inspect", "-f", "{{.State.Pid}}", name).strip(), "-n"]
        address = e.out("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "server").strip()
        server = subprocess.Popen([*inside("server"), sys.executable, "-c", PEER, "serve", "5000"], stdout=subprocess.PIPE)
        server.stdout.readline()
        for label, prefix, host, number in (("container to container", inside("client"), address, 5000), ("published, 127.0.0.1", [], "127.0.0.1", port), ("published, ::1", [], "::1", port)):
            values = subprocess.run([*prefix, sys.executable, "-c", PEER, "measure", host, str(number)], capture_output=True, text=True).stdout.split()
            for unit, value in zip(("throughput [Gbit/s]", "round trip [us]", "connections [1/s]"), values):
                table.add(f"{label}: {unit}", e, float(value))
        server.kill()
        server.wait()
        e.clear()

    rounds(engines, max(1, options.rounds // 3), paths)


def topic_bridge(table, engines, options):
    """Starts one after the other on one bridge: the last fifty beside the first fifty. Others than hull get 150: they take minutes."""
    for e in engines:
        count, times = 500 if e.name == "hull" else 150, []
        for i in range(count):
            times.append(1000 * e.run("run", "-d", "--name", f"b{i}", "busybox", "sleep", "100000"))
        table.add("run -d on a bridge, first 50 [ms]", e, statistics.median(times[:50]))
        table.add(f"run -d on a bridge, last 50 of {500 if e.name == 'hull' else 150} [ms]", e, statistics.median(times[-50:]))
        e.clear()


def topic_compose(table, engines, options):
    """A project of ten services, images present: hull's compose on hulld, docker-compose 1.29 (Debian's) on Docker."""
    tools = {"hull": [str(BIN / "hull"), "compose"], "docker": ["docker-compose"]}
    chosen = [e for e in engines if e.name in tools and shutil.which(tools[e.name][0])]
    with tempfile.TemporaryDirectory() as where:
        service = "  s{0}:\n    image: busybox\n    command: sleep 100000\n    network_mode: none\n    stop_signal: SIGKILL\n    environment: {{N: \"{0}\"}}\n"
        header = 'version: "2.4"\nservices:\n'
        open(where + "/docker-compose.yml", "w").write(header + "".join(service.format(i) for i in range(10)))
        open(where + "/long.yml", "w").write(header + "".join(service.format(i) for i in range(333)))

        def compose(e, *arguments):
            begin = now()
            done = subprocess.run(tools[e.name] + list(arguments), env=e.env, cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            if done.returncode:
                sys.exit(f"{e.name} compose {' '.join(arguments)}: {done.stderr.decode()[-2000:]}")
            return 1000 * (now() - begin)

        def one(e):
            table.add("compose up -d, 10 services [ms]", e, compose(e, "up", "-d"))
            table.add("compose up -d, nothing to do [ms]", e, compose(e, "up", "-d"))
            table.add("compose down, 10 services [ms]", e, compose(e, "down"))
            table.add("compose config, 2,000 lines [ms]", e, compose(e, "-f", "long.yml", "config"))
        rounds(chosen, max(3, options.rounds // 3), one)


class Builder:
    """One builder of an engine: hull's, Docker's classic one, its BuildKit, Buildah (with a store of its own)."""

    def __init__(self, name, engine, scratch):
        self.name, self.engine = name, engine
        self.root = tempfile.mkdtemp(prefix=f"bench-{name}-", dir=scratch)
        self.env = {**engine.env, "DOCKER_BUILDKIT": "1" if name == "buildkit" else "0", "STORAGE_DRIVER": "overlay"}
        self.cli, self.prepared = [*engine.cli, "build"], set()
        if name == "buildah":
            store = ["buildah", "--root", self.root + "/data", "--runroot", self.root + "/run"]
            self.cli = [*store, "build", "--layers", "--isolation", "chroot"]
            subprocess.run([*store, "pull", "-q", "docker-archive:" + engine.root + "/busybox.tar"], env=self.env, check=True, capture_output=True)

    def build(self, context, *flags):
        """Milliseconds; None (and a line on standard error) when it fails or takes longer than five minutes."""
        if self.name != "buildah":  # its chroot has no networks
            flags = ("--network", "none", *flags)
        begin = now()
        try:
            done = subprocess.run([*self.cli, *flags, "-t", context, self.root + "/" + context], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, timeout=300)
        except subprocess.TimeoutExpired:
            print(f"{self.name} build {context}: no end after 300 s", file=sys.stderr)
            return None
        if done.returncode:
            print(f"{self.name} build {context}: {done.stderr.decode()[-500:]}", file=sys.stderr)
            return None
        return 1000 * (now() - begin)

    def write(self, path, text):
        path = self.root + "/" + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def close(self):
        for mount in reversed([line.split()[1] for line in open("/proc/self/mounts") if line.split()[1].startswith(self.root + "/")]):
            subprocess.run(["umount", "-l", mount])
        shutil.rmtree(self.root, ignore_errors=True)


def prepare_cold(b):
    b.write("cold/Dockerfile", "FROM busybox\n" + "".join(f"RUN echo {i} >/f{i}\n" for i in range(10)))


def prepare_files(b):
    for i in range(50):
        for k in range(100):
            b.write(f"warm/{i}/{k}", f"{i} {k}\n" * 100)
    b.write("warm/Dockerfile", "FROM busybox\nCOPY . /app\nRUN echo done >/done\n")
    b.build("warm")


def prepare_stages(b):
    stages = "".join(f"FROM busybox AS s{i}\nRUN sleep 0.5; echo {i} >/f\n" for i in range(4))
    b.write("stages/Dockerfile", stages + "FROM busybox\n" + "".join(f"COPY --from=s{i} /f /f{i}\n" for i in range(4)))


def prepare_many(b):
    b.write("many/Dockerfile", "FROM busybox\nRUN mkdir /many; cd /many; seq 2000 | xargs mkdir; for d in *; do seq 100 | sed s,^,$d/,; done | xargs -n 5000 touch\n")
    b.build("many")
    b.write("touch/Dockerfile", "FROM many\nARG n\nRUN touch /many/1/1 /many/2/2 /many/3/3; echo $n >/n\n")


def change_one(b, n):
    b.write("warm/7/7", f"changed {n}\n")
    return b.build("warm")


# Name of a case: what the row says, what it needs, and one measurement, which gets a number that is new.
BUILD_CASES = {
    "cold": ("build, ten RUN steps, no cache [ms]", prepare_cold, lambda b, n: b.build("cold", "--no-cache")),
    "cached": ("build, 5,000 files, all cached [ms]", prepare_files, lambda b, n: b.build("warm")),
    "changed": ("build, 5,000 files, one changed [ms]", prepare_files, change_one),
    "stages": ("build, four stages of half a second [ms]", prepare_stages, lambda b, n: b.build("stages", "--no-cache")),
    "touch": ("build, RUN touches 3 of 200,000 files [ms]", prepare_many, lambda b, n: b.build("touch", "--build-arg", f"n={n}")),
}


def topic_build(table, engines, options):
    """Ten RUN steps without a cache; a context of 5,000 files, all cached, and one of them changed; four stages that each wait
    half a second; a RUN that touches 3 files in an image of 200,000. Beside Docker's classic builder its BuildKit, and Buildah if it is there."""
    builders, count = [], iter(range(1_000_000))
    wanted = options.builders.split(",") if options.builders else ["hull", "docker", "buildkit", "buildah"]
    cases = options.cases.split(",") if options.cases else list(BUILD_CASES)
    engine = {e.name: e for e in engines}
    for name in wanted:
        runs = engine.get({"buildkit": "docker", "buildah": engines[0].name}.get(name, name))
        if runs and runs.daemon and (name != "buildah" or shutil.which("buildah")):
            builders.append(Builder(name, runs, options.scratch))
    try:
        for case in cases:
            row, prepare, measure = BUILD_CASES[case]
            for b in builders:
                print(f"… build {case}: preparing {b.name}", file=sys.stderr, flush=True)
                if prepare not in b.prepared:
                    prepare(b)
                    b.prepared.add(prepare)
                if case == "cached":
                    measure(b, next(count))  # what was changed before is built
            rounds(builders, max(3, options.rounds // 3), lambda b: table.add(row, b.name, measure(b, next(count))))
            if "hull" in table.rows.get(row, {}):
                cells = {n: statistics.median(v) for n, v in table.rows[row].items()}
                print("… " + row + " " + ", ".join(f"{n} {v:.1f} ({v / cells['hull']:.1f} x)" for n, v in cells.items()), file=sys.stderr, flush=True)
    finally:
        for b in builders:
            b.close()


def topic_everyday(table, engines, options):
    """Everyday commands with 200 containers and 200 images, and how much longer each takes than the API call behind it."""
    calls = {
        "version": "/version", "info": "/info", "ps": "/containers/json", "ps -a": "/containers/json?all=1", "ps -s": "/containers/json?size=1",
        "images": "/images/json", "system df": "/system/df", "inspect n7": "/containers/n7/json", "image inspect busybox": "/images/busybox/json",
        "history busybox": "/images/busybox/history", "network ls": "/networks", "volume ls": "/volumes", "logs n7": "/containers/n7/logs?stdout=1&stderr=1",
        "top n7": "/containers/n7/top", "port n7": "/containers/n7/json", "diff n7": "/containers/n7/changes", "wait gone": None, "tag busybox other": None,
        "rename gone gone2": None, "rename gone2 gone": None, "exec n7 true": None,
    }
    chosen = [e for e in engines if e.daemon]
    with tempfile.TemporaryDirectory(dir=options.scratch) as where:
        for e in chosen:
            for i in range(200):
                with open(where + "/content", "w") as file:
                    file.write(f"{i}\n" * 2000)
                subprocess.run(["tar", "-C", where, "-cf", where + "/layer.tar", "content"], check=True)
                e.run("import", where + "/layer.tar", f"image{i}:1")
            start_many(e, 200)
            e.run("run", "--name", "gone", "--network", "none", "busybox", "true")
    for e in chosen:
        e.get("/system/df")  # what is looked at once and remembered

    def one(e):
        for command, path in calls.items():
            wall = 1000 * e.run(*command.split())
            table.add(f"{command} [ms]", e, wall)
            if not path or e.name != "hull":
                continue
            begin = now()
            e.get("/v1.50" + path)
            table.add(f"{command}: more than the call [ms]", e, wall - 1000 * (now() - begin))
    rounds(chosen, options.rounds * 3, one)
    for e in chosen:
        e.clear()
        for at in range(0, 200, 50):
            e.run("rmi", *[f"image{i}:1" for i in range(at, at + 50)])
        e.run("rmi", "other")


TOPICS = {"everyday": topic_everyday, "compose": topic_compose, "run": topic_run, "exec": topic_exec, "scale": topic_scale, "load": topic_load, "registry": topic_registry,
          "log": topic_log, "memory": topic_memory, "net": topic_net, "bridge": topic_bridge, "build": topic_build}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="hull,docker,podman")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scratch", default="/var/tmp")
    parser.add_argument("--floor", help="the compiled floor program: what the kernel alone charges")
    parser.add_argument("--image", help="a docker save archive of about 350 MB for the load topic")
    parser.add_argument("--builders", help="of the topic build: hull, docker (its classic builder), buildkit, buildah; all when it is not given")
    parser.add_argument("--cases", help="of the topic build: " + ", ".join(BUILD_CASES))
    parser.add_argument("topics", nargs="*")
    options = parser.parse_args()
    if {"net", "bridge"} & set(options.topics) and not os.environ.get("HULL_BENCH_NETWORK"):
        os.environ["HULL_BENCH_NETWORK"] = "private"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv])
    engines = [Engine(name, options.scratch) for name in options.engines.split(",")]
    table = Table(engines)
    try:
        archive = engines[0].root + "/busybox.tar"
        fixtures.make_busybox(archive)
        for e in engines:
            e.up()
            e.run("load", "-q", "-i", archive)
            e.run("run", "--rm", "--network", "none", "busybox", "true")
        for topic in options.topics or [t for t in TOPICS if t not in ("net", "bridge")]:
            print(f"… {topic}", file=sys.stderr, flush=True)
            TOPICS[topic](table, engines, options)
    finally:
        table.print()
        for e in engines:
            e.close()


if __name__ == "__main__":
    main()
