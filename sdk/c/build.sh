#!/bin/sh
# Makes the static library libmillstream.a of the SDK in a folder, for WebAssembly: build.sh FOLDER. CC names the compiler (clang-19), CFLAGS
# what it is given beside
# (-Os), and AR the archiver: llvm-ar, or ar, since the linker needs no index.
set -eu
sdk=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
rm -f libmillstream.a
for source in "$sdk"/src/*.c "$sdk"/src/wasm/*.c "$sdk"/src/wasm/bindings/*.c; do
    object=$(echo "${source#"$sdk"/src/}" | tr / _).o
    ${CC:-clang-19} --target=wasm32-wasi -std=c11 ${CFLAGS:--Os} -Wall -I"$sdk/include" -c "$source" -o "$object"
    objects="${objects-} $object"
done
${AR:-ar} rcs libmillstream.a $objects
rm -f $objects
echo "$PWD/libmillstream.a"
