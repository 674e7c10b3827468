#!/usr/bin/env bash
# Licences, banned and duplicate crates, and sources; advisories too where their database can be fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! cargo deny --version >/dev/null 2>&1; then
    echo "check: installing cargo-deny (a few minutes, once)"
    cargo install --locked --quiet cargo-deny
fi
cargo deny --log-level error check bans licenses sources
cargo deny --log-level error check advisories || {
    if cargo deny fetch db >/dev/null 2>&1; then exit 1; fi
    echo "check: advisories skipped, their database cannot be fetched here"
}
