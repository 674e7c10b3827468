#!/bin/sh
# Makes `bindings` anew from the WIT, with the generator that it was made with:
#   cargo install --locked wit-bindgen-cli@0.63.0 --no-default-features --features c
set -eu

sdk=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
wanted="wit-bindgen-cli 0.63.0"
found=$(wit-bindgen --version 2>/dev/null || true)
[ "$found" = "$wanted" ] || { echo "this needs $wanted, found: ${found:-none}" >&2; exit 2; }

wit=$(mktemp -d)
trap 'rm -rf "$wit"' EXIT
mkdir "$wit/deps"
cp -R "$sdk/../../wit/applet-host@0.1.0" "$wit/deps/host"
# A world of this name, so that the files and the names in them are not called `applet`.
printf 'package applet:c;\nworld bindings { include applet:host/applet@0.1.0; }\n' >"$wit/world.wit"
wit-bindgen c "$wit" --world bindings --out-dir "$sdk/bindings" >/dev/null
cp "$sdk/bindings/bindings_component_type.o" "$sdk/../go/cmd/applet-world/world.o"
