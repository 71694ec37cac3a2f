"""bkkt: each verb of its client."""

from . import Rest

VERSION = "0.1.0a1"
WORKER = True
VERBS = ["server-info", "endpoints", "plugins", "config-of-none", "create", "create-again", "healthy", "list", "config", "config-fast", "status",
         "update", "upsert", "upsert-again", "pause", "resume", "restart", "restart-failed", "restart-one", "restart-task", "offsets",
         "patch-offsets-of-running", "stop", "patch-offsets", "validate", "validate-wrong", "validate-manifest", "delete", "delete-again",
         "status-of-none"]

scenarios = Rest(f"bkkt=={VERSION}", "bkkt_client.py", VERBS)
prepare, tests, brokers, run = scenarios.prepare, scenarios.tests, scenarios.brokers, scenarios.run
