"""The worker as a component reaches it: the imports of the contract behind ``millstream.host.Host``."""

from collections.abc import Callable, Sequence
from typing import Any

from componentize_py_types import Err
from millstream import errors
from millstream.host import Boundary, TopicOffset, TopicPartition, TopicReport
from millstream.http import HttpError, Request, Response, parts
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
    outgoing_handler,
    streams,
    wasi_http_types,
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


class _Closing:
    """A resource of the host, given back once."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource

    def close(self) -> None:
        resource, self.resource = self.resource, None
        if resource is not None:
            resource.__exit__(None, None, None)

    def _open(self) -> Any:
        if self.resource is None:
            raise errors.FatalError("it is closed already")
        return self.resource


class WitFile(_Closing):
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


class WitRows(_Closing):
    """``millstream.host.RowsHandle``."""

    def next(self, most_rows: int, most_bytes: int) -> bytes | None:
        found: bytes | None = asked(self._open().next, most_rows, most_bytes)
        return found


class WitStatement(_Closing):
    """``millstream.host.StatementHandle``."""

    def run(self, records: bytes | None, only: bytes | None) -> tuple[int, list[errors.RowError]]:
        done = asked(self._open().run, records, only)
        refused = []
        for row in done.errors:
            error = errors.of_kind(_KINDS[row.kind], row.message, java_class=row.class_)
            error.field = row.field
            refused.append(errors.RowError(row.row, error))
        return whole(done.changed), refused


class WitDatabase(_Closing):
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

    def start_request(self, request: Request) -> "WitAnswer | FailedRequest":
        try:
            return WitAnswer(_send(request))
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


# ---- HTTP

_READ = 1 << 20
_METHODS = {
    "GET": wasi_http_types.Method_Get,
    "HEAD": wasi_http_types.Method_Head,
    "POST": wasi_http_types.Method_Post,
    "PUT": wasi_http_types.Method_Put,
    "DELETE": wasi_http_types.Method_Delete,
    "PATCH": wasi_http_types.Method_Patch,
    "OPTIONS": wasi_http_types.Method_Options,
}


class FailedRequest:
    """A request that could not even begin."""

    def __init__(self, error: HttpError) -> None:
        self.error = error

    def wait(self) -> HttpError:
        return self.error

    def close(self) -> None:
        pass


class WitAnswer(_Closing):
    """A request under way."""

    def wait(self) -> Response | HttpError:
        try:
            return _answer(self._open())
        except HttpError as error:
            return error
        finally:
            self.close()


def _checked(request: Request, what: str, work: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return work(*arguments)
    except Err as error:
        failed = HttpError("invalid", f"{request.method} {request.url}: {what}")
        failed.__cause__ = error
    raise failed


def _send(request: Request) -> Any:
    found = parts(request.url)
    if found is None:
        raise HttpError("invalid", f"{request.method} {request.url}: it is no URL of HTTP")
    is_secure, authority, path = found
    pairs = [(name, value.encode()) for name, value in request.header_list()]
    fields = _checked(request, "a header is wrong", wasi_http_types.Fields.from_list, pairs)
    outgoing = wasi_http_types.OutgoingRequest(fields)
    known = _METHODS.get(request.method)
    method = wasi_http_types.Method_Other(request.method) if known is None else known()
    scheme = wasi_http_types.Scheme_Https() if is_secure else wasi_http_types.Scheme_Http()
    _checked(request, "it is no method", outgoing.set_method, method)
    _checked(request, "its scheme is wrong", outgoing.set_scheme, scheme)
    _checked(request, "its host is wrong", outgoing.set_authority, authority)
    encoded = "its path or query has characters that have to be encoded"
    _checked(request, encoded, outgoing.set_path_with_query, path)
    options = None
    if request.timeout is not None:
        options = wasi_http_types.RequestOptions()
        try:
            options.set_first_byte_timeout(min(int(request.timeout * 1_000_000_000), (1 << 64) - 1))
        except Err:
            pass  # A host that knows no such limit has one of its own.
    if not request.body:
        return _handled(outgoing, options)
    body = _checked(request, "it has two bodies", outgoing.body)
    stream = _checked(request, "its body is written twice", body.write)
    future = _handled(outgoing, options)
    # A host that has given the request up takes no more of it; the future says why.
    try:
        _write(stream, bytes(request.body))
        written = True
    except Err:
        written = False
    stream.__exit__(None, None, None)
    if written:
        try:
            wasi_http_types.OutgoingBody.finish(body, None)
        except Err:
            pass
    return future


def _handled(outgoing: Any, options: Any) -> Any:
    try:
        return outgoing_handler.handle(outgoing, options)
    except Err as error:
        failed = _of_code(error.value)
    raise failed


def _write(stream: Any, data: bytes) -> None:
    at = 0
    while at < len(data):
        room = stream.check_write()
        if room == 0:
            ready = stream.subscribe()
            ready.block()
            ready.__exit__(None, None, None)
            continue
        end = min(len(data), at + room)
        stream.write(data[at:end])
        at = end
    stream.flush()


def _answer(future: Any) -> Response:
    ready = future.subscribe()
    ready.block()
    ready.__exit__(None, None, None)
    outer = future.get()
    if outer is None or isinstance(outer, Err):
        raise HttpError("cut", "the host has lost the answer")
    inner = outer.value
    if isinstance(inner, Err):
        raise _of_code(inner.value)
    incoming = inner.value
    status = incoming.status()
    fields = incoming.headers()
    headers = [(name.lower(), bytes(value)) for name, value in fields.entries()]
    fields.__exit__(None, None, None)
    body = incoming.consume()
    stream = body.stream()
    try:
        return Response(status, _read(stream), headers)
    finally:
        for resource in (stream, body, incoming):
            resource.__exit__(None, None, None)


def _read(stream: Any) -> bytes:
    found = []
    while True:
        try:
            found.append(bytes(stream.blocking_read(_READ)))
        except Err as error:
            if isinstance(error.value, streams.StreamError_Closed):
                return b"".join(found)
            inner = error.value.value
            break
    code = wasi_http_types.http_error_code(inner)
    if code is not None:
        raise _of_code(code)
    # What breaks off within a body comes as text alone.
    raise HttpError.of_host(inner.to_debug_string().removeprefix("internal error: "))


def _of_code(code: Any) -> HttpError:
    if isinstance(code, wasi_http_types.ErrorCode_InternalError) and code.value:
        return HttpError.of_host(code.value)
    return HttpError("cut", type(code).__name__.removeprefix("ErrorCode_"))
