"""Writing to the worker's log: with Python's own ``logging``.

Lines carry the connector and task by themselves. Lines beyond the host's rate limit are dropped and counted. Python's
``DEBUG`` to ``ERROR`` are the host's; what is below ``DEBUG`` is its ``TRACE`` (``millstream.log.TRACE``). Never log data.
"""

from __future__ import annotations

import logging

from .host import host, is_there

TRACE = 5
logging.addLevelName(TRACE, "TRACE")


def level_of(number: int) -> str:
    """The host's name of one of Python's levels."""
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    if number >= logging.INFO:
        return "info"
    return "debug" if number >= logging.DEBUG else "trace"


class HostHandler(logging.Handler):
    """Sends what is logged to the host. Where there is none it does nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if is_there():
                host().log(level_of(record.levelno), self.format(record))
        except Exception:
            self.handleError(record)


_handler = HostHandler()
_NAMES = {TRACE: "trace", logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn", logging.ERROR: "error"}
#: The next level that says more.
_LOWER = {logging.ERROR: logging.WARNING, logging.WARNING: logging.INFO, logging.INFO: logging.DEBUG, logging.DEBUG: TRACE}


def install() -> None:
    """Has the root logger write to the host."""
    root = logging.getLogger()
    if _handler not in root.handlers:
        root.addHandler(_handler)
        # What is wrong with a handler has nowhere to go in a component.
        logging.raiseExceptions = False


def uninstall() -> None:
    """Takes that back."""
    logging.getLogger().removeHandler(_handler)


def adopt_level() -> None:
    """Has the root logger keep what the host keeps, so that other lines cost nothing.

    Only the next level is asked for, which is one call to the host: lines that the host does not keep any more it drops
    by itself.
    """
    root = logging.getLogger()
    level = root.level if root.level in _NAMES else logging.ERROR
    while (lower := _LOWER.get(level)) is not None and host().log_enabled(_NAMES[lower]):
        level = lower
    if root.level != level:
        root.setLevel(level)
