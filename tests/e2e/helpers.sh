# Functions that end-to-end scripts may call; sourced by run.py.

SCRIPT_DIR=$PWD

# wait_for COMMAND...: until it succeeds, 30 s at most.
wait_for() {
	local deadline=$((SECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || { echo "timed out waiting for: $*" >&2; return 1; }
		read -rt 0.02 <> <(:) || :
	done
}

# is_state CONTAINER STATE
is_state() { [ "$(hull inspect -f '{{.State.Status}}' "$1")" = "$2" ]; }

# log_has CONTAINER TEXT
log_has() { hull logs "$1" 2>&1 | grep -q -- "$2"; }

# pty ROWS COLUMNS COMMAND...: runs it on a terminal of that size; stdin is typed into it.
pty() { python3 "$E2E/pty_run.py" "$@"; }

daemon_pid() { cat "$DAEMON_ROOT/pid"; }

# daemon_kill: kill -9 of the daemon, and nothing else.
daemon_kill() {
	local pid
	pid=$(daemon_pid)
	kill -9 "$pid"
	while kill -0 "$pid" 2>/dev/null && [ "$(sed 's/.*) //;s/ .*//' /proc/$pid/stat 2>/dev/null)" != Z ]; do :; done
}

# daemon_start: starts it again on the same directories and waits for its answer.
daemon_start() {
	env -u HULL_E2E_SCRIPT setsid $DAEMON_ARGV </dev/null >>"$DAEMON_ROOT/daemon.log" 2>&1 &
	wait_for hull version
}

# shim_pid CONTAINER: the shim that watches it.
shim_pid() { awk '/^PPid:/ {print $2}' "/proc/$(hull inspect -f '{{.State.Pid}}' "$1")/status"; }

# api METHOD PATH: an API call; prints the status as soon as it comes, then the body.
api() {
	python3 -uc '
import http.client, os, socket, sys
call = http.client.HTTPConnection("localhost")
call.sock = socket.socket(socket.AF_UNIX)
call.sock.connect(os.environ["DAEMON_SOCKET"])
call.request(sys.argv[1], sys.argv[2])
reply = call.getresponse()
print(reply.status)
print(reply.read().decode(errors="replace"))' "$@"
}

# busybox_image NAME CONFIG-JSON: busybox with some of its image config replaced.
busybox_image() {
	python3 "$E2E/fixtures.py" image.tar "$1" "$2" && hull load -q -i image.tar >/dev/null
	rm -f image.tar
}

# at_end COMMAND: runs it when the script has ended, however that is; the last one first.
at_end() { printf '%s\n' "$1" >>"$SCRIPT_DIR/at_end"; }

# buildx VERSION ARGUMENTS...: that buildx on the daemon, with a configuration of the script's own.
buildx() {
	local version=$1
	shift
	DOCKER_CONFIG="$SCRIPT_DIR/buildx-$version" BUILDKIT_PROGRESS="${BUILDKIT_PROGRESS:-plain}" \
		"$PEERS/docker-buildx-$version/usr/libexec/docker/cli-plugins/docker-buildx" "$@"
}
