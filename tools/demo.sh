#!/usr/bin/env bash
# What `./dev demo` shows: a Debian image made from Debian packages, a private daemon, containers in it.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/build/release/bin
scratch=$(mktemp -d /var/tmp/hull-demo.XXXXXX)
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
clean_up() {
	status=$?
	if [ -s "$scratch/pid" ]; then
		ids=$(hull ps -aq || true)
		# shellcheck disable=SC2086
		[ -z "$ids" ] || hull rm -f $ids >/dev/null || true
		pid=$(as_root cat "$scratch/pid")
		as_root kill "$pid" || true
		for _ in $(seq 500); do as_root kill -0 "$pid" 2>/dev/null || break; sleep 0.01; done
	fi
	as_root rm -rf "$scratch"
	exit $status
}
trap clean_up EXIT
hull() { as_root "$bin/hull" -H "unix://$scratch/sock" "$@"; }
show() { printf '\n\033[1m$ hull'; printf ' %q' "$@"; printf '\033[0m\n'; hull "$@"; }

echo "making a Debian base image from Debian packages (mmdebstrap, about a minute)"
as_root mmdebstrap --quiet --variant=minbase --include=procps bookworm "$scratch/debian.tar"
as_root "$bin/hulld" --data-root "$scratch/data" --exec-root "$scratch/exec" -H "unix://$scratch/sock" --pidfile "$scratch/pid" \
	>"$scratch/daemon.log" 2>&1 &
for _ in $(seq 500); do [ -S "$scratch/sock" ] && hull version >/dev/null 2>&1 && break; sleep 0.02; done

show import -c 'CMD ["bash"]' -m 'debian from mmdebstrap' "$scratch/debian.tar" debian:demo
show images
show run --rm --network none debian:demo sh -c '. /etc/os-release; echo "hello from $PRETTY_NAME"'
echo "-- isolation: own processes, host name, network"
show run --rm --network none --hostname box debian:demo sh -c 'hostname; ps -e; ls /sys/class/net'
echo "-- limits: 64 MB of memory, half a processor, 20 processes"
show run --rm --network none --memory 64m --memory-swap 64m --cpus 0.5 --pids-limit 20 debian:demo \
	sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max'
echo "-- running out of memory is said so"
hull run --name greedy --network none --memory 20m --memory-swap 20m debian:demo sh -c 'x=a; while :; do x=$x$x; done' >/dev/null 2>&1 || true
show inspect -f 'exit code {{.State.ExitCode}}, out of memory: {{.State.OOMKilled}}' greedy
echo "-- a container in the background; the daemon is killed and started again; the container goes on"
show run -d --name ticker --network none debian:demo sh -c 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done'
as_root kill -9 "$(as_root cat "$scratch/pid")"
sleep 1
as_root "$bin/hulld" --data-root "$scratch/data" --exec-root "$scratch/exec" -H "unix://$scratch/sock" --pidfile "$scratch/pid" \
	>>"$scratch/daemon.log" 2>&1 &
for _ in $(seq 500); do hull version >/dev/null 2>&1 && break; sleep 0.02; done
show ps
show logs --tail 3 ticker
show exec ticker ps -e
show stop -t 1 ticker
printf '\nthe demo is done; everything it made is removed\n'
