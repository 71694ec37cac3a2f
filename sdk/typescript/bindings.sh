#!/bin/sh
# Renews the copy of the contract. The declarations in src/internal/contract.d.ts are written by hand: the compiler finds
# where they do not fit src/internal/host.ts, and a component that imports what the contract does not have does not build.
set -eu
cd "$(dirname "$0")"
cp ../../wit/millstream-connect@0.1.0/connect.wit wit/deps/millstream-connect/connect.wit
