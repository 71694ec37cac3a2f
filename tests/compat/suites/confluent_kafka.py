"""Scenarios with confluent-kafka, whose distribution brings no tests that can be run: programs/test_confluent_kafka.py."""

from . import HERE, Python, environment, pinned

VERSION = pinned("confluent-kafka")
FILE = "test_confluent_kafka.py"

python = None


def prepare(home):
    global python
    python = Python(home)


def tests(short):
    return python.collected(FILE, cwd=HERE / "programs", env=environment(BROKER=""))


def brokers(tests, short):
    yield {"num.partitions": 1, "allow.everyone.if.no.acl.found": "true",
           "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}, tests


def run(address, tests, short):
    return python.pytest(["--timeout=300"], tests, 1800, cwd=HERE / "programs", env=environment(BROKER=address))
