"""kafka-connect-api: each verb that it has, loggers among them."""

from . import Rest

VERSION = "0.5.10"
WORKER = True
VERBS = ["version", "cluster", "connectors", "exists", "exists-not", "config", "set-config", "status", "pause", "resume", "restart", "tasks",
         "task-running", "restart-all-tasks", "loggers", "root-logger", "set-root-logger", "set-logger", "delete"]

scenarios = Rest(f"kafka-connect-api=={VERSION}", "rest_api_client.py", VERBS)
prepare, tests, brokers, run = scenarios.prepare, scenarios.tests, scenarios.brokers, scenarios.run
