#!/bin/sh
# Builds target/conformance.wasm, installing componentize-py into .tools/python of the repository if it is not there.
# Exits 3 with the reason when it cannot be had.
set -eu
cd "$(dirname -- "$0")"
APPLET_PYTHON_TOOLS=${APPLET_PYTHON_TOOLS:-../../../.tools/python} \
    exec sh ../../../sdk/python/build.sh --output target/conformance.wasm
