# Bundles for scripts that call hull-runtime itself; sourced by runtime_*.test. One bundle per script, in its directory.

ID=hull-e2e-$$-$NAME
STATE=$PWD/state
mkdir -p rootfs/bin rootfs/etc rootfs/tmp host
cp /bin/busybox rootfs/bin/busybox
for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -sf busybox "rootfs/bin/$applet"; done
printf 'root:x:0:0::/root:/bin/sh\nalice:x:1000:1001::/home:/bin/sh\n' >rootfs/etc/passwd

hr() { "$HULL_BIN/hull-runtime" --root "$STATE" "$@"; }

# new_spec [spec options]: config.json without a terminal, with a cgroup of the script's own.
new_spec() {
	rm -f config.json
	hr spec "$@" && edit "s['process']['terminal'] = False; s['root']['readonly'] = False" &&
		{ [ "$1" = --rootless ] || edit "s['linux']['cgroupsPath'] = '/$ID'"; }
}

# edit PYTHON: changes config.json, which is `s`; `p` is its process, `l` its linux.
edit() {
	python3 - "$@" <<-'END'
		import json, os, sys
		s = json.load(open("config.json"))
		p, l = s["process"], s["linux"]
		def mount(to, kind, source, *options): s["mounts"].append({"destination": to, "type": kind, "source": source, "options": list(options)})
		exec(sys.argv[1])
		json.dump(s, open("config.json", "w"))
	END
}

# sh_run SCRIPT: the container runs it in a shell.
sh_run() { ARGS=$1 edit "p['args'] = ['/bin/sh', '-c', os.environ['ARGS']]" && hr run "$ID"; }

# sleeper: a detached container that sleeps.
sleeper() { edit "p['args'] = ['/bin/sleep', '1000']" && hr run -d "$ID" </dev/null >/dev/null 2>&1; }
gone() { hr delete -f "$ID"; }

# cgroup_file V1CONTROLLER/V1FILE V2FILE: what the container's cgroup says, on this machine's layout.
cgroup_file() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		cat "/sys/fs/cgroup/$ID/$2"
	else
		cat "/sys/fs/cgroup/${1%%/*}/$ID/${1#*/}"
	fi
}
is_v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }

# If the script fails, nothing of it stays: a watcher outlives the script's shell.
SHELL_PID=$$ STATE=$STATE setsid bash -c \
	'tail --pid=$SHELL_PID -s 0.1 -f /dev/null; for d in $STATE/*/; do d=${d%/}; "$HULL_BIN/hull-runtime" --root "$STATE" delete -f "${d##*/}"; done' \
	</dev/null >/dev/null 2>&1 &
