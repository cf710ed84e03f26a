# Registries for scripts; to be sourced: . $E2E/registries.sh

# registry_start NAME [CONFIG-LINES]: Debian's docker-registry on a free port of 127.0.0.1, which goes to $PORT. Its data lie in
# NAME.data; CONFIG-LINES is YAML to add at the end. registry_stop NAME ends it.
registry_start() {
	PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	cat >"$1.yml" <<-EOF
		version: 0.1
		log: {accesslog: {disabled: true}, level: error}
		storage: {filesystem: {rootdirectory: $PWD/$1.data}, delete: {enabled: true}}
		http:
		  addr: 127.0.0.1:$PORT
		${2:-}
	EOF
	docker-registry serve "$1.yml" >"$1.log" 2>&1 &
	echo $! >"$1.pid"
	wait_for registry_listens "$PORT"
}
registry_listens() { exec 9<>"/dev/tcp/127.0.0.1/$1" && exec 9>&-; } 2>/dev/null

registry_stop() {
	kill "$(cat "$1.pid")" 2>/dev/null
	wait "$(cat "$1.pid")" 2>/dev/null
	rm -rf "$1".*
}

# faults_start NAME [OTHER-ORIGIN]: the registry that misbehaves (fault_registry.py), on $PORT; requests are in NAME.requests.
faults_start() {
	python3 "$E2E/fault_registry.py" "$1.port" "$1.requests" ${2:-} >"$1.log" 2>&1 &
	echo $! >"$1.pid"
	wait_for test -s "$1.port"
	PORT=$(cat "$1.port")
}

# requests NAME METHOD REGEX: how many requests of a method had a path that matches.
requests() {
	python3 -c '
import json, re, sys
print(sum(1 for line in open(sys.argv[1]) for r in [json.loads(line)] if r["method"] == sys.argv[2] and re.search(sys.argv[3], r["path"])))' "$1.requests" "$2" "$3"
}

# store_of: names of everything in the daemon's store, to compare before and after.
store_of() { (cd "$DAEMON_ROOT/data" && ls blobs/sha256 layers partial staging trash); }

# hulld_start NAME FLAGS...: one more daemon, on its own directories, with flags; hull and docker talk to it until hulld_stop NAME.
hulld_start() {
	local name=$1
	shift
	HULLD_BEFORE=$DOCKER_HOST
	export DOCKER_HOST=unix://$PWD/$name.sock
	"$HULL_BIN/hulld" --data-root "$PWD/$name.root" --exec-root "$PWD/$name.exec" -H "$DOCKER_HOST" --pidfile "$PWD/$name.pid" --bridge none "$@" >"$name.log" 2>&1 &
	echo $! >"$name.pid"
	wait_for hull version
}

hulld_stop() {
	kill "$(cat "$1.pid")" 2>/dev/null
	wait "$(cat "$1.pid")" 2>/dev/null
	rm -rf "$1".*
	DOCKER_HOST=$HULLD_BEFORE
}
