#!/usr/bin/env bash
# Kafka Streams' word count with exactly_once_v2 on the built-in broker, its instances and the broker killed at random:
# the long form of tests/crash/tests/streams.rs. Prints kills and words; fails if a word is lost or counted twice.
#
#   streams.sh [KILLS]     kills of instances, 100 if not given; MILLSTREAM_CRASH_SEED repeats a run
set -euo pipefail
cd "$(dirname "$0")/../../.."
export MILLSTREAM_REQUIRE_PEERS=1 MILLSTREAM_CRASH_KILLS=${1:-100}
cargo build --package millstream
exec cargo test --package crash --test streams -- --nocapture
