#!/bin/sh
# PostgreSQL on the volume; its cluster is made at the first start, with the password of the secret.
set -eu
data=/var/lib/postgresql/data
bin=/usr/lib/postgresql/15/bin
if [ ! -s "$data/PG_VERSION" ]; then
	"$bin/initdb" -D "$data" --username=app --pwfile=/run/secrets/password --auth=scram-sha-256 --encoding=UTF8 --no-sync >/dev/null
	echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
