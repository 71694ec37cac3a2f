"""The worker as a component reaches it: the imports of the contract behind ``millstream.host.Host``."""

from collections.abc import Callable, Sequence
from typing import Any

from componentize_py_types import Err
from millstream_http import FailedRequest, WitAnswer, send
from millstream_resource import Closing
from millstream import errors
from millstream.host import Boundary, TopicOffset, TopicPartition, TopicReport
from millstream.http import HttpError, Request
from wit_world.imports import (
    host_columns,
    host_connector,
    host_files,
    host_lease,
    host_log,
    host_metrics,
    host_report,
    host_sink,
    host_source,
    host_sql,
    host_transaction,
    host_wait,
)
from wit_world.imports import millstream_connect_types as types

_KINDS = {
    types.ErrorKind.RETRIABLE: "retriable",
    types.ErrorKind.DATA: "data",
    types.ErrorKind.CONFIG: "config",
    types.ErrorKind.FATAL: "fatal",
}
_LOWERED_KINDS = {name: kind for kind, name in _KINDS.items()}
_LEVELS = {level.name.lower(): level for level in host_log.Level}


def lift_error(error: Any) -> errors.PluginError:
    """An error of the contract as an exception of the SDK."""
    return errors.of_kind(_KINDS[error.kind], error.message, java_class=error.class_, causes=error.causes)


def asked(work: Callable[..., Any], *arguments: Any) -> Any:
    """Calls the host; what it reports is raised."""
    try:
        return work(*arguments)
    except Err as error:
        raised = lift_error(error.value)
    raise raised


def wide(number: int) -> types.Wide:
    """A 64-bit number in its two halves."""
    return types.Wide(number >> 32 & 0xFFFF_FFFF, number & 0xFFFF_FFFF)


def whole(wide: Any) -> int:
    """A 64-bit number from its two halves."""
    return int(wide.high) << 32 | int(wide.low)


def lower_partitions(partitions: Sequence[TopicPartition]) -> list[Any]:
    return [types.TopicPartition(topic, partition) for topic, partition in partitions]


class WitFile(Closing):
    """``millstream.host.FileHandle``."""

    def read(self, most: int) -> bytes:
        return bytes(asked(self._open().read, most))

    def size(self) -> int | None:
        found = asked(self._open().size)
        return None if found is None else whole(found)

    def seek(self, position: int) -> None:
        asked(self._open().seek, wide(position))

    def write(self, data: bytes) -> None:
        asked(self._open().write, data)

    def truncate(self, length: int) -> None:
        asked(self._open().truncate, wide(length))

    def sync(self) -> None:
        asked(self._open().sync)

    def ends_rest(self) -> bool:
        return bool(self._open().ends_rest())


class WitRows(Closing):
    """``millstream.host.RowsHandle``."""

    def next(self, most_rows: int, most_bytes: int) -> bytes | None:
        found: bytes | None = asked(self._open().next, most_rows, most_bytes)
        return found


class WitStatement(Closing):
    """``millstream.host.StatementHandle``."""

    def run(self, records: bytes | None, only: bytes | None) -> tuple[int, list[errors.RowError]]:
        done = asked(self._open().run, records, only)
        refused = []
        for row in done.errors:
            error = errors.of_kind(_KINDS[row.kind], row.message, java_class=row.class_)
            error.field = row.field
            refused.append(errors.RowError(row.row, error))
        return whole(done.changed), refused


class WitDatabase(Closing):
    """``millstream.host.DatabaseHandle``."""

    def __getattr__(self, name: str) -> Any:
        # about, now, tables, table, check, begin, commit, rollback, listen, notifications: texts in, texts out.
        method = getattr(self._open(), name)
        return lambda *arguments: asked(method, *arguments)

    def query(self, sql: str, parameters: Sequence[Any], options: str) -> WitRows:
        return WitRows(asked(self._open().query, sql, [host_sql.Parameter(*one) for one in parameters], options))

    def execute(self, sql: str, parameters: Sequence[Any]) -> int:
        return whole(asked(self._open().execute, sql, [host_sql.Parameter(*one) for one in parameters]))

    def prepare(self, sql: str, bindings: str) -> WitStatement:
        return WitStatement(asked(self._open().prepare, sql, bindings))


class WitHost:
    """``millstream.host.Host``."""

    def log_enabled(self, level: str) -> bool:
        return host_log.enabled(_LEVELS[level])

    def log(self, level: str, message: str) -> None:
        host_log.log(_LEVELS[level], message)

    def declare_metric(self, name: str, is_counter: bool, help: str) -> None:
        kind = host_metrics.MetricKind.COUNTER if is_counter else host_metrics.MetricKind.GAUGE
        asked(host_metrics.declare, name, kind, help)

    def count(self, name: str, more: float) -> None:
        asked(host_metrics.count, name, more)

    def gauge(self, name: str, value: float) -> None:
        asked(host_metrics.gauge, name, value)

    def report_progress(self, what: str, now: tuple[float, float | None, str] | None) -> None:
        asked(host_metrics.report_progress, what, None if now is None else host_metrics.Progress(*now))

    def columns(self) -> Callable[..., Any]:
        return column_work

    def wait(self, ms: int) -> bool:
        return host_wait.wait(ms)

    def rest(self, ms: int) -> None:
        host_wait.rest(ms)

    def open_file(self, key: str) -> WitFile | None:
        found = asked(host_files.File.open, key)
        return None if found is None else WitFile(found)

    def open_database(self, key: str, options: str) -> WitDatabase:
        return WitDatabase(asked(host_sql.Database.open, key, options))

    def start_request(self, request: Request) -> WitAnswer | FailedRequest:
        try:
            return WitAnswer(send(request))
        except HttpError as error:
            return FailedRequest(error)

    def obtain_lease(self) -> int:
        return whole(asked(host_lease.obtain))

    def confirm_lease(self, epoch: int) -> None:
        asked(host_lease.confirm, wide(epoch))

    def kept_keys(self) -> list[str]:
        return list(asked(host_lease.keys))

    def read_kept(self, keys: Sequence[str]) -> list[bytes | None]:
        return list(asked(host_lease.read, list(keys)))

    def write_kept(self, epoch: int, changes: Sequence[tuple[str, bytes | None]]) -> None:
        asked(host_lease.write, wide(epoch), [host_lease.KeyChange(key, value) for key, value in changes])

    def read_offsets(self, partitions: Sequence[str]) -> list[str | None]:
        return list(asked(host_source.read_offsets, list(partitions)))

    def ends_transactions(self) -> bool:
        return host_transaction.available()

    def set_boundaries(self, boundaries: Sequence[Boundary]) -> None:
        ending = host_transaction.Ending
        lowered = [
            host_transaction.Boundary(one.behind, ending.COMMIT if one.commit else ending.ABORT) for one in boundaries
        ]
        host_transaction.set_boundaries(lowered)

    def request_task_reconfiguration(self) -> None:
        host_connector.request_task_reconfiguration()

    def raise_error(self, error: errors.PluginError) -> None:
        from millstream_exports import lower_error

        host_connector.raise_error(lower_error(errors.of_call(error)))

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition) for one in host_sink.assignment()]

    def seek(self, offsets: Sequence[TopicOffset]) -> None:
        host_sink.seek([types.TopicOffset(topic, partition, wide(offset)) for topic, partition, offset in offsets])

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        asked(host_sink.pause, lower_partitions(partitions))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        asked(host_sink.resume, lower_partitions(partitions))

    def timeout(self, ms: int) -> None:
        host_sink.timeout(ms)

    def request_commit(self) -> None:
        host_sink.request_commit()

    def report(self, failed: Sequence[errors.RowError]) -> None:
        from millstream_exports import lower_row_error

        asked(host_sink.report, [lower_row_error(error, 0) for error in failed])

    def write_reports(self, key: str, reports: Sequence[TopicReport]) -> None:
        asked(host_report.write, key, [host_report.Report(one.key, one.value, list(one.headers)) for one in reports])


def column_work(name: str, *arguments: Any) -> Any:
    """``millstream.host.ColumnWork``: a function of ``host-columns``, by its name."""
    if name == "fail":
        table, messages, link, kind, java_class = arguments
        arguments = (table, messages, link, _LOWERED_KINDS[kind], java_class)
    done = asked(getattr(host_columns, name), *arguments)
    return (done.column, done.failed) if isinstance(done, host_columns.Made) else done
