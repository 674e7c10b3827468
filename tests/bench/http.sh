#!/usr/bin/env bash
# `make bench-http`: hooks behind `applet serve` beside the same answers by axum and sqlx, driven by wrk
# over many tenants. Both use the same PostgreSQL and as many sessions, in alternating rounds; the result
# is a table of medians and ratios. What is raised for the load is named there; the checks stay on.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=${CARGO_TARGET_DIR:-target}/release
sessions=${BENCH_SESSIONS:-8}
seconds=${BENCH_SECONDS:-5}
rounds=${BENCH_ROUNDS:-3}
tenants=${BENCH_TENANTS:-100}
connections=${BENCH_CONNECTIONS:-1 16 64}
command -v wrk >/dev/null || { echo "bench: wrk is missing: apt-get install wrk"; exit 2; }
if [ -z "${APPLET_TEST_ADMIN_URL:-}" ]; then exec host/with-postgres.sh "$0"; fi

work=$(mktemp -d /tmp/applet-bench.XXXXXX)
pids=()
finish() { kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT

export APPLET_DATA=$work/host APPLET_ALLOW_UNPATCHED=true
# In the environment and not in the file below: rates reach an installation by its approval.
export APPLET_LIMITS_RATE_INVOCATIONS_PER_SECOND=10000 APPLET_LIMITS_RATE_QUERIES_PER_MINUTE=6000000
export APPLET_LIMITS_RATE_WRITES_PER_SECOND=10000 APPLET_LIMITS_RATE_ROWS_PER_MINUTE=600000000
export APPLET_LIMITS_TENANT_CPU_MS_PER_MINUTE=3840000 APPLET_LIMITS_TENANT_DATABASE_MS_PER_MINUTE=24000000
export APPLET_LIMITS_TENANT_ROWS_PER_MINUTE=6000000000 APPLET_LIMITS_TENANT_BYTES_PER_MINUTE=1099511627776
export APPLET_LIMITS_TENANT_STATEMENTS_PER_MINUTE=60000000 APPLET_LIMITS_TENANT_HOST_CALLS_PER_MINUTE=600000000
export DATABASE_URL=${APPLET_TEST_ADMIN_URL/\/postgres\?/\/bench?}
psql -q "$APPLET_TEST_ADMIN_URL" -c 'CREATE DATABASE bench'
psql -q -v ON_ERROR_STOP=1 "$DATABASE_URL" -f host/demo/schema.sql -f tests/bench/seed.sql

"$bin/applet" adopt --yes >/dev/null

echo "bench: installing the guest for $tenants tenants"
"$bin/applet" package --manifest tests/guests/bench/manifest.yaml \
    --component tests/guests/target/wasm32-wasip2/release/guest_bench.wasm -o "$work/bench.applet" >/dev/null
for n in $(seq "$tenants"); do
    tenant=$(printf '00000000-0000-4000-8000-%012d' "$n")
    workspace=$(printf '00000000-0000-4000-9000-%012d' "$n")
    APPLET_TOKEN=$("$bin/applet" token --tenant "$tenant" --role admin --hours 24)
    export APPLET_TOKEN
    {
        "$bin/applet" workspace create --tenant "$tenant" --name "Bench $n" --id "$workspace"
        if [ "$n" = 1 ]; then "$bin/applet" submit "$work/bench.applet"; fi
        for step in plan approve install; do "$bin/applet" $step bench --workspace "$workspace"; done
    } >"$work/install.log" || { cat "$work/install.log"; exit 1; }
    echo "$tenant $workspace $APPLET_TOKEN" >>"$work/tenants"
done

# What bounds load is raised, so that the path is measured and not a queue; every check stays on.
cat >"$work/applet.yaml" <<YAML
limits:
  host:
    sessions_per_applet: $sessions
    sessions_per_tenant: $sessions
    sessions: $((sessions > 40 ? sessions : 40))
    queue_length: 10000
    queue_wait_ms: 10000
    instances_per_applet: 256
    instances: 256
YAML
"$bin/applet" serve --listen 127.0.0.1:18080 --config "$work/applet.yaml" >"$work/applet.log" 2>&1 &
applet=$!
# The hand-written server logs in as a role that row-level security binds, as a careful team's would.
psql -q -v ON_ERROR_STOP=1 "$DATABASE_URL" <<'SQL'
CREATE ROLE native_server LOGIN IN ROLE applet_guest;
GRANT SELECT, INSERT ON clients TO native_server;
GRANT INSERT ON native_audit TO native_server;
GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO native_server;
SQL
"$bin/native-server" "${DATABASE_URL/postgres@/native_server@}" 127.0.0.1:18081 "$sessions" &
native=$!
pids=("$applet" "$native")
for port in 18080 18081; do
    until curl -fs "http://127.0.0.1:$port/health/ready" >/dev/null; do sleep 0.1; done
done

load() { # kind port route connections -> requests/s, p50, p99
    wrk -t1 -c"$4" -d"${seconds}s" --latency -s tests/bench/load.lua "http://127.0.0.1:$2" -- "$1" "$3" "$work/tenants" |
        awk '/Requests\/sec/ {r=$2} /50%/ {a=$2} /99%/ {b=$2} /Non-2xx/ {print "bench: errors: " $0 > "/dev/stderr"} END {print r, a, b}'
}
# The first call of each tenant makes the host look its installation up and open sessions: not what is measured.
for route in hello client1 clients100 insert; do
    load applet 18080 "$route" 16 >/dev/null
    load native 18081 "$route" 16 >/dev/null
done
cpu() { # process: microseconds of CPU so far
    awk -v hz="$(getconf CLK_TCK)" '{print ($14 + $15) * 1000000 / hz}' "/proc/$1/stat"
}
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR + 1) / 2)]}'; }

echo "bench: $sessions sessions, $seconds s a round, $rounds rounds; raised: every rate and tenant budget, and"
sed -n "3,\$s/^ */bench:   /p" "$work/applet.yaml"
printf '%-11s %5s %12s %12s %7s %14s %14s %9s %9s\n' hook conns applet/s native/s ratio 'applet p50/p99' 'native p50/p99' 'us/req a' 'us/req n'
for c in $connections; do
    for route in hello client1 clients100 insert; do
        : >"$work/a"; : >"$work/n"; ca=0; cn=0; ra=0; rn=0
        for _ in $(seq "$rounds"); do
            before=$(cpu "$applet"); set -- $(load applet 18080 "$route" "$c"); after=$(cpu "$applet")
            echo "$1" >>"$work/a"; pa="$2/$3"
            ca=$(awk "BEGIN {print $ca + $after - $before}"); ra=$(awk "BEGIN {print $ra + $1 * $seconds}")
            before=$(cpu "$native"); set -- $(load native 18081 "$route" "$c"); after=$(cpu "$native")
            echo "$1" >>"$work/n"; pn="$2/$3"
            cn=$(awk "BEGIN {print $cn + $after - $before}"); rn=$(awk "BEGIN {print $rn + $1 * $seconds}")
        done
        a=$(median <"$work/a"); n=$(median <"$work/n")
        printf '%-11s %5s %12s %12s %7s %14s %14s %9s %9s\n' "$route" "$c" "$a" "$n" \
            "$(awk "BEGIN {printf \"%.2f\", $a / $n}")" "$pa" "$pn" \
            "$(awk "BEGIN {printf \"%.0f\", $ca / $ra}")" "$(awk "BEGIN {printf \"%.0f\", $cn / $rn}")"
    done
done
