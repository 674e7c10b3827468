#!/usr/bin/env bash
# Runs a command with a private PostgreSQL of its own: with-postgres.sh COMMAND…
# The server lives in a new temporary directory, on a Unix socket only, and goes away with the command.
# The command finds it in APPLET_TEST_ADMIN_URL. A URL that is already set is used as it is.
set -euo pipefail

if [ -n "${APPLET_TEST_ADMIN_URL:-}" ]; then exec "$@"; fi

bin=${APPLET_PG_BIN:-}
if [ -z "$bin" ]; then
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$bin" ] || bin=$(dirname "$(readlink -f "$(command -v initdb)")")
fi

dir=$(mktemp -d /tmp/applet-pg.XXXXXX)
drop=()
if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root.
    drop=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown postgres:postgres "$dir"
fi

server=
finish() {
    if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap finish EXIT

"${drop[@]}" "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
    { cat "$dir/initdb.log" >&2; exit 2; }
# Durability is not what these tests are about; the ones that kill a server start their own.
"${drop[@]}" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off \
    -c max_connections=200 -c log_min_messages=fatal >"$dir/postgres.log" 2>&1 &
server=$!
for _ in $(seq 300); do
    if "$bin/pg_isready" -q -h "$dir" 2>/dev/null; then break; fi
    kill -0 "$server" 2>/dev/null || { cat "$dir/postgres.log" >&2; exit 2; }
    sleep 0.1
done

export APPLET_TEST_ADMIN_URL="postgres://postgres@localhost/postgres?host=$dir"
status=0
"$@" || status=$?
exit $status
