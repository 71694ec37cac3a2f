#!/bin/sh
# Builds and runs all native tests: those of the SDK (test/*.c) and those of the examples, with the sanitizers. CC may name another
# compiler.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=c11 -g -O1 -Wall -Wextra -Werror -Wno-infinite-recursion -Iinclude -Isrc"
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=all"
echo 'int main(void) { return 0; }' > "$out/empty.c"
if ${CC:-cc} $sanitizers "$out/empty.c" -o "$out/run" 2>/dev/null && "$out/run"; then
    flags="$flags $sanitizers"
else
    echo "without sanitizers: ${CC:-cc} has none here" >&2
fi
for source in src/*.c src/native/*.c; do
    ${CC:-cc} $flags -c "$source" -o "$out/$(echo "$source" | tr / _).o"
done
for test in test/*_test.c kit/test/*_test.c examples/*/test/*_test.c template/*/test/*.c; do
    [ -e "$test" ] || continue
    project=$(dirname "$(dirname "$test")")
    plugins=
    [ -d "$project/src" ] && [ "$project" != . ] && plugins=$(ls "$project"/src/*.c)
    ${CC:-cc} $flags "$test" $plugins "$out"/*.o -lm -o "$out/run"
    "$out/run"
    echo "ok $test"
done
# The headers are for C++, too.
cxx=$(echo "${CC:-cc}" | sed 's/clang/clang++/; s/gcc/g++/; s/^cc$/c++/')
if "$cxx" --version >/dev/null 2>&1; then
    "$cxx" -std=c++20 -fno-exceptions -fno-rtti -Wall -g $(echo "$flags" | tr ' ' '\n' | grep -e sanitize) -Iinclude test/cpp_test.cc "$out"/*.o -lm -o "$out/run"
    "$out/run"
    echo "ok test/cpp_test.cc"
else
    echo "SKIPPED: test/cpp_test.cc: there is no $cxx" >&2
fi
