#!/usr/bin/env bash
# Fetches clients that Debian 12 does not have yet from the Debian mirror into build/peers/NAME/, for the scripts that say
# "needs: peer:NAME". They are programs without dependencies, so nothing is installed. Without the mirror those scripts are skipped.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

# fetch NAME SHA256 PATH: what is there already is not fetched again.
fetch() {
	local name=$1 hash=$2 path=$3 package
	[ "$(cat "build/peers/$name/sha256" 2>/dev/null)" != "$hash" ] || return 0
	mkdir -p build/peers
	package=$(mktemp build/peers/XXXXXX)
	if ! curl -sSf --retry 2 --connect-timeout 10 --max-time 300 -o "$package" "$mirror/pool/main/$path"; then
		echo "peers: no $name: its scripts are skipped" >&2
	elif ! echo "$hash  $package" | sha256sum -c --quiet; then
		echo "peers: $path is not the file we know" >&2
	else
		rm -rf "build/peers/$name"
		dpkg-deb -x "$package" "build/peers/$name"
		echo "$hash" >"build/peers/$name/sha256"
	fi
	rm -f "$package"
}

fetch docker-compose 47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea d/docker-compose/docker-compose_2.26.1-4_amd64.deb
