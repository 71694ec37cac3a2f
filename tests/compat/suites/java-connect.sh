#!/usr/bin/env bash
# Apache Kafka's own Connect 4.3 in distributed mode with exactly-once sources on the built-in broker, its two workers and
# the broker killed at random: the long form of tests/crash/tests/java_connect.rs. Prints kills and lines; fails if a line
# is lost or written twice.
#
#   java-connect.sh [KILLS]     rounds of kills, 60 if not given; MILLSTREAM_CRASH_SEED repeats a run
set -euo pipefail
cd "$(dirname "$0")/../../.."
export MILLSTREAM_REQUIRE_PEERS=1 MILLSTREAM_CRASH_KILLS=${1:-60}
cargo build --package millstream
exec cargo test --package crash --test java_connect -- --nocapture
