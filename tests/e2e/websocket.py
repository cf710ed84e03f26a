"""Claims of websocket.test: a container's streams over a WebSocket. NAME"""
from api_client import *

N = sys.argv[1]


class WebSocket:
    def __init__(self, path, **query):
        self.socket = connect()
        self.socket.sendall((f"GET {target(path, query)} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.data += self.socket.recv(4096)
        self.header, _, self.data = self.data.partition(b"\r\n\r\n")

    def send(self, payload, opcode=2):
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + b"abcd" + bytes(b ^ b"abcd"[i % 4] for i, b in enumerate(payload)))

    def take(self, size):
        while len(self.data) < size:
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self.data += piece
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def frame(self):
        first = self.take(2)
        if first is None:
            return None, b""
        size = first[1] & 127
        if size == 126:
            size = int.from_bytes(self.take(2), "big")
        elif size == 127:
            size = int.from_bytes(self.take(8), "big")
        return first[0] & 15, self.take(size)

    def read_until(self, wanted):
        seen = b""
        while wanted not in seen:
            opcode, payload = self.frame()
            if opcode is None:
                return seen
            seen += payload if opcode in (1, 2) else b""
        return seen


def streams():
    id = run(N, ("cat",), OpenStdin=True)
    client = WebSocket(f"/containers/{id}/attach/ws", stream=1, stdin=1, stdout=1, stderr=1)
    holds("the handshake is RFC 6455's", client.header.startswith(b"HTTP/1.1 101") and b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.header, client.header)
    client.send(b"hello\n")
    equal("bytes come back, raw and binary", client.frame(), (2, b"hello\n"))
    client.send(b"are you there", 9)
    equal("a ping is answered", client.frame(), (10, b"are you there"))
    client.send(b"again\n", 1)
    equal("text goes as well", client.frame(), (2, b"again\n"))
    client.send(b"\x03\xe8", 8)
    equal("a close is answered", client.frame(), (8, b"\x03\xe8"))
    equal("and leaves the container running", inspect(id)["State"]["Running"], True)
    late = WebSocket(f"/containers/{id}/attach/ws", logs=1, stdout=1, stream=1)
    equal("logs come first", late.read_until(b"again\n"), b"hello\nagain\n")
    call("POST", f"/containers/{id}/kill")
    equal("the end closes it", late.frame()[0], 8)
    remove(id)
    id = create(N, ("sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; echo end"))
    client = WebSocket(f"/containers/{id}/attach/ws", stream=1, stdout=1)
    call("POST", f"/containers/{id}/start")
    equal("long output comes whole", len(client.read_until(b"end\n")), 200004)
    remove(id)
    id = run(N)
    equal("no handshake", call("GET", f"/containers/{id}/attach/ws").status, 400)
    equal("unknown", raw(b"GET /containers/nope/attach/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n")[:12], b"HTTP/1.1 404")
    remove(id)


check(streams)
