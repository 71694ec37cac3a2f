"""Plugins at work: their instances, called with bytes and plain values. The component and the harness both go this way.

Converters are in ``converting``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .batch import Table, bits
from .columns import ColumnPredicate, ColumnTransform, HostTable, coalesce
from .component import find
from .context import ConnectorContext, SinkContext, SourceContext
from .errors import FatalError, RowError
from .host import TopicOffset, TopicPartition, host
from .host_tables import JudgedTable, LocalTable
from .plugins import (
    PollLimits,
    Predicate,
    RowPredicate,
    RowTransform,
    SinkConnector,
    SourceConnector,
    Support,
    Transform,
)
from .record import Reader, table_of
from .records import Records

Entries = Mapping[str, str | None]
#: A row's failure with the number of the link it failed in.
Failure = tuple[int, RowError]


def made(plugin: type[Any], config: Entries, **attributes: Any) -> Any:
    """An instance of a transform, predicate or converter with its configuration."""
    instance = plugin()
    instance.config = plugin.config_class.parse(config)
    for name, value in attributes.items():
        setattr(instance, name, value)
    instance.configure()
    return instance


# ---- connectors


class Connector:
    """A source or sink connector."""

    def __init__(self, class_name: str, kind: type[SourceConnector[Any]] | type[SinkConnector[Any]]) -> None:
        self.plugin = find(class_name, kind)
        self.running: Any = None

    def validate(self, config: Entries) -> list[tuple[str, list[str]]]:
        """Keys at fault with what is wrong with them."""
        found: dict[str, list[str]] = {}
        own = self.plugin.validate(config)
        for key, text in [*self.plugin.config_class.problems(config), *own]:
            found.setdefault(key, []).append(text)
        return list(found.items())

    def start(self, config: Entries) -> None:
        connector = self.plugin()
        connector.config = self.plugin.config_class.parse(config)
        connector.context = ConnectorContext()
        connector.start()
        self.running = connector

    def task_configs(self, max_tasks: int) -> list[dict[str, str | None]]:
        configs = started(self.running).task_configs(max_tasks)
        return [_task_config(config) for config in configs]

    def stop(self) -> None:
        if self.running is not None:
            connector, self.running = self.running, None
            connector.stop()

    def alter_offsets(self, config: Entries, offsets: Sequence[tuple[Any, Any]]) -> bool:
        return bool(self.plugin.alter_offsets(config, offsets))

    def exactly_once_support(self, config: Entries) -> Support:
        return Support(self.plugin.exactly_once_support(config))

    def can_define_transaction_boundaries(self, config: Entries) -> Support:
        return Support(self.plugin.can_define_transaction_boundaries(config))


def _task_config(config: Any) -> dict[str, str | None]:
    if not isinstance(config, Mapping):
        raise TypeError(f"task_configs returns dicts, but a {type(config).__name__} is among them")
    for key, value in config.items():
        if not isinstance(key, str) or not (value is None or isinstance(value, str)):
            raise TypeError(f"a configuration of a task has texts only, but {key!r} is {value!r}")
    return dict(config)


def started(running: Any) -> Any:
    """What ``start`` has made."""
    if running is None:
        raise FatalError("called before it was started", java_class="java.lang.IllegalStateException")
    return running


# ---- tasks


class SourceTaskRun:
    """A source task."""

    def __init__(self, class_name: str) -> None:
        self.plugin = find(class_name, SourceConnector).task
        self.running: Any = None

    def start(self, config: Entries) -> None:
        task = self.plugin()
        task.config = self.plugin.config_class.parse(config)
        task.context = SourceContext()
        task.start()
        self.running = task

    def poll(self, limits: PollLimits) -> bytes | None:
        task = started(self.running)
        well = False
        try:
            table = batch_of(task.poll(limits), type(task))
            data = table.write() if table is not None and table.rows else None
            well = True
        finally:
            task.context._transaction.hand_over(well)
        return data

    def committed(self, rows: bytes) -> None:
        started(self.running).committed(Table.open(rows))

    def commit(self) -> None:
        started(self.running).commit()

    def stop(self) -> None:
        if self.running is not None:
            task, self.running = self.running, None
            task.stop()


def batch_of(polled: Any, task: type) -> Table | None:
    """What ``poll`` of a task returned, as a batch."""
    if polled is None or isinstance(polled, Table):
        return polled
    if isinstance(polled, (str, bytes, dict)) or not isinstance(polled, Iterable):
        found = type(polled).__name__
        raise TypeError(f"poll returns records, a Table or None, but that of {_named(task)} returned a {found}")
    return table_of(polled)


def _named(plugin: type) -> str:
    """A class of the author's, with its file."""
    path = getattr(sys.modules.get(plugin.__module__), "__file__", None)
    return f"{plugin.__name__} in {os.path.basename(path)}" if path else plugin.__name__


class SinkTaskRun:
    """A sink task."""

    def __init__(self, class_name: str) -> None:
        self.plugin = find(class_name, SinkConnector).task
        self.running: Any = None

    def start(self, config: Entries) -> None:
        task = self.plugin()
        task.config = self.plugin.config_class.parse(config)
        task.context = SinkContext()
        task.start()
        self.running = task

    def open(self, partitions: list[TopicPartition]) -> None:
        started(self.running).open(partitions)

    def put(self, records: bytes) -> None:
        started(self.running).put(Table.open(records))

    def pre_commit(self, offsets: list[TopicOffset]) -> list[TopicOffset] | None:
        safe = started(self.running).pre_commit(offsets)
        return None if safe is None else [TopicOffset(*offset) for offset in safe]

    def close(self, partitions: list[TopicPartition]) -> None:
        started(self.running).close(partitions)

    def stop(self) -> None:
        if self.running is not None:
            task, self.running = self.running, None
            task.stop()


# ---- predicates


def judge(predicate: Predicate[Any] | RowPredicate[Any] | ColumnPredicate[Any], records: Records) -> bytes:
    """A byte per row, 1 where the predicate holds. Rows that cannot be judged are among the records' errors."""
    if isinstance(predicate, RowPredicate):
        return _judge_rows(predicate, records)
    if isinstance(predicate, ColumnPredicate):
        table = LocalTable(records)
        flags = bytes(map(bool, predicate.test(table).booleans()))
        table.report()
        return flags
    flags = bytes(map(bool, predicate.test(records)))
    if len(flags) != records.rows:
        raise ValueError(f"test returned {len(flags)} answers for {records.rows} rows")
    return flags


def _judge_rows(predicate: RowPredicate[Any], records: Records) -> bytes:
    flags = bytearray(records.rows)
    reader = Reader(records)
    for row in list(records.active_rows()):
        try:
            flags[row] = bool(predicate.test(reader.record(row)))
        except Exception as error:
            records.fail(row, error)
    return bytes(flags)


class PredicateRun:
    """A predicate by itself."""

    def __init__(self, class_name: str, config: Entries) -> None:
        self.predicate = made(find(class_name, PREDICATES), config)

    def test(self, data: bytes) -> tuple[bytes, list[RowError]]:
        """A bitmap, and the rows that could not be judged."""
        if not data and isinstance(self.predicate, ColumnPredicate):
            judged = JudgedTable.input()
            holds = self.predicate.test(judged)
            failed = coalesce(*judged.failed).number if judged.failed else None
            host().columns()("answer_verdict", holds.number, failed)
            return b"", []
        records = Records(Table.open(data))
        flags = judge(self.predicate, records)
        return bits.pack(flags), [error for _, error in records.errors]


# ---- chains of transforms


@dataclass(frozen=True)
class Condition:
    """Where a transform is applied: where the predicate holds, or with ``negate`` where it does not."""

    class_name: str
    config: Entries
    negate: bool = False


@dataclass(frozen=True)
class Link:
    """What a link of a chain is to be made of."""

    class_name: str
    config: Entries
    condition: Condition | None = None


class LinkFailed(Exception):
    """A link of a chain that cannot be made; its error is the cause."""

    def __init__(self, link: int) -> None:
        super().__init__(f"link {link} cannot be made")
        self.link = link


class Chain:
    """Transforms that run one after the other over each batch."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links: list[tuple[Any, Any, bool]] = []
        for number, link in enumerate(links):
            try:
                transform = made(find(link.class_name, TRANSFORMS), link.config)
                condition = link.condition
                predicate = None
                if condition is not None:
                    predicate = made(find(condition.class_name, PREDICATES), condition.config)
            except Exception as error:
                raise LinkFailed(number) from error
            self.links.append((transform, predicate, condition is not None and condition.negate))

    def apply(self, data: bytes, only: bytes | None) -> tuple[bytes | None, list[Failure]]:
        """Runs the chain over the selected rows, or over those of them that are in the bitmap ``only``.

        Returns the batch if it was changed, and the rows that failed, each with the number of its link. Where all work is
        the host's there are no bytes, and the host has the answer already.
        """
        if not data:
            self.run_columns()
            return None, []
        table = Table.open(data)
        records = self.run(table, None if only is None else bits.unpack(only, table.rows))
        return (records.write() if records.changed else None), records.errors

    def run(self, table: Table, only: bytes | None) -> Records:
        """As ``apply``, with a byte per row instead of bits."""
        records = Records(table)
        for number, (transform, predicate, negate) in enumerate(self.links):
            active = None
            if only is not None:
                # It is about the rows that came in; rows may have become several since.
                active = bytes([only[records.input_of(row)] for row in range(records.rows)])
            records.limit(active, number)
            if predicate is not None:
                holds = judge(predicate, records)
                allowed = active or b"\1" * records.rows
                active = bytes([a and h != negate for a, h in zip(allowed, holds)])
                records.limit(active, number)
            if isinstance(transform, RowTransform):
                records.replace_each(transform.apply)
            elif isinstance(transform, ColumnTransform):
                local = LocalTable(records)
                transform.apply(local)
                local.adopt()
            else:
                transform.apply(records)
        records.limit(None, 0)
        return records


    def run_columns(self) -> None:
        """Runs a chain whose work is the host's."""
        table = HostTable.input()
        for table.link, (transform, predicate, negate) in enumerate(self.links):
            if predicate is not None:
                holds = predicate.test(table)
                table.focus(~holds if negate else holds)
            transform.apply(table)
            table.focus(None)
        table.answer()


#: What can be a link of a chain, and its condition.
TRANSFORMS = (Transform, RowTransform, ColumnTransform)
PREDICATES = (Predicate, RowPredicate, ColumnPredicate)
