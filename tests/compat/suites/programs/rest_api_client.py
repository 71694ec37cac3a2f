"""Every verb of kafka-connect-api against the worker at sys.argv[1]; prints [verb, ending, words] for each."""

import json
import pathlib
import sys
import urllib.request

from kafka_connect_api.errors import GenericNotFound
from kafka_connect_api.kafka_connect_api import Api, Cluster, Connector

import rest_checks
from rest_checks import check

address, folder = sys.argv[1], pathlib.Path(sys.argv[2])
(folder / "in.txt").write_text("one\ntwo\n")
CONFIG = {"connector.class": "FileStreamSource", "tasks.max": "1", "file": str(folder / "in.txt"), "topic": "lines"}
host, port = address.removeprefix("http://").split(":")
cluster = Cluster(Api(host, int(port)))
# The client has no verb that creates one.
request = urllib.request.Request(f"{address}/connectors/c/config", json.dumps(CONFIG).encode(), {"Content-Type": "application/json"}, method="PUT")
urllib.request.urlopen(request, timeout=90).close()


def until(state, act=lambda: None):
    rest_checks.until(address, "c", state, act)
    return True


def set_config():
    connector.config = {**CONFIG, "batch.size": "7"}
    return connector.config


def set_root_logger():
    cluster.root_logger = "WARN"
    return cluster.root_logger["level"]


def exists(connector):
    """The client means to answer, and hands on the worker's 404 as its own error."""
    try:
        return connector.exists()
    except GenericNotFound:
        return False


connector = Connector(cluster, "c")
until("RUNNING")
check("version", lambda: cluster.version, lambda found: found.startswith("4."))
check("cluster", lambda: cluster.kafka_cluster, bool)
check("connectors", lambda: cluster.connectors, lambda found: list(found) == ["c"])
check("exists", lambda: exists(connector), bool)
check("exists-not", lambda: exists(Connector(cluster, "none")), lambda found: found is False)
check("config", lambda: connector.config, lambda found: found == {**CONFIG, "name": "c"})
check("set-config", set_config, lambda found: found["batch.size"] == "7")
check("status", lambda: connector.status, lambda found: found["name"] == "c")
check("pause", lambda: until("PAUSED", connector.pause), bool)
check("resume", lambda: until("RUNNING", connector.resume), bool)
check("restart", lambda: until("RUNNING", connector.restart), bool)
check("tasks", lambda: connector.tasks, lambda found: [task.id for task in found] == [0])
check("task-running", lambda: connector.tasks[0].is_running(), bool)
check("restart-all-tasks", lambda: until("RUNNING", connector.restart_all_tasks), bool)
check("loggers", lambda: cluster.loggers, lambda found: "root" in found)
check("root-logger", lambda: cluster.root_logger, lambda found: "level" in found)
check("set-root-logger", set_root_logger, lambda found: found == "WARN")
check("set-logger", lambda: cluster.set_logger_log_level("root", "INFO"), lambda found: isinstance(found, list))
check("delete", lambda: (connector.delete(), exists(connector))[1], lambda found: found is False)
