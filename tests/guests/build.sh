#!/bin/sh
# Builds the sample applets and the test guests for wasm32-wasip2, or the workspaces that are named. Cargo
# skips what is up to date.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
# Both workspaces have target directories of their own: tests look there, whatever the caller has set.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR

[ $# -gt 0 ] || set -- sample-applets tests/guests
for workspace in "$@"; do
    echo "building guests in $workspace"
    (cd "$root/$workspace" && cargo build --release --target wasm32-wasip2 --quiet)
done
