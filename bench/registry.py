#!/usr/bin/env python3
"""Throughput and memory of hull-registry beside Debian's docker-registry, in turns in one run.

One client on loopback pushes blobs of --size MB (POST and one PUT; then POST, PATCH and PUT, as Docker does), pulls each
again, and pulls with four connections at a time; then --small blobs of 10 KB are pushed one after the other. MB/s and
requests/s are medians [best] of --rounds; CPU is the server's own per GB moved; PSS is the most that was seen, of all
its processes. Usage: registry.py [--rounds N] [--size MB] [--small N] [--scratch DIR]"""
import argparse, hashlib, http.client, os, pathlib, shutil, signal, socket, statistics, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("HULL_BIN", ROOT / "build/release/bin"))
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, scratch):
        self.name, self.root, self.port = name, tempfile.mkdtemp(prefix=f"bench-{name}-", dir=scratch), free_port()
        if name == "hull":
            command = [str(BIN / "hull-registry"), "--data", self.root + "/data", "--listen", f"127.0.0.1:{self.port}"]
        else:
            with open(self.root + "/config.yml", "w") as file:
                file.write(f'version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {self.root}/data}}}}\nhttp: {{addr: "127.0.0.1:{self.port}"}}\n')
            command = ["docker-registry", "serve", self.root + "/config.yml"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(self.root + "/log", "wb"))
        self.peak_kb, self.stopping = 0, False
        deadline = time.monotonic() + 30
        while True:
            try:
                if self.request("GET", "/v2/")[0] == 200:
                    break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit(f"{name} does not answer, see {self.root}/log")
                time.sleep(0.01)
        self.idle_kb = self.pss_kb()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()

    def pids(self):
        pid = self.process.pid
        return [pid] + [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()]

    def pss_kb(self):
        total = 0
        for pid in self.pids():
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def watch(self):
        while not self.stopping:
            self.peak_kb = max(self.peak_kb, self.pss_kb())
            time.sleep(0.02)

    def cpu(self):
        ticks = 0
        for pid in self.pids():
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def request(self, method, path, body=None, headers={}, connection=None):
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        own.blocksize = 1 << 20
        own.request(method, path, body, headers)
        reply = own.getresponse()
        reply.read()
        if not connection:
            own.close()
        return reply.status, reply.headers

    def pull(self, digest, size):
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(f"GET /v2/bench/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            buffer, total = bytearray(1 << 20), 0
            while count := client.recv_into(buffer):
                total += count
            assert total >= size, (self.name, total)

    def close(self):
        self.stopping = True
        self.watcher.join()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.root)


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def path_of(location):
    return location[location.index("/v2/"):]


def one_round(server, number, options, results):
    """Appends one value to each of this server's lists."""
    size = options.size << 20
    add = lambda key, value: results.setdefault(key, {}).setdefault(server.name, []).append(value)
    with tempfile.TemporaryFile(dir=options.scratch) as file:
        base = os.urandom(1 << 20)
        for variant in "put", "patch":
            file.seek(0)
            digest = hashlib.sha256()
            for i in range(options.size):
                piece = f"{server.name} {number} {variant} {i} ".encode() + base
                file.write(piece[: 1 << 20])
                digest.update(piece[: 1 << 20])
            file.flush()
            os.fsync(file.fileno())  # the push pays for its own bytes only
            name = "sha256:" + digest.hexdigest()

            def push():
                location = path_of(server.request("POST", "/v2/bench/blobs/uploads/", None, {"Content-Length": "0"})[1]["Location"])
                file.seek(0)
                body, headers = file, {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
                if variant == "patch":
                    location = path_of(server.request("PATCH", location, body, headers)[1]["Location"])
                    body, headers = None, {"Content-Length": "0"}
                status = server.request("PUT", location + ("&" if "?" in location else "?") + "digest=" + name, body, headers)[0]
                assert status == 201, (server.name, status)

            cpu = server.cpu()
            add(f"push, {variant.upper()} [MB/s]", options.size / timed(push))
            add(f"push, {variant.upper()}: CPU [s/GB]", (server.cpu() - cpu) * 1024 / options.size)
            os.sync()  # nobody pays for what the other left behind
        cpu = server.cpu()
        add("pull [MB/s]", options.size / timed(lambda: server.pull(name, size)))
        add("pull: CPU [s/GB]", (server.cpu() - cpu) * 1024 / options.size)

        def four():
            threads = [threading.Thread(target=server.pull, args=(name, size)) for _ in range(4)]
            [t.start() for t in threads]
            [t.join() for t in threads]

        add("four pulls at a time [MB/s]", 4 * options.size / timed(four))
    blobs = [os.urandom(10_000) for _ in range(options.small)]

    def small():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for data in blobs:
            location = path_of(server.request("POST", "/v2/bench/blobs/uploads/", None, {"Content-Length": "0"}, connection)[1]["Location"])
            name = "sha256:" + hashlib.sha256(data).hexdigest()
            status = server.request("PUT", location + ("&" if "?" in location else "?") + "digest=" + name, data, {}, connection)[0]
            assert status == 201, (server.name, status)

    add("small blobs [1/s]", options.small / timed(small))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--small", type=int, default=100)
    parser.add_argument("--scratch", default="/var/tmp")
    options = parser.parse_args()
    servers, results = [], {}
    try:
        for name in "hull", "debian":
            servers.append(Server(name, options.scratch))
        for number in range(options.rounds):
            for server in servers:
                one_round(server, number, options, results)
        print("| | hull-registry | docker-registry | ratio |\n|---|--:|--:|--:|")
        for key, by_server in results.items():
            hull, other = statistics.median(by_server["hull"]), statistics.median(by_server["debian"])
            best = min if "CPU" in key else max
            print(f"| {key} | {hull:.3g} [{best(by_server['hull']):.3g}] | {other:.3g} [{best(by_server['debian']):.3g}] | {hull / other if other else 0:.2f} |")
        for label, attribute in ("idle PSS [MB]", "idle_kb"), ("most PSS [MB]", "peak_kb"):
            hull, other = (getattr(s, attribute) / 1024 for s in servers)
            print(f"| {label} | {hull:.3g} | {other:.3g} | {hull / other:.2f} |")
    finally:
        for server in servers:
            server.close()


if __name__ == "__main__":
    main()
