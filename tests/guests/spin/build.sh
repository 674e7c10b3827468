#!/bin/sh
# Builds target/pg3.wasm, pg4.wasm and guestbook.wasm with the published SDK of Spin, as Spin's own templates do: core modules
# for wasm32-wasip1, of which `applet package` makes components. Exits 3 with the reason when they cannot be built.
set -eu
cd "$(dirname -- "$0")"
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR
# Those of an earlier build must not be tested in their place.
rm -f target/pg3.wasm target/pg4.wasm target/guestbook.wasm

unavailable() {
    echo "$1" >&2
    exit 3
}

target=wasm32-wasip1
if ! rustc --print target-libdir --target $target 2>/dev/null | xargs test -d; then
    rustup target add $target >/dev/null 2>&1 || unavailable "Rust's target $target cannot be installed"
fi
cargo fetch --locked --quiet --target $target || unavailable "spin-sdk cannot be downloaded from crates.io"
cargo build --release --locked --offline --quiet --target $target
for guest in pg3 pg4; do
    cp target/$target/release/guest_spin_$guest.wasm target/$guest.wasm
done
cp target/$target/release/guestbook.wasm target/guestbook.wasm
