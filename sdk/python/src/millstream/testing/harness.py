"""The stand-in for the host."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from .. import host as hosts
from .. import log
from ..batch import Table
from ..context import ConnectorContext, SinkContext, SourceContext
from ..errors import LEASE_LOST, FatalError, PluginError, RowError
from ..host import Boundary, TopicOffset, TopicPartition, TopicReport
from ..http import HttpError, Request, Response
from ..offsets import to_json
from ..plugins import PollLimits, SinkConnector, SinkTask, SourceConnector, SourceTask
from ..record import Record, records_of, table_of
from ..running import batch_of
from .columns import FakeColumns
from .database import OpenDatabase, TestDatabase
from .files import OpenFile, TestFile

_METRIC = re.compile("[A-Za-z_][A-Za-z0-9_]{0,99}")
_ENDINGS = ("_total", "_bucket", "_count", "_sum", "_created", "_info")

S = TypeVar("S", bound=SourceConnector[Any] | SinkConnector[Any])
TaskConfig = Mapping[str, str | None]


@dataclass
class SinkRequests:
    """What a sink task has asked of the host."""

    seeks: list[list[TopicOffset]] = field(default_factory=list)
    paused: list[TopicPartition] = field(default_factory=list)
    timeout_ms: int | None = None
    commits: int = 0
    reported: list[RowError] = field(default_factory=list)
    #: Records written to topics, each with the key that names its topic.
    written: list[tuple[str, TopicReport]] = field(default_factory=list)


class SourceRun:
    """A source task under test. What it polls goes through the bytes of a batch, as in a component."""

    def __init__(self, task: SourceTask[Any]) -> None:
        self.task = task

    def poll(self, most_records: int = 1_000, most_bytes: int = 1 << 20, most_wait_ms: int = 1_000) -> list[Record]:
        """The records of one poll."""
        table = self.poll_table(most_records, most_bytes, most_wait_ms)
        return [] if table is None else [record for _, record in records_of(table)]

    def poll_table(
        self, most_records: int = 1_000, most_bytes: int = 1 << 20, most_wait_ms: int = 1_000
    ) -> Table | None:
        """The batch of one poll."""
        well = False
        try:
            made = batch_of(self.task.poll(PollLimits(most_records, most_bytes, most_wait_ms)), type(self.task))
            well = True
        finally:
            self.task.context._transaction.hand_over(well)
        return None if made is None or not made.rows else Table.open(made.write())

    def committed(self, records: Iterable[Record]) -> None:
        """Says that records have ended."""
        table = table_of(records)
        if table is not None:
            self.task.committed(Table.open(table.write()))

    def commit(self) -> None:
        """Says that offsets are stored."""
        self.task.commit()

    def stop(self) -> None:
        """Stops the task."""
        self.task.stop()


class SinkRun:
    """A sink task under test."""

    def __init__(self, task: SinkTask[Any]) -> None:
        self.task = task

    def open(self, *partitions: TopicPartition) -> None:
        """Assigns partitions."""
        self.task.open(list(partitions))

    def put(self, records: Iterable[Record] | Table) -> None:
        """Hands records over."""
        table = records if isinstance(records, Table) else table_of(records)
        self.task.put(Table.open((Table(0) if table is None else table).write()))

    def pre_commit(self, *offsets: TopicOffset) -> list[TopicOffset] | None:
        """Asks which of the offsets may be committed."""
        safe = self.task.pre_commit(list(offsets))
        return None if safe is None else list(safe)

    def close(self, *partitions: TopicPartition) -> None:
        """Revokes partitions."""
        self.task.close(list(partitions))

    def stop(self) -> None:
        """Stops the task."""
        self.task.stop()


class Harness:
    """The host, in a ``with`` block. Its attributes are what a test looks at; clear them as you like."""

    def __init__(self) -> None:
        #: What was logged: levels (``trace`` to ``error``) and lines.
        self.logged: list[tuple[str, str]] = []
        #: How long the plugin has waited, wait by wait, in milliseconds. No time passes in fact.
        self.waits: list[int] = []
        #: How long there will be nothing, as the plugin said, in milliseconds.
        self.rests: list[int] = []
        #: Has every wait return at once, because the task is to stop.
        self.stopping = False
        #: Partitions assigned to the sink task.
        self.assigned: list[TopicPartition] = []
        #: What the sink task has asked for.
        self.sink = SinkRequests()
        #: Tolerates no errors: every report of a sink fails with this.
        self.refuse_reports: PluginError | None = None
        #: How often task configurations were asked to be made anew.
        self.reconfigurations = 0
        #: Errors that the connector has raised.
        self.raised: list[PluginError] = []
        #: Has the source task end its transactions itself.
        self.lets_end_transactions = False
        #: Ends of transactions that the source task has asked for.
        self.boundaries: list[Boundary] = []
        #: What owners of the lease have kept.
        self.kept: dict[str, bytes] = {}
        #: Values of the plugin's own metrics.
        self.metrics: dict[str, float] = {}
        #: How far pieces of work have come: done, total, unit.
        self.progress: dict[str, tuple[float, float | None, str]] = {}
        #: Work on columns that the host does.
        self.column_work = FakeColumns()
        self._epoch = 0
        self._held: int | None = None
        self._files: dict[str, TestFile] = {}
        self._databases: dict[str, TestDatabase] = {}
        self._offsets: dict[str, str] = {}
        self._server: Callable[[Request], Response] | None = None

    def __enter__(self) -> Self:
        if hosts.is_there():
            raise RuntimeError("there is a harness already")
        hosts.become(self)
        log.install()
        log.adopt_level()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        log.uninstall()
        hosts.become(None)

    # ---- what a test prepares

    def file(self, key: str, content: bytes | str = b"") -> TestFile:
        """Puts a file in place that the configuration value of ``key`` is taken to name."""
        file = self._files[key] = TestFile(content)
        return file

    def database(self, key: str) -> TestDatabase:
        """Puts a database in place that the configuration value of ``key`` is taken to name."""
        database = self._databases[key] = TestDatabase()
        return database

    def serve(self, server: Callable[[Request], Response]) -> None:
        """Answers every request of the plugin from now on. ``server`` may raise ``HttpError``."""
        self._server = server

    def store_offset(self, partition: Mapping[str, Any], offset: Mapping[str, Any]) -> None:
        """Stores an offset, as if the worker had stored it before."""
        self._offsets[to_json(dict(partition))] = to_json(dict(offset))

    def take_lease(self) -> None:
        """Another task of the connector obtains the lease: whoever had it before has lost it, and does not know yet."""
        self._epoch += 1

    # ---- what a test starts

    def connector(self, plugin: type[S], config: TaskConfig) -> S:
        """Starts a connector with a configuration as a user writes it."""
        connector = plugin()
        connector.config = plugin.config_class.parse(config)
        connector.context = ConnectorContext()
        connector.start()
        return connector

    def source_task(self, task: type[SourceTask[Any]], config: TaskConfig) -> SourceRun:
        """Starts a source task with a configuration as a user writes it."""
        running = task()
        running.config = task.config_class.parse(config)
        running.context = SourceContext()
        running.start()
        return SourceRun(running)

    def sink_task(self, task: type[SinkTask[Any]], config: TaskConfig) -> SinkRun:
        """Starts a sink task with a configuration as a user writes it."""
        running = task()
        running.config = task.config_class.parse(config)
        running.context = SinkContext()
        running.start()
        return SinkRun(running)

    # ---- the host, as the plugin finds it

    def log_enabled(self, level: str) -> bool:
        return True

    def log(self, level: str, message: str) -> None:
        self.logged.append((level, message))

    def declare_metric(self, name: str, is_counter: bool, help: str) -> None:
        if not _METRIC.fullmatch(name) or name.endswith(_ENDINGS):
            raise FatalError(f"{name!r} cannot be the name of a metric")
        self.metrics.setdefault(name, 0.0)

    def count(self, name: str, more: float) -> None:
        self.declare_metric(name, True, "")
        if not (math.isfinite(more) and more >= 0):
            raise FatalError(f"counter {name} cannot count {more}")
        self.metrics[name] += more

    def gauge(self, name: str, value: float) -> None:
        self.declare_metric(name, False, "")
        if not math.isfinite(value):
            raise FatalError(f"gauge {name} cannot show {value}")
        self.metrics[name] = value

    def report_progress(self, what: str, now: tuple[float, float | None, str] | None) -> None:
        if now is None:
            self.progress.pop(what, None)
        else:
            self.progress[what] = now

    def columns(self) -> FakeColumns:
        return self.column_work

    def wait(self, ms: int) -> bool:
        self.waits.append(ms)
        return self.stopping

    def rest(self, ms: int) -> None:
        self.rests.append(ms)

    def open_file(self, key: str) -> OpenFile | None:
        file = self._files.get(key)
        return None if file is None else OpenFile(file)

    def open_database(self, key: str, options: str) -> OpenDatabase:
        database = self._databases.get(key)
        if database is None:
            raise FatalError(f"key {key} opens no database in this test: harness.database({key!r}) puts one there")
        return OpenDatabase(database, options)

    def start_request(self, request: Request) -> Answered:
        if self._server is None:
            return Answered(HttpError("connect", "nobody answers: harness.serve() makes a server"))
        try:
            return Answered(self._server(request))
        except HttpError as error:
            return Answered(error)

    def obtain_lease(self) -> int:
        if self._held != self._epoch or self._held == 0:
            self._epoch += 1
            self._held = self._epoch
        return self._epoch

    def confirm_lease(self, epoch: int) -> None:
        if self._held != epoch or self._epoch != epoch:
            message = f"the task does not own the lease in epoch {epoch}: epoch {self._epoch} is the last"
            raise FatalError(message, java_class=LEASE_LOST)

    def kept_keys(self) -> list[str]:
        return sorted(self.kept)

    def read_kept(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.kept.get(key) for key in keys]

    def write_kept(self, epoch: int, changes: Sequence[tuple[str, bytes | None]]) -> None:
        self.confirm_lease(epoch)
        for key, value in changes:
            if value is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = value

    def read_offsets(self, partitions: Sequence[str]) -> list[str | None]:
        return [self._offsets.get(partition) for partition in partitions]

    def ends_transactions(self) -> bool:
        return self.lets_end_transactions

    def set_boundaries(self, boundaries: Sequence[Boundary]) -> None:
        self.boundaries.extend(boundaries)

    def request_task_reconfiguration(self) -> None:
        self.reconfigurations += 1

    def raise_error(self, error: PluginError) -> None:
        self.raised.append(error)

    def assignment(self) -> list[TopicPartition]:
        return list(self.assigned)

    def seek(self, offsets: Sequence[TopicOffset]) -> None:
        self.sink.seeks.append(list(offsets))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._check_assigned(partitions)
        self.sink.paused.extend(partitions)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self._check_assigned(partitions)
        self.sink.paused = [paused for paused in self.sink.paused if paused not in partitions]

    def _check_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            if partition not in self.assigned:
                raise FatalError(
                    f"partition {partition.topic}-{partition.partition} is not assigned to this task",
                    java_class="org.apache.kafka.connect.errors.IllegalWorkerStateException",
                )

    def timeout(self, ms: int) -> None:
        self.sink.timeout_ms = ms

    def request_commit(self) -> None:
        self.sink.commits += 1

    def report(self, errors: Sequence[RowError]) -> None:
        if self.refuse_reports is not None:
            raise self.refuse_reports.copy()
        self.sink.reported.extend(errors)

    def write_reports(self, key: str, reports: Sequence[TopicReport]) -> None:
        self.sink.written.extend((key, report) for report in reports)


class Answered:
    """A request of a test: it is answered at once."""

    def __init__(self, answer: Response | HttpError) -> None:
        self.answer = answer

    def wait(self) -> Response | HttpError:
        return self.answer

    def close(self) -> None:
        pass
