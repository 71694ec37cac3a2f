"""Every verb of kafka-connect-py against the worker at sys.argv[1]; prints [verb, ending, words] for each."""

import json
import pathlib
import sys
import time

import requests
from kafka_connect import KafkaConnect

address, folder = sys.argv[1], pathlib.Path(sys.argv[2])
(folder / "in.txt").write_text("one\ntwo\n")
client = KafkaConnect(address)
CONFIG = {"connector.class": "FileStreamSource", "tasks.max": "1", "file": str(folder / "in.txt"), "topic": "lines"}


def check(verb, act, right):
    """Runs a verb, and says whether what it gives is right."""
    try:
        found = act()
        ending = ["passed", ""] if right(found) else ["failed", f"gave {found!r}"[:300]]
    except requests.HTTPError as error:
        words = f"{error.response.status_code} {error.response.text}"[:300]
        ending = ["skipped", "not there yet: the worker answers 501"] if error.response.status_code == 501 else ["failed", words]
    except Exception as error:  # The client's own errors are findings.
        ending = ["failed", f"{type(error).__name__}: {error}"[:300]]
    print(json.dumps([verb, *ending]), flush=True)


def refused(act, status):
    """A verb that has to be refused: gives the status."""
    try:
        found = act()
        # The client hands some errors back as what the worker says.
        return isinstance(found, dict) and found.get("error_code") == status
    except requests.HTTPError as error:
        return error.response.status_code == status


def until(state, act=lambda: None):
    """Waits until the connector and its tasks have a state."""
    found, end = act(), time.monotonic() + 60
    while time.monotonic() < end:
        status = requests.get(f"{address}/connectors/c/status", timeout=30).json()
        if {status["connector"]["state"], *(task["state"] for task in status["tasks"])} == {state}:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"the connector is not {state}: {status}")


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
