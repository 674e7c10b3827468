#!/bin/sh
# Builds dist/{{id}}.wasm. Installs componentize-py into .applet/python, once; exits 3 when it cannot be had.
set -eu
cd "$(dirname -- "$0")"
exec sh "{{sdk}}/build.sh" "$@"
