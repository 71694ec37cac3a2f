"""HTTP requests to servers that configuration keys name.

A key that opens a server (``Opens.http_url``) lets the plugin send requests to the origin of its value. Who sends them,
the host adds: passwords, tokens, keys and certificates never reach the plugin. A request begins when it is started, so
that several can be under way at a time::

    pending = [Request("POST", url, body=body).start() for body in bodies]
    answers = [one.wait() for one in pending]
"""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from .errors import ConfigError, FatalError, PluginError, RetriableError
from .host import PendingAnswer, host

#: Reasons for which the same will fail again.
_LASTING = frozenset({"denied", "config", "auth", "too-large", "invalid"})
_CAUSES = frozenset(
    {"denied", "config", "dns", "connect", "proxy", "tls", "auth", "timeout", "cut", "too-large", "busy", "stopping"}
)


class HttpError(Exception):
    """A request without an answer.

    ``cause`` is one of ``denied`` (neither configuration nor worker allow it), ``config``, ``dns``, ``connect``, ``proxy``,
    ``tls``, ``auth``, ``timeout``, ``cut`` (the connection ended too early, or something else than HTTP came),
    ``too-large``, ``busy``, ``stopping`` (the task is asked to stop) and ``invalid`` (the request itself is none).
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message

    @staticmethod
    def of_host(text: str) -> HttpError:
        """Reads what a host says, whose first word is the cause."""
        word, colon, rest = text.partition(": ")
        return HttpError(word, rest) if colon and word in _CAUSES else HttpError("cut", text)

    @property
    def may_pass(self) -> bool:
        """Whether the same may succeed later."""
        return self.cause not in _LASTING

    def as_plugin_error(self) -> PluginError:
        """As an error that a plugin reports: retriable if the same may succeed later."""
        if self.cause in ("config", "denied"):
            return ConfigError(self.message)
        return RetriableError(self.message) if self.may_pass else FatalError(self.message)


@dataclass
class Response:
    """An answer, read to its end. Names of headers are in lower case; ``body`` is unpacked."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, bytes]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The first header of this name, if it is text."""
        for known, value in self.headers:
            if known.lower() == name.lower():
                try:
                    return value.decode()
                except UnicodeDecodeError:
                    return None
        return None

    @property
    def ok(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text, with replacement characters for what is no UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ``ValueError`` if it is none."""
        return json_module.loads(self.body)


@dataclass
class Request:
    """A request that can be sent, more than once if need be.

    The URL begins with ``http://`` or ``https://``; what may not stand in one is to be encoded (``encode``). ``timeout``
    are seconds until its answer has to begin; without it, or where it is longer, the configuration's time counts.
    """

    method: str
    url: str
    headers: list[tuple[str, str]] | Mapping[str, str] = field(default_factory=list)
    body: bytes = b""
    timeout: float | None = None

    def header_list(self) -> list[tuple[str, str]]:
        """Its headers as pairs."""
        return list(self.headers.items()) if isinstance(self.headers, Mapping) else list(self.headers)

    def start(self) -> Pending:
        """Sends it. The answer comes while the plugin does other things."""
        return Pending(host().start_request(self))

    def send(self) -> Response:
        """Sends it and waits for the whole answer. Raises ``HttpError`` if there is none, whatever its status."""
        return self.start().wait()


class Pending:
    """A request under way. Closing it gives it up."""

    def __init__(self, answer: PendingAnswer) -> None:
        self._answer = answer

    def wait(self) -> Response:
        """Waits for the whole answer. Raises ``HttpError`` if there is none, whatever its status."""
        answer = self._answer.wait()
        if isinstance(answer, HttpError):
            raise answer
        return answer

    def close(self) -> None:
        """Gives it up."""
        self._answer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def get(url: str, headers: Mapping[str, str] | None = None, timeout: float | None = None) -> Response:
    """Sends a GET and waits for the answer."""
    return Request("GET", url, dict(headers or {}), timeout=timeout).send()


def post(
    url: str,
    body: bytes | str = b"",
    *,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Response:
    """Sends a POST with a body, or with a value as JSON, and waits for the answer."""
    sent = dict(headers or {})
    if json is not None:
        body = json_module.dumps(json)
        sent.setdefault("content-type", "application/json")
    return Request("POST", url, sent, body.encode() if isinstance(body, str) else body, timeout).send()


def encode(text: str) -> str:
    """A text as a part of a path or query: what may not stand there as it is becomes ``%XX``."""
    return quote(text, safe="")


def parts(url: str) -> tuple[bool, str, str] | None:
    """Whether a URL is one of https, its authority, and path with query; ``None`` if it is none of HTTP."""
    scheme, there, rest = url.partition("://")
    if not there or scheme.lower() not in ("http", "https"):
        return None
    rest = rest.partition("#")[0]
    end = min([at for at in (rest.find("/"), rest.find("?")) if at >= 0], default=len(rest))
    path = rest[end:]
    return scheme.lower() == "https", rest[:end], path if path.startswith("/") else f"/{path}"
