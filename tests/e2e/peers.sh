# Private engines of other projects that run their containers with hull-runtime; sourced by runtime_*.test.
# Everything lies in the script's own directory. `at_end COMMAND` also runs when the script fails: a watcher in a
# session of its own waits for the script's shell to be gone.

PEER=$PWD/peer
HULL_RUNTIME=$HULL_BIN/hull-runtime
mkdir -p "$PEER"

at_end() {
	SHELL_PID=$$ AT_END=$* setsid bash -c 'tail --pid=$SHELL_PID -s 0.1 -f /dev/null; eval "$AT_END"' </dev/null >/dev/null 2>&1 &
}

# end_process PID: TERM, then KILL after 10 s.
end_process() {
	kill "$1" 2>/dev/null
	for _ in $(seq 100); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
	kill -9 "$1" 2>/dev/null
}
export -f end_process

# Podman with its own storage.
pod() {
	env -u DOCKER_CONFIG podman --root "$PEER/root" --runroot "$PEER/run" --tmpdir "$PEER/tmp" --storage-driver vfs \
		--cgroup-manager cgroupfs --runtime "$HULL_RUNTIME" "$@"
}

start_podman() {
	export -f pod
	export PEER HULL_RUNTIME
	at_end "pod rm -af -t 0"
	pod load -q -i "$BUSYBOX_TAR"
}

stop_podman() { pod rm -af -t 0 >/dev/null; umount "$PEER/root/vfs" 2>/dev/null || :; }

# containerd with its own root, state and socket; tasks live in a namespace of their own.
start_containerd() {
	cat >"$PEER/config.toml" <<-END
		version = 2
		root = "$PEER/root"
		state = "$PEER/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$PEER/sock"
	END
	containerd -c "$PEER/config.toml" >"$PEER/log" 2>&1 &
	echo $! >"$PEER/pid"
	disown
	wait_for c version || { tail -5 "$PEER/log" >&2; return 1; }
	at_end "end_process \$(cat $PEER/pid)"
	c image import "$BUSYBOX_TAR" >/dev/null
}

C_NAMESPACE=hull-e2e-$$
c() { ctr -a "$PEER/sock" -n "$C_NAMESPACE" "$@"; }
# c_run OPTIONS... -- ID COMMAND...
c_run() {
	local options=()
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	c run --snapshotter native --runc-binary "$HULL_RUNTIME" --runc-root "$PEER/runc" "${options[@]}" \
		docker.io/library/busybox:latest "$@"
}
c_status() { c task ls | awk -v id="$1" '$1 == id { print $3 }'; }

stop_containerd() {
	local id
	for id in $(c task ls -q); do c task kill -s KILL "$id"; wait_for c task rm "$id"; done
	for id in $(c container ls -q); do c container rm "$id"; done
	find /sys/fs/cgroup -maxdepth 2 -type d -name "$C_NAMESPACE" -exec rmdir {} + # the parent ctr puts containers in
	end_process "$(cat "$PEER/pid")"
}

# Debian's dockerd with hull-runtime as its runtime "hull".
start_dockerd() {
	/usr/sbin/dockerd --data-root "$PEER/data" --exec-root "$PEER/exec" -H "unix://$PEER/sock" --pidfile "$PEER/pid" \
		--bridge=none --iptables=false --ip6tables=false --add-runtime "hull=$HULL_RUNTIME" "$@" >"$PEER/log" 2>&1 &
	disown
	at_end "end_process \$(cat $PEER/pid); umount -l $PEER/data"
	wait_for d version || { tail -5 "$PEER/log" >&2; return 1; }
	d load -q -i "$BUSYBOX_TAR"
}

d() { DOCKER_CONFIG=$PEER/cli /usr/bin/docker -H "unix://$PEER/sock" "$@"; }
d_run() { d run --runtime hull --network none "$@"; }

stop_dockerd() { d ps -aq | xargs -r env DOCKER_CONFIG="$PEER/cli" /usr/bin/docker -H "unix://$PEER/sock" rm -f >/dev/null; end_process "$(cat "$PEER/pid")"; umount "$PEER/data" 2>/dev/null || :; }

# No process, cgroup or state of the runtime is left behind that has TEXT in its name.
nothing_left() { ! pgrep -f "$HULL_RUNTIME.*$1" && ! find /sys/fs/cgroup -maxdepth 4 -type d -name "*$1*" 2>/dev/null | grep .; }
