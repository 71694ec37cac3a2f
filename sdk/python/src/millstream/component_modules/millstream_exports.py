"""What the modules beside this one have in common: every way into the component goes through ``called``.

The modules of this folder are those that a component has at its top level, named like the interfaces of the contract.
They exist in components only; everything else of the SDK runs in tests, too.
"""

import gc
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import millstream_host
import millstream_late  # noqa: F401
from componentize_py_types import Err
from millstream import errors, host, log
from millstream.plugins import Support
from wit_world.exports import source_api
from wit_world.imports import millstream_connect_types as types

P = ParamSpec("P")
T = TypeVar("T")

errors.leave_out(os.path.dirname(os.path.abspath(__file__)))

_KINDS = {
    "retriable": types.ErrorKind.RETRIABLE,
    "data": types.ErrorKind.DATA,
    "config": types.ErrorKind.CONFIG,
    "fatal": types.ErrorKind.FATAL,
}
_SUPPORT = {
    Support.SUPPORTED: source_api.Support.SUPPORTED,
    Support.UNSUPPORTED: source_api.Support.UNSUPPORTED,
    Support.UNKNOWN: source_api.Support.UNKNOWN,
}
#: Values of a batch nest 1,000 deep, and each level takes a few calls.
_MOST_CALLS = 4_000
#: New objects after which Python looks for cycles of them.
_GARBAGE = 100_000


def enter() -> None:
    """What an instance does before each call."""
    if not host.is_there():
        _prepare()
    log.adopt_level()


def _prepare() -> None:
    """What an instance does once. The module was imported when the component was built, so much is older than this."""
    host.become(millstream_host.WitHost())
    log.install()
    sys.setrecursionlimit(_MOST_CALLS)
    # A batch is thousands of objects that live as long as one call. What is there now stays for ever.
    gc.freeze()
    gc.set_threshold(_GARBAGE, 20, 100)
    if "random" in sys.modules:
        # It was seeded when the component was built.
        sys.modules["random"].seed(os.urandom(32))


def called(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Does the work of a call. Whatever is raised becomes an error of the contract."""
    try:
        enter()
        return work(*arguments, **named)
    except BaseException as error:
        failed = errors.of_call(error)
        log_unexpected(error)
    raise Err(lower_error(failed))


def log_unexpected(error: BaseException) -> None:
    """Writes the stack of what no plugin reports on purpose to the log, for its author."""
    if not isinstance(error, errors.PluginError):
        try:
            logging.getLogger("millstream").debug("unexpected exception", exc_info=error)
        except Exception:  # The error itself reaches the user anyway.
            pass


def lower_error(error: errors.PluginError) -> types.Error:
    """An error of the contract. The failure of a call as a whole has no field there: it stands among the causes."""
    causes = list(error.causes)
    if error.field is not None:
        causes.append(f"in field {error.field}")
    return types.Error(_KINDS[error.kind], error.java_class, error.message, [str(cause) for cause in causes])


def lower_row_error(failed: errors.RowError, link: int) -> types.RowError:
    """The failure of a row. Rows have no list of causes in the contract: they stand behind the message, as in a trace."""
    error = failed.error
    message = "\nCaused by: ".join([error.message, *map(str, error.causes)])
    return types.RowError(failed.row, link, _KINDS[error.kind], error.java_class, message, error.field)


def lower_config(config: Mapping[str, str | None]) -> list[tuple[str, str | None]]:
    """A configuration as the contract has it."""
    return list(config.items())


def lower_support(support: Support) -> source_api.Support:
    """What a connector says about a guarantee."""
    return _SUPPORT[support]


def outcome(changed: bytes | None, failures: list[tuple[int, errors.RowError]]) -> types.Outcome:
    """What a call made of a batch."""
    return types.Outcome(changed, [lower_row_error(error, link) for link, error in failures])


def partitions(found: list[Any]) -> list[host.TopicPartition]:
    """Partitions of the contract as the SDK's own."""
    return [host.TopicPartition(one.topic, one.partition) for one in found]

