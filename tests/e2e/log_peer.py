"""Peers of log drivers: log_peer.py KIND OUT COUNT takes what a driver sends, writes the address to OUT.address at once and,
when COUNT messages came, one JSON value per message to OUT. KIND: syslog-udp, syslog-tcp, syslog-unix, journald, fluentd, gelf-udp, gelf-tcp;
or slow: it reads nothing before the file OUT.read-now is there. log_peer.py show FILE prints what came, one line per message, in order of the text."""
import gzip, json, os, re, select, socket, struct, sys


def describe(m):
    if isinstance(m, list):
        tag, time, record = m
        return record["log"], (tag, time > 1600000000, record["log"], record["source"], record["container_name"], len(record["container_id"]), record.get("app"), record.get("COLOR"))
    if "MESSAGE" in m:
        return m["MESSAGE"], (m["MESSAGE"], m["PRIORITY"], m["CONTAINER_NAME"], m["IMAGE_NAME"], len(m["CONTAINER_ID_FULL"]), m["SYSLOG_IDENTIFIER"] == m["CONTAINER_ID"], m["APP_KUBERNETES_NAME"])
    text = m["short_message"] if len(m["short_message"]) < 100 else len(m["short_message"])
    return m["short_message"], (m["version"], text, m["level"], m["_container_name"], m["_image_name"], m["timestamp"] > 1.6e9, m["_command"].split()[0])


if sys.argv[1] == "show":
    for _, words in sorted(map(describe, map(json.loads, open(sys.argv[2])))):
        print(*words)
    sys.exit()

kind, out, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


def listen():
    if kind in ("syslog-unix", "journald"):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind(out + ".sock")
        os.chmod(out + ".sock", 0o666)
        address = out + ".sock"
    else:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind.endswith("udp") else socket.SOCK_STREAM)
        server.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % server.getsockname()[1]
        if server.type == socket.SOCK_STREAM:
            server.listen()
    server.settimeout(60)
    with open(out + ".address.new", "w") as file:
        file.write(address)
    os.rename(out + ".address.new", out + ".address")
    return server


def datagrams(server):
    while True:
        yield server.recv(1 << 20)


def stream(server):
    while True:
        connection, _ = server.accept()
        connection.settimeout(60)
        data = b""
        while piece := connection.recv(65536):
            data += piece
            data = yield from split(data)


def split(data):
    separator = b"\0" if kind == "gelf-tcp" else b"\n"
    while kind != "fluentd" and separator in data:
        message, _, data = data.partition(separator)
        yield message
    while kind == "fluentd" and data:
        try:
            value, data = unpack(data)
        except IndexError:
            break
        yield value
    return data


def unpack(data):
    """One MessagePack value of the kinds that the forward protocol uses, and the rest."""
    kind = data[0]
    if kind >> 4 == 0x9:
        items, data = [], data[1:]
        for _ in range(kind & 15):
            item, data = unpack(data)
            items.append(item)
        return items, data
    if kind >> 4 == 0x8:
        items, data = {}, data[1:]
        for _ in range(kind & 15):
            key, data = unpack(data)
            items[key], data = unpack(data)
        return items, data
    if kind >> 5 == 0b101 or kind == 0xdb:
        size, begin = (kind & 31, 1) if kind != 0xdb else (struct.unpack(">I", data[1:5])[0], 5)
        if len(data) < begin + size:
            raise IndexError
        return data[begin:begin + size].decode(), data[begin + size:]
    if kind == 0xce:
        return struct.unpack(">I", data[1:5])[0], data[5:]
    if kind == 0xd7:
        return list(struct.unpack(">II", data[2:10])), data[10:]
    raise ValueError(hex(kind))


def journal(message):
    fields = {}
    while message:
        name, at = re.match(rb"([A-Z0-9_]+)", message).group(1), len(re.match(rb"([A-Z0-9_]+)", message).group(1))
        if message[at:at + 1] == b"=":
            value, _, message = message[at + 1:].partition(b"\n")
        else:
            size = struct.unpack("<Q", message[at + 1:at + 9])[0]
            value, message = message[at + 9:at + 9 + size], message[at + 10 + size:]
        fields[name.decode()] = value.decode()
    return fields


chunks = {}


def gelf(message):
    if message[:2] == b"\x1e\x0f":
        parts = chunks.setdefault(message[2:10], {})
        parts[message[10]] = message[12:]
        if len(parts) < message[11]:
            return None
        message = b"".join(parts[i] for i in range(message[11]))
    if message[:2] == b"\x1f\x8b":
        message = gzip.decompress(message)
    return json.loads(message)


server = listen()
if kind == "slow":
    kept = []
    while not os.path.exists(out + ".read-now"):
        if select.select([server], [], [], 0.05)[0]:
            kept.append(server.accept()[0])
    while kept:
        for connection in select.select(kept, [], [])[0]:
            if not connection.recv(1 << 20):
                kept.remove(connection)
    sys.exit()
seen = []
for message in datagrams(server) if server.type == socket.SOCK_DGRAM else stream(server):
    value = journal(message) if kind == "journald" else gelf(message) if kind.startswith("gelf") else message if kind == "fluentd" else message.decode()
    if value is not None:
        seen.append(value)
    if len(seen) >= count:
        break
with open(out + ".new", "w") as file:
    file.write("".join(json.dumps(value) + "\n" for value in seen))
os.rename(out + ".new", out)
