"""Scenarios with aiokafka, whose distribution brings no tests that can be run: programs/test_aiokafka.py."""

from . import Programs, pinned

VERSION = pinned("aiokafka")

scenarios = Programs("test_aiokafka.py")
prepare, tests, brokers, run = scenarios.prepare, scenarios.tests, scenarios.brokers, scenarios.run
