"""kafka-connect-py: each verb that it has."""

from . import Rest

VERSION = "1.0.0"
WORKER = True
VERBS = ["info", "create", "create-again", "list", "list-expanded", "get", "config", "status", "update", "pause", "resume", "restart",
         "restart-with-tasks", "restart-all", "tasks", "task-status", "restart-task", "topics", "reset-topics", "plugins", "validate",
         "stop", "delete", "get-unknown"]

scenarios = Rest(f"kafka-connect-py=={VERSION}", "kafka_connect_py.py", VERBS)
prepare, tests, brokers, run = scenarios.prepare, scenarios.tests, scenarios.brokers, scenarios.run
