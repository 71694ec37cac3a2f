"""The exported interface ``sink-api``."""

import json
from typing import Any, Self

from millstream.host import TopicOffset, TopicPartition
from millstream.plugins import SinkConnector as Plugin
from millstream.running import Connector, SinkTaskRun
from millstream_exports import called, lower_config, partitions
from millstream_host import whole, wide
from wit_world.exports import sink_api
from wit_world.imports import millstream_connect_types as types

Config = list[tuple[str, str | None]]


def _offset(found: Any) -> TopicOffset:
    return TopicOffset(found.topic, found.partition, whole(found.offset))


class SinkConnector(sink_api.SinkConnector):
    """A sink connector as the host holds it."""

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

    def alter_offsets(self, config: Config, offsets: list[tuple[Any, Any]]) -> bool:
        lifted = [
            (TopicPartition(at.topic, at.partition), None if new is None else _offset(new)) for at, new in offsets
        ]
        return called(self.connector.alter_offsets, dict(config), lifted)


class SinkTask(sink_api.SinkTask):
    """A sink task as the host holds it."""

    def __init__(self, task: SinkTaskRun) -> None:
        self.task = task

    @classmethod
    def create(cls, class_: str) -> Self:
        return cls(called(SinkTaskRun, class_))

    def start(self, config: Config) -> None:
        called(self.task.start, dict(config))

    def open(self, assigned: list[Any]) -> None:
        called(self.task.open, partitions(assigned))

    def put(self, records: bytes) -> None:
        called(self.task.put, records)

    def pre_commit(self, offsets: list[Any]) -> list[Any] | None:
        safe = called(self.task.pre_commit, [_offset(one) for one in offsets])
        if safe is None:
            return None
        return [types.TopicOffset(topic, partition, wide(offset)) for topic, partition, offset in safe]

    def close(self, revoked: list[Any]) -> None:
        called(self.task.close, partitions(revoked))

    def stop(self) -> None:
        called(self.task.stop)
