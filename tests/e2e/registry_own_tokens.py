"""What the registry's own token server grants. Usage: registry_own_tokens.py ADDRESS     (alice:secret, bob:hunter2)"""
import base64, http.client, json, sys, urllib.parse

ADDRESS = sys.argv[1]


def call(method, path, body=None, user=None, bearer=None):
    connection = http.client.HTTPConnection(ADDRESS, timeout=30)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    if bearer:
        headers["Authorization"] = "Bearer " + bearer
    connection.request(method, path, urllib.parse.urlencode(body) if body else None, headers)
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read() or b"{}")


def granted(reply):
    body = reply[1]["token"].split(".")[1]
    access = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["access"]
    return {entry["name"]: entry["actions"] for entry in access}


def check(name, good, shown=""):
    print("ok" if good else "FAIL", name, "" if good else shown)


reply = call("GET", "/token?service=hull-registry&scope=repository:public/app:pull,push&scope=repository:team/app:pull")
check("anonymous", reply[0] == 200 and granted(reply) == {"public/app": ["pull"], "team/app": []}, reply)
reply = call("GET", "/token?service=hull-registry&scope=repository:shared/app:pull,push,delete%20repository:team/app:pull&offline_token=true", user="bob:hunter2")
check("bob", reply[0] == 200 and granted(reply) == {"shared/app": ["pull", "push"], "team/app": []}, reply)
refresh = reply[1].get("refresh_token", "")
check("bob's token pulls", call("GET", "/v2/shared/app/tags/list", bearer=reply[1]["token"])[0] == 200)
check("and not more", call("GET", "/v2/team/app/tags/list", bearer=reply[1]["token"])[0] == 401)
check("a refresh token is no access token", call("GET", "/v2/shared/app/tags/list", bearer=refresh)[0] == 401)
check("wrong password", call("GET", "/token?service=hull-registry", user="bob:wrong")[0] == 401)
check("nobody", call("GET", "/token?service=hull-registry", user="carol:x")[0] == 401)
check("other service", call("GET", "/token?service=other", user="bob:hunter2")[0] == 400)
form = {"service": "hull-registry", "client_id": "x", "scope": "repository:shared/app:pull"}
reply = call("POST", "/token", {**form, "grant_type": "refresh_token", "refresh_token": refresh})
check("refresh", reply[0] == 200 and granted(reply) == {"shared/app": ["pull"]}, reply)
reply = call("POST", "/token", {**form, "grant_type": "password", "username": "alice", "password": "secret", "access_type": "offline"})
check("password", reply[0] == 200 and "refresh_token" in reply[1], reply)
check("bad refresh", call("POST", "/token", {**form, "grant_type": "refresh_token", "refresh_token": "x.y.z"})[0] == 401)
check("unknown grant", call("POST", "/token", {**form, "grant_type": "magic"})[0] == 400)
reply = call("GET", "/token?service=hull-registry&scope=registry:catalog:*", user="bob:hunter2")
names = call("GET", "/v2/_catalog", bearer=reply[1]["token"])
check("the catalog shows what bob may pull", names[0] == 200 and names[1]["repositories"] == ["public/app", "shared/app"], names)
alice = call("GET", "/token?service=hull-registry&scope=repository:team/app:pull", user="alice:secret")[1]["token"]
connection = http.client.HTTPConnection(ADDRESS, timeout=30)
connection.request("GET", "/v2/team/app/manifests/1", headers={"Authorization": "Bearer " + alice})
config = json.loads(connection.getresponse().read())["config"]["digest"]
bob = call("GET", "/token?service=hull-registry&scope=repository:shared/new:pull,push", user="bob:hunter2")[1]["token"]
check("no mount from what is not to be pulled", call("POST", f"/v2/shared/new/blobs/uploads/?mount={config}&from=team/app", bearer=bob)[0] == 202)
check("a mount from elsewhere", call("POST", f"/v2/shared/new/blobs/uploads/?mount={config}&from=public/app", user="bob:hunter2")[0] == 201)
