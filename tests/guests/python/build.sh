#!/bin/sh
# Builds target/conformance.wasm, installing componentize-py into .tools/python of the repository first if it is not
# there. Exits 3 with the reason when it cannot be had.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../../.." && pwd)
python=$(command -v python3) || { echo "python3 is not installed" >&2; exit 3; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 is older than 3.11" >&2; exit 3; }

# `-B`: no compiled files among the sources.
PYTHONPATH="$root/sdk/python/src" "$python" -B -m applet_sdk.build --project "$here" \
    --tools "$root/.tools/python" --output "$here/target/conformance.wasm"
