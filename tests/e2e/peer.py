"""Small clients and servers of the network scripts: peer.py WHAT …
KIND is tcp (when absent), udp or sctp.
echo HOST PORT [KIND]: sends a line, prints what comes back. who, segment: what the server says to "who" and "mss".
pump HOST PORT MEGABYTES: sends that much, reads it back, prints whether it is the same.
hold HOST PORT FILE [KIND]: asks for the label, waits for FILE, asks again over the same socket; udp tries for 20 s.
serve PORT [KIND [LABEL]]: an echo server on all addresses; "who" is answered with the client's address, "mss" with the
size of segments to it, "label" with LABEL."""
import hashlib, os, socket, sys, threading, time

what, *rest = sys.argv[1:]


KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_STREAM, 132)}


def connect(host, port, kind="tcp"):
    kind, protocol = KINDS[kind]
    family, _, _, _, address = socket.getaddrinfo(host, int(port), type=kind)[0]
    s = socket.socket(family, kind, protocol)
    s.settimeout(5)
    s.connect(address)
    return s


def ask(s, line):
    s.sendall(line + b"\n")
    return s.recv(65535).decode().strip()


def answer(data, client, s):
    """What the server says to one piece."""
    if len(data) > 16:
        return data
    if data == b"mss\n":
        return str(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)).encode()
    return data.replace(b"who", client.replace("::ffff:", "").encode()).replace(b"label", label.encode())


def serve_stream(s, client):
    while data := s.recv(1 << 16):
        s.sendall(answer(data, client, s))
    s.close()


def persist(s, deadline=20):
    """Asks until there is an answer: datagrams are lost while nobody listens."""
    end = time.monotonic() + deadline
    s.settimeout(0.2)
    while time.monotonic() < end:
        try:
            return ask(s, b"label")
        except OSError:
            time.sleep(0.05)
    return "no answer"


if what in ("echo", "who", "segment"):
    print(ask(connect(*rest), {"echo": b"hello", "who": b"who", "segment": b"mss"}[what]))
elif what == "pump":
    s, size = connect(*rest[:2]), int(rest[2]) << 20
    sent = os.urandom(1 << 20)
    def send():
        for _ in range(size >> 20):
            s.sendall(sent)
        s.shutdown(socket.SHUT_WR)
    threading.Thread(target=send).start()
    there, back = hashlib.sha256(), hashlib.sha256()
    for _ in range(size >> 20):
        there.update(sent)
    while data := s.recv(1 << 20):
        back.update(data)
    print("same" if there.digest() == back.digest() else "different")
elif what == "hold":
    s = connect(*rest[:2], *rest[3:])
    print(ask(s, b"label"), flush=True)
    while not os.path.exists(rest[2]):
        time.sleep(0.02)
    print(persist(s) if rest[3:] == ["udp"] else ask(s, b"label"))
elif what == "serve":
    kind, label = (rest[1:] + ["tcp"])[0], (rest[2:] + ["open"])[0]
    s = socket.socket(socket.AF_INET6, *KINDS[kind])
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", int(rest[0])))
    if kind != "udp":
        s.listen(256)
    print("ready", flush=True)
    while True:
        if kind == "udp":
            data, client = s.recvfrom(65535)
            s.sendto(answer(data, client[0], s), client)
        else:
            peer, client = s.accept()
            threading.Thread(target=serve_stream, args=(peer, client[0]), daemon=True).start()
