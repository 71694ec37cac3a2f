#!/bin/sh
# Generates the bindings below internal/wit from wit/, with wit-bindgen 0.61.1 (cargo install --locked wit-bindgen-cli --version 0.61.1).
# With --check it only says whether they are as they would be generated.
set -eu
cd "$(dirname "$0")"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# The contract stands twice, so that a copy of this folder is enough to build plugins.
cmp ../../wit/millstream-connect@0.1.0/connect.wit wit/deps/millstream-connect.wit || {
    echo "wit/deps/millstream-connect.wit is not the contract: copy it" >&2
    [ "${1-}" = --check ] && exit 1
    cp ../../wit/millstream-connect@0.1.0/connect.wit wit/deps/millstream-connect.wit
}
${WIT_BINDGEN:-wit-bindgen} go --world plugin wit --out-dir "$made" --pkg-name millstream.dev/sdk/internal/wit >/dev/null 2>&1
find "$made" -name '*.go' | while read -r file; do
    # What the host hands over is copied out of the arena; imports say when theirs is.
    sed -i \
        -e 's/unsafe\.String(/witRuntime.CopyString(/g' \
        -e 's/unsafe\.Slice((\*uint8)/witRuntime.CopyBytes((*uint8)/g' \
        -e 's/pinner := &runtime\.Pinner{}/pinner := witRuntime.Enter()/' \
        -e 's/defer pinner\.Unpin()/defer witRuntime.Leave(pinner)/' \
        -e 's#"go\.bytecodealliance\.org/pkg/wit/\(runtime\|types\)"#"millstream.dev/sdk/internal/wit/\1"#' \
        "$file"
    if grep -q 'witRuntime\.' "$file" && ! grep -q '^	witRuntime ' "$file"; then
        sed -i 's#^import ($#import (\n	witRuntime "millstream.dev/sdk/internal/wit/runtime"#' "$file"
    fi
    grep -q 'runtime\.\(Pinner\|AddCleanup\)' "$file" || sed -i '/^	"runtime"$/d' "$file"
    sed -i 's#^package #//go:build wasip1\n\npackage #' "$file"
    gofmt -w "$file"
done
changed=0
for folder in "$made"/*; do
    mkdir -p "internal/wit/$(basename "$folder")"
    for file in "$folder"/*; do
        into=internal/wit/$(basename "$folder")/$(basename "$file")
        if ! cmp -s "$file" "$into"; then
            changed=1
            if [ "${1-}" = --check ]; then
                echo "$into is not what wit-bindgen makes" >&2
            else
                cp "$file" "$into"
            fi
        fi
    done
done
[ "${1-}" != --check ] || exit $changed
