#!/bin/sh
# Builds the conformance guest in C into target/conformance.wasm. Installs, by apt-get, what clang needs for
# WebAssembly, and says so; exits with 3 and a reason when that cannot be had.
set -eu

cd "$(dirname "$0")"
sdk=../../../sdk/c
out=target/conformance.wasm

if [ -f "$out" ] && [ -z "$(find src build.sh "$sdk" -newer "$out" -type f -print -quit)" ]; then exit 0; fi

skip() { echo "$1" >&2; exit 3; }

works() { # whether a program can be compiled and linked
    echo '#include <stdlib.h>
void *export(int size) { return malloc((size_t)size); }' >target/try.c
    "${CLANG:-clang}" --target=wasm32-wasi --sysroot="${WASI_SYSROOT:-/usr}" -mexec-model=reactor \
        -o target/try.wasm target/try.c 2>/dev/null
}

mkdir -p target
command -v "${CLANG:-clang}" >/dev/null || skip "there is no clang"
if [ -z "${WASI_SDK_PATH:-}" ] && ! works; then
    number=$("${CLANG:-clang}" -dumpversion | cut -d. -f1)
    packages="lld-$number libclang-rt-$number-dev-wasm32 wasi-libc"
    command -v apt-get >/dev/null || skip "clang cannot link WebAssembly, and there is no apt-get to install $packages"
    if [ "$(id -u)" = 0 ]; then root=; else root=sudo; fi
    echo "installing $packages"
    # A list of packages that is not fresh may still do.
    $root apt-get update -qq || true
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
        skip "apt-get could not install $packages"
    works || skip "clang $number cannot link WebAssembly with $packages"
fi

# Written elsewhere first: a build that fails leaves nothing that looks new.
"$sdk/applet-cc" -Wall -Wextra -Werror -Isrc -o target/conformance.new src/*.c
mv target/conformance.new "$out"
