#!/bin/sh
# Builds the applet of the current folder, or of the one that is named: build.sh [--project FOLDER] [ARGUMENT…]
# Exits 3 with a line of reason when the tools cannot be had; `--help` says the rest.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
stop() { echo "$1" >&2; exit 3; }
command -v python3 >/dev/null || stop "python3 is not installed"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "python3 is older than 3.11"
# `-B`: no compiled files among the sources.
PYTHONPATH="$here/src" exec python3 -B -m applet_sdk.build "$@"
