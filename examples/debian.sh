#!/bin/sh
# Makes the image debian:bookworm out of Debian's packages, when it is not there yet. Needs mmdebstrap and a Debian mirror.
set -eu
hull=${HULL:-hull}
"$hull" image inspect debian:bookworm >/dev/null 2>&1 && exit 0
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mmdebstrap --quiet --variant=minbase bookworm "$directory/debian.tar" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
"$hull" import -c 'CMD ["bash"]' "$directory/debian.tar" debian:bookworm
