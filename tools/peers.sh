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
fetch docker-buildx-0.13.1 fcf8c48204d1603c8f209451d7827eb91bf30759578baf7704e9e1a87e5f1d7f d/docker-buildx/docker-buildx_0.13.1+ds1-3_amd64.deb
fetch docker-buildx-0.29.1 6103bcc4eab8169ae679f806d3949ffc99a1545a61fddea6124da826f115f2bf d/docker-buildx/docker-buildx_0.29.1+ds1-4_amd64.deb
fetch docker-compose-2.40.3 e7603d5e6df0f8404f7b03da478022b87d7b50644cffe68884b071e5cfc17fd3 d/docker-compose/docker-compose_2.40.3-3_amd64.deb
fetch docker-20.10 daf8ff8f7aa53e8533d38e386fcc2a11e8f3891210776fb78a84b98feb4eea0e d/docker.io/docker.io_20.10.24+dfsg1-1+deb12u1+b6_amd64.deb
