#!/bin/sh
# Builds target/{{id}}.wasm with Go 1.24 or later from $GO or PATH; exits 3 when there is none.
set -eu
cd "$(dirname -- "$0")"

go=${GO:-go}
"$go" version 2>/dev/null | grep -Eq 'go1\.(2[4-9]|[3-9][0-9])' || {
    echo "Go 1.24 or later is not installed: https://go.dev/dl" >&2
    exit 3
}
mkdir -p target
export GOTOOLCHAIN=local
GOOS=wasip1 GOARCH=wasm "$go" build -buildmode=c-shared -trimpath -ldflags='-s -w' -o target/module.wasm .
# Written elsewhere first: a build that fails leaves nothing that looks new.
"$go" run applet-sdk/cmd/applet-world target/module.wasm target/{{id}}.new
mv target/{{id}}.new target/{{id}}.wasm
