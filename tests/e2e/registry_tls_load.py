"""Pushes and pulls large blobs over TLS from many threads; a silent client must not matter. Usage: registry_tls_load.py ADDRESS"""
import hashlib, http.client, random, socket, ssl, sys, threading

HOST, PORT = sys.argv[1].rsplit(":", 1)
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
failures = []


def work(number):
    try:
        data = random.Random(number).randbytes(3_000_000 + number)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        connection = http.client.HTTPSConnection(HOST, int(PORT), context=context, timeout=60)
        for _ in range(2):
            connection.request("POST", f"/v2/load/blobs/uploads/?digest={digest}", data)
            reply = connection.getresponse()
            assert reply.status == 201, (reply.status, reply.read())
            reply.read()
            connection.request("GET", f"/v2/load/blobs/{digest}")
            assert connection.getresponse().read() == data
        connection.close()
    except BaseException as error:
        failures.append(f"{number}: {error!r}")


silent = socket.create_connection((HOST, int(PORT)))
threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("\n".join(failures) or "ok")
