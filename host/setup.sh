#!/usr/bin/env bash
# Brings a Debian-like machine with Rust to where `make demo` and `make test` work. Quiet when nothing
# is missing, safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else return 1
    fi
}

apt_updated=
apt_install() { # packages…
    command -v apt-get >/dev/null || stop "please install $* with your package manager, then run this again"
    say "installing $*"
    if [ -z "$apt_updated" ]; then
        as_root apt-get update -qq || stop "cannot run apt-get: please install $* as an administrator"
        apt_updated=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

command -v cargo >/dev/null || stop "Rust is missing: see https://rustup.rs"

# PostgreSQL's own parser (pg_query) is C, read by bindgen.
missing=()
command -v cc >/dev/null || missing+=(build-essential)
command -v clang >/dev/null || missing+=(clang)
ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* >/dev/null 2>&1 || missing+=(libclang-dev)

# The private PostgreSQL is started from whatever server binaries are installed.
if [ -z "${APPLET_PG_BIN:-}" ] && ! command -v initdb >/dev/null &&
    ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
    missing+=(postgresql)
fi

# Tests of the shared read cache start servers of their own.
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || missing+=(redis-server redis-tools)

# Tests of packages in registries start one of their own. Debian's package would start one for everybody, on
# every interface: its service is masked first.
if ! command -v docker-registry >/dev/null; then
    unit=/etc/systemd/system/docker-registry.service
    if [ -d /run/systemd/system ] && ! [ -e "$unit" ]; then
        say "masking docker-registry.service, so that installing the package starts no registry"
        as_root ln -s /dev/null "$unit" || stop "please mask docker-registry.service as an administrator"
    fi
    missing+=(docker-registry)
fi
[ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"

# Applets are compiled for wasm32-wasip2.
libdir=$(rustc --print target-libdir --target wasm32-wasip2 2>/dev/null || true)
if [ -z "$libdir" ] || [ ! -d "$libdir" ]; then
    command -v rustup >/dev/null || stop "the Rust target wasm32-wasip2 is missing, and there is no rustup to add it"
    say "adding the Rust target wasm32-wasip2"
    rustup target add wasm32-wasip2
fi

if ! cargo nextest --version >/dev/null 2>&1; then
    say "installing cargo-nextest (a few minutes, once)"
    cargo install --locked --quiet cargo-nextest
fi
