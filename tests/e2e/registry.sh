# Registries for scripts; to be sourced: . $E2E/registry.sh

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
registry_listens() { exec 9<>"/dev/tcp/127.0.0.1/$1"; exec 9>&-; } 2>/dev/null

registry_stop() {
	kill "$(cat "$1.pid")" 2>/dev/null
	wait "$(cat "$1.pid")" 2>/dev/null
	rm -rf "$1".*
}
