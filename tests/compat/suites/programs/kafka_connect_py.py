"""Every verb of kafka-connect-py against the worker at sys.argv[1]; prints [verb, ending, words] for each."""

import pathlib
import sys

import requests
from kafka_connect import KafkaConnect

import rest_checks
from rest_checks import check

address, folder = sys.argv[1], pathlib.Path(sys.argv[2])
(folder / "in.txt").write_text("one\ntwo\n")
client = KafkaConnect(address)
CONFIG = {"connector.class": "FileStreamSource", "tasks.max": "1", "file": str(folder / "in.txt"), "topic": "lines"}


def refused(act, status):
    """A verb that has to be refused: gives the status."""
    try:
        found = act()
        # The client hands some errors back as what the worker says.
        return isinstance(found, dict) and found.get("error_code") == status
    except requests.HTTPError as error:
        return error.response.status_code == status


def until(state, act=lambda: None):
    return rest_checks.until(address, "c", state, act)


check("info", client.get_cluster_info, lambda found: set(found) == {"version", "commit", "kafka_cluster_id"})
check("create", lambda: client.create_connector({"name": "c", "config": CONFIG}), lambda found: found["name"] == "c" and found["type"] == "source")
check("create-again", lambda: refused(lambda: client.create_connector({"name": "c", "config": CONFIG}), 409), bool)
until("RUNNING")
check("list", client.list_connectors, lambda found: found == ["c"])
check("list-expanded", lambda: client.list_connectors(expand="status"), lambda found: found["c"]["status"]["name"] == "c")
check("get", lambda: client.get_connector("c"), lambda found: found["tasks"] == [{"connector": "c", "task": 0}])
check("config", lambda: client.get_connector_config("c"), lambda found: found == {**CONFIG, "name": "c"})
check("status", lambda: client.get_connector_status("c"), lambda found: found["tasks"][0]["state"] == "RUNNING")
check("update", lambda: client.update_connector("c", {**CONFIG, "batch.size": "7"}), lambda found: found["config"]["batch.size"] == "7")
check("pause", lambda: until("PAUSED", lambda: client.pause_connector("c")), lambda found: True)
check("resume", lambda: until("RUNNING", lambda: client.resume_connector("c")), lambda found: True)
check("restart", lambda: until("RUNNING", lambda: client.restart_connector("c")), lambda found: True)
check("restart-with-tasks", lambda: until("RUNNING", lambda: client.restart_connector("c", include_tasks=True)), lambda found: True)
check("restart-all", lambda: until("RUNNING", lambda: client.restart_all_connectors(include_tasks=True)), lambda found: True)
check("tasks", lambda: client.list_connector_tasks("c"), lambda found: found[0]["id"] == {"connector": "c", "task": 0})
check("task-status", lambda: client.get_connector_task_status("c", 0), lambda found: found["state"] == "RUNNING")
check("restart-task", lambda: until("RUNNING", lambda: client.restart_connector_task("c", 0)), lambda found: True)
check("topics", lambda: client.list_connector_topics("c"), lambda found: "c" in found)
check("reset-topics", lambda: client.reset_connector_topics("c"), lambda found: True)
check("plugins", client.list_connector_plugins, lambda found: any(plugin["class"].endswith("FileStreamSourceConnector") for plugin in found))
check("validate", lambda: client.validate_connector_config("FileStreamSource", {**CONFIG, "name": "d"}), lambda found: found["error_count"] == 0)
check("stop", lambda: client.stop_connector("c"), lambda found: True)
check("delete", lambda: client.delete_connector("c"), lambda found: requests.get(f"{address}/connectors", timeout=30).json() == [])
check("get-unknown", lambda: refused(lambda: client.get_connector("c"), 404), bool)
