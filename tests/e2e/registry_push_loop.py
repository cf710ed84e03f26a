"""Pushes images again and again, each of one new blob and a shared one, while PID collects garbage as fast as it can.

Usage: registry_push_loop.py ADDRESS COUNT PID      A push that fails since its blob was collected in between must be told so
(MANIFEST_BLOB_UNKNOWN) and succeeds when it is done again; what was accepted must be whole."""
import hashlib, http.client, json, os, signal, sys, threading

ADDRESS, COUNT, PID = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
stop = threading.Event()


def collect():
    while not stop.wait(0.05):
        os.kill(PID, signal.SIGUSR1)


def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(ADDRESS, timeout=60)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    return reply.status, data


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def push(number):
    blobs = [b'{"os":"linux","architecture":"amd64","n":%d}' % number, b"shared by all"]
    describe = lambda data: {"mediaType": "application/octet-stream", "digest": sha(data), "size": len(data)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": describe(blobs[0]), "layers": [describe(blobs[1])]}).encode()
    for _ in range(1000):
        for data in blobs:
            status, reply = call("POST", f"/v2/loop/blobs/uploads/?digest={sha(data)}", data)
            assert status == 201, (status, reply)
        status, reply = call("PUT", f"/v2/loop/manifests/n{number}", manifest, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
        if status == 201:
            return blobs
        assert status == 404 and b"MANIFEST_BLOB_UNKNOWN" in reply, (status, reply)
    raise AssertionError("never accepted")


collector = threading.Thread(target=collect)
collector.start()
try:
    pushed = [push(n) for n in range(COUNT)]
finally:
    stop.set()
    collector.join()
for number, blobs in enumerate(pushed):
    assert call("GET", f"/v2/loop/manifests/n{number}")[0] == 200, number
    for data in blobs:
        assert call("GET", f"/v2/loop/blobs/{sha(data)}") == (200, data), number
print(COUNT, "pushes, all whole")
