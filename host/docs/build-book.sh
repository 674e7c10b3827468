#!/usr/bin/env bash
# Builds the book as HTML: build-book.sh FOLDER. It is made from a copy of the chapters that lie as they do in the
# repository, so that links between them lead somewhere wherever they are read.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Kept by the Rust project, released each month or two; the version that the book was looked at with.
version=0.5.4

say() { printf 'book: %s\n' "$*"; }

out=$(mkdir -p "${1:?a folder for the book}" && cd "$1" && pwd)
mdbook=$out/tools/bin/mdbook
if ! [ -x "$mdbook" ] || [ "$("$mdbook" --version)" != "mdbook v$version" ]; then
    say "installing mdbook $version into $out/tools (a few minutes, once)"
    CARGO_TARGET_DIR=$out/tools/target cargo install --locked --quiet --root "$out/tools" --version "=$version" \
        --no-default-features --features search mdbook
    rm -rf "$out/tools/target"
fi

rm -rf "$out/work" "$out/html"
mkdir -p "$out/work/src"
cp host/docs/book.toml "$out/work"

# Links of the table of contents are of its own folder; the copy's are of the repository.
sed -E -e 's#\]\(\.\./\.\./#](#; t' -e 's#\]\(\.\./#](host/#; t' -e 's#\]\(#](host/docs/#' host/docs/SUMMARY.md \
    >"$out/work/src/SUMMARY.md"
sed -nE 's#.*\]\(([^)]+)\).*#\1#p' "$out/work/src/SUMMARY.md" | while read -r chapter; do
    mkdir -p "$out/work/src/$(dirname "$chapter")"
    if [ -f "$chapter" ]; then
        cp "$chapter" "$out/work/src/$chapter"
    else
        say "$chapter is not written yet"
        echo "Not written yet." >"$out/work/src/$chapter"
    fi
done
# What chapters lead to that is no chapter.
(cd "$out/work/src" && find . -name '*.md') | while read -r chapter; do
    [ -f "$chapter" ] || continue
    grep -oE '\]\([^)#: ]+' "$chapter" | sed 's/^](//' | while read -r link; do
        file=$(realpath -m --relative-to=. "$(dirname "$chapter")/$link")
        if [ -f "$file" ] && ! [ -e "$out/work/src/$file" ]; then
            mkdir -p "$out/work/src/$(dirname "$file")"
            cp "$file" "$out/work/src/$file"
        fi
    done || true
done

"$mdbook" build --dest-dir "$out/html" "$out/work"
say "read $out/html/index.html"
