"""Actions: what a configuration says is to go wrong, and when."""

import logging
from collections.abc import Mapping

from millstream import (
    ConfigError,
    DataError,
    FatalError,
    File,
    Importance,
    Key,
    Lease,
    PluginError,
    RetriableError,
    http,
    string,
    wait,
)
from millstream.log import TRACE
from millstream.sql import Database
from show import show, show_text

log = logging.getLogger("kit")

_LEVELS = {"trace": TRACE, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING}


def do_key() -> Key[str]:
    """The key that has them."""
    return string("do", default="", importance=Importance.LOW, doc="What goes wrong, and when.")


class Actions:
    """The actions of one object."""

    def __init__(self, text: str) -> None:
        self.entries: list[tuple[str, int | None, str]] = []
        for entry in filter(None, map(str.strip, text.split(";"))):
            place, colon, action = entry.partition(":")
            name, sharp, call = place.strip().partition("#")
            if not colon or (sharp and not call.isdigit()):
                raise ConfigError(f"cannot read the action {entry}")
            self.entries.append((name, int(call) if sharp else None, action.strip()))
        self.calls: dict[str, int] = {}
        self.lease: Lease | None = None

    def run(self, place: str) -> list[list[str]]:
        """Does what is to be done in a call of a place; returns what only its caller can do."""
        call = self.calls[place] = self.calls.get(place, 0) + 1
        rest = []
        for name, number, action in self.entries:
            if name == place and number in (None, call):
                words = action.split(" ")
                if not self._act(place, words):
                    rest.append(words)
        return rest

    def run_all(self, place: str) -> None:
        """The same where the caller can do nothing by itself."""
        for words in self.run(place):
            raise unknown(words)

    def _act(self, place: str, words: list[str]) -> bool:
        match words:
            case ["fail", kind]:
                raise failure(kind, place)
            case ["own"]:
                raise own()
            case ["panic"]:
                panic_on_purpose()
            case ["loop"]:
                _compute_for_ever()
            case ["recurse"]:
                log.info("%s", _call_myself(0))
            case ["hoard"]:
                _hoard()
            case ["log", level, *text]:
                log.log(_LEVELS.get(level, logging.ERROR), "%s", " ".join(text))
            case ["flood", lines]:
                for line in range(int(lines)):
                    log.info("line %d", line)
            case ["wait", ms]:
                log.info("waited %s", show(wait(int(ms) / 1000)))
            case ["read", key]:
                file = File.open(key)
                log.info("read %s", "null" if file is None else show_text(read_all(file).decode()))
            case ["append", key, *text]:
                file = File.open(key)
                assert file is not None, "the file was not created"
                file.write(" ".join(text) + "\n")
                file.sync()
            case ["lease", *what]:
                self._lease(what)
            case ["sql"]:
                with Database.open("db") as database, database.query("select 1 + 1 as n, 'x' as s") as rows:
                    for record in rows:
                        log.info("sql %s", show(record.value, record.value_schema))
            case _:
                return False
        return True

    def _lease(self, what: list[str]) -> None:
        if what == ["obtain"]:
            self.lease = Lease.obtain()
            log.info("lease %d", self.lease.epoch)
            return
        if self.lease is None:
            raise FatalError("there is no lease")
        match what:
            case ["confirm"]:
                self.lease.confirm()
                log.info("lease confirmed")
            case ["keys"]:
                log.info("lease keys %s", ", ".join(self.lease.keys()))
            case ["read", key]:
                value = self.lease.get(key)
                log.info("lease %s=%s", key, "null" if value is None else value.decode())
            case ["write", key, value]:
                self.lease.write({key: None if value == "-" else value.encode()})
            case _:
                raise unknown(["lease", *what])


def actions_of(config: Mapping[str, str | None]) -> Actions:
    """The actions of a call that knows its configuration only."""
    return Actions(config.get("do") or "")


def unknown(words: list[str]) -> ConfigError:
    """An action that nobody knows."""
    return ConfigError(f"cannot read the action {' '.join(words)}")


def get(url: str) -> None:
    """A request to the server that a configuration names."""
    try:
        answer = http.get(url)
    except http.HttpError as error:
        raise FatalError(f"GET {url}") from error
    log.info("http %d %s", answer.status, show_text(answer.text))


def failure(kind: str, place: str) -> PluginError:
    """The failure that the action `fail` is."""
    kinds = {"retriable": RetriableError, "data": DataError, "config": ConfigError}
    return kinds.get(kind, FatalError)(f"failed on purpose in {place}")


def own() -> PluginError:
    """A failure under a class of one's own, with causes."""
    return FatalError(
        "my own words",
        java_class="org.millstream.kit.OwnException",
        causes=["java.io.IOException: outer", "inner"],
    )


def panic_on_purpose() -> None:
    """What no plugin does on purpose."""
    _deeper()


def _deeper() -> None:
    raise ValueError("panicked on purpose")


def _compute_for_ever() -> None:
    number = 0
    while True:
        number += 1


def _call_myself(level: int) -> int:
    return _call_myself(level + 1) + 1


def _hoard() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(b"\1" * (1 << 20)))


def read_all(file: File) -> bytes:
    """All that is in a file."""
    content = b""
    while piece := file.read(1 << 16):
        content += piece
    return content
