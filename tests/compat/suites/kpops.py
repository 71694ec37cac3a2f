"""kpops: each verb of its client, and of what deploys and resets connectors by it."""

from . import Rest

VERSION = "12.0.3"
WORKER = True
VERBS = ["create", "get", "status", "update", "update-wrong", "validate", "validate-wrong", "pause", "resume", "reset-of-running", "stop", "reset",
         "handler-resume", "handler-pause", "handler-create-paused", "handler-dry-run", "handler-reset", "handler-reset-of-none",
         "handler-destroy", "delete", "get-of-none", "status-of-none", "delete-of-none", "reset-of-none"]

scenarios = Rest(f"kpops=={VERSION}", "kpops_client.py", VERBS)
prepare, tests, brokers, run = scenarios.prepare, scenarios.tests, scenarios.brokers, scenarios.run
