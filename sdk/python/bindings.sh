#!/bin/sh
# Copies the contract into the SDK and writes `bindings` anew: stubs of the contract's interfaces, for type checkers and
# for reading. Components do not use them: componentize-py makes its own when it builds one.
#
# Needs componentize-py 0.25.1 (COMPONENTIZE_PY, or in PATH).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
componentize=${COMPONENTIZE_PY:-componentize-py}
cp "$here/../../wit/millstream-connect@0.1.0/connect.wit" "$here/src/millstream/wit/deps/connect.wit"
rm -rf "$here/bindings"
"$componentize" -q -d "$here/src/millstream/wit" -w component bindings "$here/bindings"
rm -rf "$here/bindings/componentize_py_async_support" "$here/bindings/poll_loop.py"
