"""The exported interface ``source-api``."""

import json
from typing import Any, Self

from millstream.offsets import from_json
from millstream.plugins import PollLimits
from millstream.plugins import SourceConnector as Plugin
from millstream.running import Connector, SourceTaskRun
from millstream_exports import called, lower_config, lower_support
from wit_world.exports import source_api

Config = list[tuple[str, str | None]]


class SourceConnector(source_api.SourceConnector):
    """A source connector as the host holds it."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector

    @classmethod
    def create(cls, class_: str) -> Self:
        return cls(called(Connector, class_, Plugin))

    def validate(self, config: Config) -> str:
        problems = called(self.connector.validate, dict(config))
        return json.dumps([{"name": key, "errors": texts} for key, texts in problems])

    def start(self, config: Config) -> None:
        called(self.connector.start, dict(config))

    def task_configs(self, max_tasks: int) -> list[Config]:
        return [lower_config(config) for config in called(self.connector.task_configs, max_tasks)]

    def stop(self) -> None:
        called(self.connector.stop)

    def exactly_once_support(self, config: Config) -> source_api.Support:
        return lower_support(called(self.connector.exactly_once_support, dict(config)))

    def can_define_transaction_boundaries(self, config: Config) -> source_api.Support:
        return lower_support(called(self.connector.can_define_transaction_boundaries, dict(config)))

    def alter_offsets(self, config: Config, offsets: list[tuple[str, str | None]]) -> bool:
        return called(self._alter_offsets, dict(config), offsets)

    def _alter_offsets(self, config: Any, offsets: list[tuple[str, str | None]]) -> bool:
        lifted = [(from_json(partition), None if at is None else from_json(at)) for partition, at in offsets]
        return self.connector.alter_offsets(config, lifted)


class SourceTask(source_api.SourceTask):
    """A source task as the host holds it."""

    def __init__(self, task: SourceTaskRun) -> None:
        self.task = task

    @classmethod
    def create(cls, class_: str) -> Self:
        return cls(called(SourceTaskRun, class_))

    def start(self, config: Config) -> None:
        called(self.task.start, dict(config))

    def poll(self, limits: source_api.PollLimits) -> bytes | None:
        own = PollLimits(limits.max_records, limits.max_bytes, limits.max_wait_ms)
        return called(self.task.poll, own)

    def committed(self, rows: bytes) -> None:
        called(self.task.committed, rows)

    def commit(self) -> None:
        called(self.task.commit)

    def stop(self) -> None:
        called(self.task.stop)
