# Of network scripts: a machine of its own (a network namespace), a host outside that it reaches by its uplink, and a daemon on the machine.

# machine MTU: the uplink's. The machine is 198.51.100.1 and 2001:db8:1::1, the host outside 198.51.100.2 and 2001:db8:1::2.
machine() {
	machine=hm$$ outside=ho$$
	at_end "ip netns del $machine"
	at_end "ip netns del $outside"
	ip netns add $machine && ip netns add $outside || return
	ip link add up0 netns $machine mtu "$1" type veth peer name up0 netns $outside || return
	local ns number=1
	for ns in $machine $outside; do
		ip -n $ns link set up0 mtu "$1"
		ip -n $ns link set lo up && ip -n $ns link set up0 up
		ip -n $ns address add 198.51.100.$number/24 dev up0 && ip -n $ns address add 2001:db8:1::$number/64 dev up0 nodad
		number=$((number + 1))
	done
	ip -n $machine route add default via 198.51.100.2 && ip -n $machine route add default via 2001:db8:1::2
}

# at_machine COMMAND..., outside COMMAND...: there.
at_machine() { nsenter --net=/run/netns/$machine "$@"; }
outside() { nsenter --net=/run/netns/$outside "$@"; }

# there COMMAND...: a hull command for the machine's daemon.
there() { DOCKER_HOST=unix://$SCRIPT_DIR/there/sock hull "$@"; }

# there_up FLAGS...: the machine's daemon, with busybox.
there_up() {
	mkdir -p "$SCRIPT_DIR/there"
	(cd "$SCRIPT_DIR/there" && exec nsenter --net=/run/netns/$machine setsid "$HULL_BIN/hulld" --data-root "$PWD/data" --exec-root "$PWD/exec" -H "unix://$PWD/sock" --pidfile "$PWD/pid" "$@" >>log 2>&1 </dev/null) &
	wait_for there version || { cat "$SCRIPT_DIR/there/log" >&2; return 1; }
	there image inspect busybox >/dev/null 2>&1 || there load -q -i "$BUSYBOX_TAR" >/dev/null
}

# there_down: its end; containers are removed before.
there_down() {
	local pid
	there ps -aq | xargs -r env DOCKER_HOST="unix://$SCRIPT_DIR/there/sock" hull rm -f >/dev/null
	pid=$(cat "$SCRIPT_DIR/there/pid") && kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do read -rt 0.02 <> <(:) || :; done
}

# serve NAMESPACE-COMMAND PORT [udp]: an echo server of peer.py there, until the script ends. "there:NAME" is a container of the machine's daemon.
serve() {
	local at=$1 ready=ready-$1-$2-$3
	case $at in
	there:*) set -- "$(there inspect -f '{{.State.Pid}}' "${at#there:}")" "${@:2}"; nsenter -t "$1" -n python3 "$E2E/peer.py" serve "${@:2}" >"$ready" 2>&1 & ;;
	*) "$at" python3 "$E2E/peer.py" serve "${@:2}" >"$ready" 2>&1 & ;;
	esac
	at_end "kill $! 2>/dev/null"
	wait_for grep -q ready "$ready"
}
peer() { python3 "$E2E/peer.py" "$@"; }
# inside CONTAINER COMMAND...: in its network only.
inside() { nsenter -t "$(there inspect -f '{{.State.Pid}}' "$1")" -n "${@:2}"; }
