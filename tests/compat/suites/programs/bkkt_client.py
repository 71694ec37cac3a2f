"""Every verb of bkkt's client against the worker at sys.argv[1]; prints [verb, ending, words] for each."""

import pathlib
import sys
import time

from connectctl.connect import ConnectClient
from connectctl.exceptions import ConnectApiError
from connectctl.models import ConnectorManifest

from rest_checks import check, names, refused, until

address, folder = sys.argv[1], pathlib.Path(sys.argv[2])
(folder / "in.txt").write_text("one\ntwo\n")
client = ConnectClient([address])
CLASS = "org.apache.kafka.connect.file.FileStreamSourceConnector"
CONFIG = {"connector.class": CLASS, "tasks.max": "1", "file": str(folder / "in.txt"), "topic": "lines"}
PARTITION = {"filename": str(folder / "in.txt")}


def manifest(name, **more):
    # Where it stands in a repository of theirs is of no interest.
    return ConnectorManifest(name=name, config={**CONFIG, "name": name, **more}, source_path=folder, info=None)


def with_offsets():
    """The offsets as soon as what was read is committed."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = client.get_offsets("c")
        if found["offsets"]:
            return found
        time.sleep(0.1)
    raise TimeoutError("nothing is committed")


check("server-info", client.get_server_info, lambda found: set(found) == {"version", "commit", "kafka_cluster_id"})
check("endpoints", lambda: client.list_endpoint_diagnostics()[0].healthy, bool)
check("plugins", client.list_connector_plugins, lambda found: any(plugin["class"] == CLASS for plugin in found))
check("config-of-none", lambda: client.get_config_optional("c"), lambda found: found is None)
check("create", lambda: client.create_connector("c", CONFIG), lambda found: names(address) == ["c"])
check("create-again", lambda: refused(lambda: client.create_connector("c", CONFIG), ConnectApiError), bool)
# It takes it ill that there is no status yet.
until(address, "c", "RUNNING")
check("healthy", lambda: client.wait_for_healthy("c", initial_delay_s=0, timeout_s=60, poll_interval_s=0.1), lambda found: found.ok)
check("list", client.list_connectors, lambda found: found == ["c"])
check("config", lambda: client.get_config("c"), lambda found: found == {**CONFIG, "name": "c"})
check("config-fast", lambda: client.get_config_optional_fast("c"), lambda found: found == {**CONFIG, "name": "c"})
check("status", lambda: client.get_status("c"), lambda found: found.ok and found.task_states == ("RUNNING",) and found.worker_id)
check("update", lambda: client.update_connector("c", {**CONFIG, "batch.size": "7"}), lambda found: client.get_config("c")["batch.size"] == "7")
check("upsert", lambda: client.upsert(manifest("d")), lambda found: names(address) == ["c", "d"])
check("upsert-again", lambda: client.upsert(manifest("d", topic="more")), lambda found: client.get_config("d")["topic"] == "more")
check("pause", lambda: until(address, "c", "PAUSED", lambda: client.pause("c")), lambda found: True)
check("resume", lambda: until(address, "c", "RUNNING", lambda: client.resume("c")), lambda found: True)
check("restart", lambda: until(address, "c", "RUNNING", lambda: client.restart("c")), lambda found: True)
check("restart-failed", lambda: until(address, "c", "RUNNING", lambda: client.restart("c", only_failed=True)), lambda found: True)
check("restart-one", lambda: until(address, "c", "RUNNING", lambda: client.restart("c", include_tasks=False)), lambda found: True)
check("restart-task", lambda: until(address, "c", "RUNNING", lambda: client.restart_task("c", 0)), lambda found: True)
check("offsets", with_offsets, lambda found: found["offsets"] == [{"partition": PARTITION, "offset": {"position": 8}}])
check("patch-offsets-of-running", lambda: refused(lambda: client.patch_offsets("c", {"offsets": []}), ConnectApiError), bool)
check("stop", lambda: until(address, "c", "STOPPED", lambda: client.stop("c")), lambda found: True)
check("patch-offsets", lambda: client.patch_offsets("c", {"offsets": [{"partition": PARTITION, "offset": {"position": 4}}]}),
      lambda found: "altered" in found["message"] and client.get_offsets("c")["offsets"][0]["offset"] == {"position": 4})
check("validate", lambda: client.validate_config(CLASS, {**CONFIG, "name": "e"}), lambda found: found["error_count"] == 0)
check("validate-wrong", lambda: client.validate_config(CLASS, {"connector.class": CLASS, "name": "e"}), lambda found: found["error_count"] == 1)
check("validate-manifest", lambda: client.validate_manifest(manifest("e")), lambda found: True)
check("delete", lambda: (client.delete("c"), client.delete("d")), lambda found: names(address) == [])
check("delete-again", lambda: client.delete("c"), lambda found: True)
check("status-of-none", lambda: refused(lambda: client.get_status("c"), ConnectApiError), bool)
