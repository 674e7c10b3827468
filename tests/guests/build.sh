#!/bin/sh
# Builds the sample applets and the test guests: those in Rust for wasm32-wasip2, those in other languages by the
# build.sh in their folder. Or only what is named: `sample-applets`, `tests/guests`, one language (`tests/guests/c`).
# What is up to date is skipped. A language whose toolchain cannot be had is noted in target/SKIPPED of its folder,
# with the reason, which the conformance suite reports.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
# Both workspaces have target directories of their own: tests look there, whatever the caller has set.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR

rust() { # workspace
    echo "building guests in $1"
    (cd "$root/$1" && cargo build --release --target wasm32-wasip2 --quiet)
}

language() { # folder
    echo "building the guest in $1"
    target=$root/$1/target
    mkdir -p "$target"
    status=0
    "$root/$1/build.sh" 2>"$target/errors" || status=$?
    cat "$target/errors" >&2
    case $status in
        0) rm -f "$target/SKIPPED" ;;
        3)
            # One that was built earlier must not be tested in its place.
            rm -f "$target/conformance.wasm"
            reason=$(tail -n 1 "$target/errors")
            echo "${reason:-no reason given}" >"$target/SKIPPED"
            echo "$1 is skipped: ${reason:-no reason given}"
            ;;
        *) exit "$status" ;;
    esac
}

[ $# -gt 0 ] || set -- sample-applets tests/guests
for what in "$@"; do
    case $what in
        tests/guests/*) language "$what" ;;
        tests/guests)
            rust "$what"
            for script in "$root"/tests/guests/*/build.sh; do
                [ -x "$script" ] || continue
                language "tests/guests/$(basename "$(dirname "$script")")"
            done
            ;;
        *) rust "$what" ;;
    esac
done
