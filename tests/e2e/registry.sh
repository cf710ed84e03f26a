# Registries on loopback ports of their own; sourced by registry_*.test. Whatever happens, they end with the script.
. "$E2E/peers.sh"

REGISTRY_DATA=$PWD/registry
mkdir -p "$REGISTRY_DATA"

# listens LOG: the address that the registry's log names last.
listens() { sed -n 's/.* registry listens on //p' "$1" | tail -1; }

# start_registry NAME [FLAGS...]: a hull-registry with its data in $REGISTRY_DATA/NAME; its address is in $ADDRESS_NAME,
# its pid in $PID_NAME. Given an address before, it listens there again.
start_registry() {
	local name=$1 address_name=ADDRESS_$1
	shift
	: >"$REGISTRY_DATA/$name.log"
	"$HULL_BIN/hull-registry" --data "$REGISTRY_DATA/$name" --listen "${!address_name:-127.0.0.1:0}" "$@" >"$REGISTRY_DATA/$name.out" 2>>"$REGISTRY_DATA/$name.log" &
	declare -g "PID_$name=$!"
	disown
	at_end "end_process $!"
	wait_for registry_ready "$name" $! || return 1
	declare -g "$address_name=$(listens "$REGISTRY_DATA/$name.log")"
}
registry_ready() { [ -n "$(listens "$REGISTRY_DATA/$1.log")" ] || ! kill -0 "$2"; }

stop_registry() { local pid=PID_$1; end_process "${!pid}"; }

# start_docker_registry: Debian's, with its data in $REGISTRY_DATA/debian; its address is in $ADDRESS_debian.
start_docker_registry() {
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	cat >"$REGISTRY_DATA/debian.yml" <<-END
		version: 0.1
		log: {level: error, accesslog: {disabled: true}}
		storage: {filesystem: {rootdirectory: $REGISTRY_DATA/debian}, delete: {enabled: true}}
		http: {addr: "127.0.0.1:$port"}
	END
	docker-registry serve "$REGISTRY_DATA/debian.yml" >"$REGISTRY_DATA/debian.log" 2>&1 &
	PID_debian=$!
	disown
	at_end "end_process $PID_debian"
	ADDRESS_debian=127.0.0.1:$port
	wait_for curl_ "http://$ADDRESS_debian/v2/"
}

# curl_ URL: prints the body; fails for an error status. (curl itself need not be installed.)
curl_() { python3 -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())' "$@"; }

# copy FROM TO: skopeo without TLS.
copy() { skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false "$@"; }
# manifest_digest docker://...
manifest_digest() { skopeo --insecure-policy inspect --tls-verify=false --raw "$1" | sha256sum | cut -c1-64; }
