"""Scenarios with confluent-kafka, whose distribution brings no tests that can be run: programs/test_confluent_kafka.py."""

from . import Programs, pinned

VERSION = pinned("confluent-kafka")

scenarios = Programs("test_confluent_kafka.py")
prepare, tests, brokers, run = scenarios.prepare, scenarios.tests, scenarios.brokers, scenarios.run
