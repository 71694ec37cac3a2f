"""kafka-connect-py: each verb that it has."""

import tempfile

from . import Alone

VERSION = "1.0.0"
WORKER = True
VERBS = ["info", "create", "create-again", "list", "list-expanded", "get", "config", "status", "update", "pause", "resume", "restart",
         "restart-with-tasks", "restart-all", "tasks", "task-status", "restart-task", "topics", "reset-topics", "plugins", "validate",
         "stop", "delete", "get-unknown"]

python = None


def prepare(home):
    global python
    python = Alone(home, f"kafka-connect-py=={VERSION}")


def tests(short):
    return VERBS


def brokers(tests, short):
    yield {}, tests


def run(address, tests, short):
    with tempfile.TemporaryDirectory() as folder:
        return python.scenario("kafka_connect_py.py", address, folder)
