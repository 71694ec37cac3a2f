"""Every verb of kpops' client and handler against the worker at sys.argv[1]; prints [verb, ending, words] for each."""

import asyncio
import contextlib
import pathlib
import sys

from kpops.component_handlers.kafka_connect.exception import ConnectorNotFoundException, KafkaConnectError
from kpops.component_handlers.kafka_connect.kafka_connect_api import KafkaConnect
from kpops.component_handlers.kafka_connect.kafka_connect_handler import KafkaConnectHandler
from kpops.component_handlers.kafka_connect.model import ConnectorNewState, KafkaConnectorConfig
from kpops.config import KafkaConnectConfig

from rest_checks import check, names, refused, until

address, folder = sys.argv[1], pathlib.Path(sys.argv[2])
(folder / "in.txt").write_text("one\ntwo\n")
# One loop for all verbs: the client's connections belong to it.
loop = asyncio.new_event_loop()
client = KafkaConnect(KafkaConnectConfig(url=address, timeout=90))
handler = KafkaConnectHandler(client)
CLASS = "org.apache.kafka.connect.file.FileStreamSourceConnector"


def config(name="c", **more):
    return KafkaConnectorConfig(**{"connector.class": CLASS, "name": name, "tasks.max": 1, "file": str(folder / "in.txt"), "topic": "lines", **more})


def await_(call):
    """Runs a verb to its end; what the client logs must not stand among the results."""
    with contextlib.redirect_stdout(sys.stderr):
        return loop.run_until_complete(call)


def state(name="c"):
    return str(await_(client.get_connector_status(name)).connector.state)


def handled(state, **options):
    return lambda: await_(handler.create_connector(config(**options), state=state, dry_run=False))


check("create", lambda: await_(client.create_connector(config())), lambda found: found.name == "c" and found.type == "source")
until(address, "c", "RUNNING")
check("get", lambda: await_(client.get_connector("c")), lambda found: [task.task for task in found.tasks] == [0])
check("status", lambda: await_(client.get_connector_status("c")), lambda found: found.tasks[0].state == "RUNNING")
check("update", lambda: await_(client.update_connector_config(config(**{"batch.size": 7}))), lambda found: found.config.model_dump()["batch.size"] == "7")
check("update-wrong", lambda: refused(lambda: await_(client.update_connector_config(config(topic=""))), KafkaConnectError), bool)
check("validate", lambda: await_(client.validate_connector_config(config("d"))), lambda found: found == [])
check("validate-wrong", lambda: await_(client.validate_connector_config(config("d", **{"tasks.max": 0}))), lambda found: len(found) == 1)
check("pause", lambda: until(address, "c", "PAUSED", lambda: await_(client.pause_connector("c"))), lambda found: True)
check("resume", lambda: until(address, "c", "RUNNING", lambda: await_(client.resume_connector("c"))), lambda found: True)
check("reset-of-running", lambda: refused(lambda: await_(client.reset_offset("c")), KafkaConnectError), bool)
check("stop", lambda: until(address, "c", "STOPPED", lambda: await_(client.stop_connector("c"))), lambda found: True)
check("reset", lambda: await_(client.reset_offset("c")), lambda found: True)
check("handler-resume", lambda: until(address, "c", "RUNNING", handled(ConnectorNewState.RUNNING)), lambda found: True)
check("handler-pause", lambda: until(address, "c", "PAUSED", handled(ConnectorNewState.PAUSED)), lambda found: True)
check("handler-create-paused", lambda: until(address, "d", "PAUSED", handled(ConnectorNewState.PAUSED, name="d")), lambda found: names(address) == ["c", "d"])
check("handler-dry-run", lambda: await_(handler.create_connector(config("e"), state=None, dry_run=True)), lambda found: names(address) == ["c", "d"])
check("handler-reset", lambda: await_(handler.reset_connector(config("d"), dry_run=False)), lambda found: names(address) == ["c", "d"])
check("handler-reset-of-none", lambda: await_(handler.reset_connector(config("e"), dry_run=False)), lambda found: names(address) == ["c", "d"])
check("handler-destroy", lambda: await_(handler.destroy_connector("d", dry_run=False)), lambda found: names(address) == ["c"])
check("delete", lambda: await_(client.delete_connector("c")), lambda found: names(address) == [])
for verb, call in [("get", client.get_connector), ("status", client.get_connector_status), ("delete", client.delete_connector), ("reset", client.reset_offset)]:
    check(f"{verb}-of-none", lambda: refused(lambda: await_(call("none")), ConnectorNotFoundException), bool)
