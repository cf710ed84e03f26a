"""An API of notes: they are in PostgreSQL; how many there are is remembered in Redis until one is added."""
import http.server, json, os
import psycopg2, redis

PASSWORD = open("/run/secrets/password").read().strip()
cache = redis.Redis(host="cache", socket_timeout=5)


def query(text, *values):
    with psycopg2.connect(host="database", user="app", password=PASSWORD, dbname="postgres", connect_timeout=5) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)")
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = (json.dumps(value) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/api/health":
            query("SELECT 1")
            return self.answer(200, "well")
        if self.path == "/api/notes":
            return self.answer(200, [text for (text,) in query("SELECT text FROM notes ORDER BY id")])
        if self.path == "/api/count":
            known = cache.get("count")
            if known is None:
                known = query("SELECT count(*) FROM notes")[0][0]
                cache.set("count", known)
                return self.answer(200, {"count": int(known), "from": "database"})
            return self.answer(200, {"count": int(known), "from": "cache"})
        self.answer(404, "no such page")

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        query("INSERT INTO notes (text) VALUES (%s)", text)
        cache.delete("count")
        self.answer(201, text)

    def log_message(self, form, *values):
        print(self.address_string(), form % values)


http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
