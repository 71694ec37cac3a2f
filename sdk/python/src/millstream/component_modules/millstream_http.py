"""Requests as a component sends them: through ``wasi:http``."""

from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from millstream.http import HttpError, Request, Response, parts
from millstream_resource import Closing
from wit_world.imports import outgoing_handler, streams, wasi_http_types

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


class WitAnswer(Closing):
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


def send(request: Request) -> Any:
    """Begins a request. Raises ``HttpError`` if it is none, or may not be sent."""
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
