"""kafka-connect-api: each verb that it has, loggers among them."""

import tempfile

from . import Alone

VERSION = "0.5.10"
WORKER = True
VERBS = ["version", "cluster", "connectors", "exists", "exists-not", "config", "set-config", "status", "pause", "resume", "restart", "tasks",
         "task-running", "restart-all-tasks", "loggers", "root-logger", "set-root-logger", "set-logger", "delete"]

python = None


def prepare(home):
    global python
    python = Alone(home, f"kafka-connect-api=={VERSION}")


def tests(short):
    return VERBS


def brokers(tests, short):
    yield {}, tests


def run(address, tests, short):
    with tempfile.TemporaryDirectory() as folder:
        return python.scenario("rest_api_client.py", address, folder)
