"""librdkafka's own tests once more, with consumers that speak the consumer protocol (KIP-848)."""

from . import librdkafka
from .librdkafka import VERSION, brokers, prepare, tests

__all__ = ["VERSION", "brokers", "prepare", "run", "tests"]


def run(address, tests, short):
    return librdkafka.run(address, tests, short, TEST_CONSUMER_GROUP_PROTOCOL="consumer")
