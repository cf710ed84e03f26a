"""dns.py ask SERVER NAME [TYPE] [udp|tcp]: prints the code and the answers.
dns.py serve ADDRESS (IPV4 | silent): a server that knows everything but gone.example; many.example and big.example have long texts."""
import socket, socketserver, struct, sys, threading

TYPES = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
CODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def skip_name(message, at):
    while message[at]:
        if message[at] >= 0xc0:
            return at + 2
        at += message[at] + 1
    return at + 1


def exchange(server, query, transport):
    if transport == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(8)
            s.connect((server, 53))
            s.send(query)
            return s.recv(65535)
    with socket.create_connection((server, 53), timeout=8) as s:
        s.sendall(struct.pack(">H", len(query)) + query)
        stream = s.makefile("rb")
        return stream.read(struct.unpack(">H", stream.read(2))[0])


def ask(server, name, kind="A", transport="udp"):
    edns = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
    query = struct.pack(">HHHHHH", 0x4242, 0x0100, 1, 0, 0, 1) + encode(name) + struct.pack(">HH", TYPES[kind], 1) + edns
    reply = exchange(server, query, transport)
    identity, flags, questions, answers, _, _ = struct.unpack(">HHHHHH", reply[:12])
    assert identity == 0x4242 and flags & 0x8000 and questions == 1, "no answer to the question"
    if flags & 0x0200:
        print("TRUNCATED")
        return 0
    at = skip_name(reply, 12) + 4
    found = []
    for _ in range(answers):
        at = skip_name(reply, at)
        record, _, _, size = struct.unpack(">HHIH", reply[at:at + 10])
        data = reply[at + 10:at + 10 + size]
        found.append(socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, data) if record in (1, 28) else data.hex())
        at += 10 + size
    print(" ".join([CODES[flags & 15], *found]))
    return 0 if flags & 15 in (0, 3) else 1


def answer(query, address, is_udp):
    end = skip_name(query, 12) + 4
    name, kind = query[12:end - 4], struct.unpack(">H", query[end - 4:end - 2])[0]
    records = []
    if kind == 1:
        records = [socket.inet_aton(address)]
    elif kind == 16:
        records = [bytes([100]) + b"x" * 100 for _ in range(60 if b"big" in name else 9)]
    code = 3 if b"gone" in name else 0
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(r)) + r for r in records) if code == 0 else b""
    truncated = is_udp and len(body) > 1200
    return query[:2] + struct.pack(">HHHHH", 0x8180 | code | (0x0200 if truncated else 0), 1, 0 if code or truncated else len(records), 0, 0) + query[12:end] + (b"" if truncated else body)


def serve(address, what):
    class Udp(socketserver.BaseRequestHandler):
        def handle(self):
            query, s = self.request
            if what != "silent":
                s.sendto(answer(query, what, True), self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self):
            query = self.rfile.read(struct.unpack(">H", self.rfile.read(2))[0])
            if what == "silent":
                return self.rfile.read()
            reply = answer(query, what, False)
            self.wfile.write(struct.pack(">H", len(reply)) + reply)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    servers = [socketserver.ThreadingUDPServer((address, 53), Udp), socketserver.ThreadingTCPServer((address, 53), Tcp)]
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    print("ready", flush=True)
    servers[0].serve_forever()


if __name__ == "__main__":
    sys.exit(ask(*sys.argv[2:]) if sys.argv[1] == "ask" else serve(*sys.argv[2:]))
