#!/bin/sh
# Types and tests of the SDK. Needs componentize-py 0.25.1 and mypy: their folder is VENV, or they are in PATH.
set -eu
cd "$(dirname "$0")/.."
[ -z "${VENV:-}" ] || PATH=$VENV/bin:$PATH
mypy src/millstream
for project in examples/*; do
  MYPYPATH=src mypy --strict "$project/plugin.py"
done
MYPYPATH=src:kit/src mypy --strict kit/src/*.py
(cd src/millstream/component_modules && MYPYPATH=../..:../../../bindings mypy --strict --explicit-package-bases --config-file= ./*.py)
python3 test.py
