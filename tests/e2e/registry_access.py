"""Tokens for hull-registry as an issuer elsewhere makes them, and what the registry says to them.

Usage: registry_access.py ADDRESS ISSUER-KEY.pem OTHER-KEY.pem      (RSA keys; openssl signs)"""
import base64, http.client, json, subprocess, sys, time

ADDRESS, KEY, OTHER = sys.argv[1:]


def part(value):
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


def token(key=KEY, algorithm="RS256", access=(("team/app", ["pull", "push"]),), **more):
    payload = {"iss": "issuer", "sub": "ci", "aud": "here", "exp": int(time.time()) + 300, "nbf": int(time.time()) - 5,
               "access": [{"type": "repository", "name": n, "actions": a} for n, a in access], **more}
    text = part({"alg": algorithm, "typ": "JWT"}) + "." + part(payload)
    return text + "." + part(subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), capture_output=True, check=True).stdout)


def status(bearer=None, method="POST", path="/v2/team/app/blobs/uploads/"):
    connection = http.client.HTTPConnection(ADDRESS, timeout=30)
    connection.request(method, path, headers={"Authorization": "Bearer " + bearer} if bearer else {})
    reply = connection.getresponse()
    reply.read()
    return reply.status, reply.headers["WWW-Authenticate"] or ""


def check(name, got, wanted, challenge=""):
    good = got[0] == wanted and challenge in got[1]
    print("ok" if good else "FAIL", name, "" if good else got)


check("no token", status(), 401, 'Bearer realm="https://issuer.example/token",service="here",scope="repository:team/app:pull,push"')
check("base without token", status(method="GET", path="/v2/"), 401, 'service="here"')
check("good token", status(token()), 202)
check("base with token", status(token(), "GET", "/v2/"), 200)
check("other repository", status(token(), path="/v2/team/other/blobs/uploads/"), 401, 'error="insufficient_scope"')
check("pull only", status(token(access=(("team/app", ["pull"]),))), 401, 'error="insufficient_scope"')
check("every action", status(token(access=(("team/app", ["*"]),))), 202)
check("other key", status(token(OTHER)), 401, 'error="invalid_token"')
check("expired", status(token(exp=int(time.time()) - 600)), 401, 'error="invalid_token"')
check("not yet", status(token(nbf=int(time.time()) + 600)), 401, 'error="invalid_token"')
check("other issuer", status(token(iss="else")), 401, 'error="invalid_token"')
check("other service", status(token(aud="there")), 401, 'error="invalid_token"')
check("no algorithm", status(part({"alg": "none"}) + token()[token().index("."):]), 401, 'error="invalid_token"')
check("nonsense", status("x.y.z"), 401, 'error="invalid_token"')
check("catalog", status(token(), "GET", "/v2/_catalog"), 401, 'scope="registry:catalog:*"')
