"""What the value of a key opens for the plugin.

A plugin reaches nothing outside by itself. It gets what the user's configuration names under keys that say so, as far
as the worker allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Opens:
    """What a key opens: make one with the functions of this class."""

    form: Mapping[str, Any]
    #: For HTTP: roles and the keys that have them.
    roles: tuple[tuple[str, str], ...] | None = field(default=None)

    @staticmethod
    def read_file(*, or_stdin: bool = False) -> Opens:
        """The file that the value names, for reading; the worker's standard input where the value is missing or empty,
        if that is asked for."""
        return Opens({"file": "read", "or": "stdin"} if or_stdin else {"file": "read"})

    @staticmethod
    def append_file(*, or_stdout: bool = False) -> Opens:
        """The file that the value names, created if missing, for reading and for writing at its end; the worker's standard
        output where the value is missing or empty, if that is asked for."""
        return Opens({"file": "append", "or": "stdout"} if or_stdout else {"file": "append"})

    @staticmethod
    def http_url(roles: Mapping[str, str | Iterable[str]] | None = None) -> Opens:
        """The server that the value names as a URL, for ``millstream.http``. Placeholders may stand behind its host.

        ``roles`` gives roles to other keys, such as ``{"password": "connection.password"}``: ``description.md`` beside the
        contract lists them. The plugin reads ``[hidden]`` where the value is a secret; the host adds it to the requests.
        """
        return Opens({"http": "url"}, _pairs(roles))

    @staticmethod
    def http_origins(roles: Mapping[str, str | Iterable[str]] | None = None) -> Opens:
        """The servers that the value lists as origins or patterns of them, as ``http_url``."""
        return Opens({"http": "origins"}, _pairs(roles))

    @staticmethod
    def socket() -> Opens:
        """The servers that the value names as ``host:port``, for TCP connections with Python's ``socket``. A worker allows
        none by itself."""
        return Opens({"socket": "address"})

    @staticmethod
    def sql(*, user: str | None = None, password: str | None = None, properties: str | None = None) -> Opens:
        """The database that the value names as a JDBC URL.

        ``user`` and ``password`` are the keys that complete it. Keys that begin with ``properties``, and that the plugin
        does not define itself, are parameters of the URL by the rest of their names.
        """
        members = {"user": user, "password": password, "properties": properties}
        return Opens({"sql": {name: key for name, key in members.items() if key is not None}})

    @staticmethod
    def topic(default: str, replication: str) -> Opens:
        """The topic that the value names, for a sink to write to with ``SinkContext.write``; ``default`` if the key is not
        set, in which ``${connector}`` stands for the connector's name. ``replication`` is the key of its replication
        factor."""
        return Opens({"topic": "write", "default": default, "replication": replication})

    def to_json(self, defaults: Mapping[str, str | None]) -> dict[str, Any]:
        """Its form in the description. ``defaults`` are those of the plugin's keys."""
        if self.roles is None:
            return dict(self.form)
        with_keys: dict[str, list[str]] = {}
        unset: dict[str, str] = {}
        for role, key in self.roles:
            with_keys.setdefault(role, []).append(key)
            default = defaults.get(key)
            if default:
                unset.setdefault(role, default)
        return {**self.form, "with": with_keys, "defaults": unset}


def _pairs(roles: Mapping[str, str | Iterable[str]] | None) -> tuple[tuple[str, str], ...]:
    pairs = []
    for role, keys in (roles or {}).items():
        pairs += [(role, key) for key in ([keys] if isinstance(keys, str) else keys)]
    return tuple(pairs)
