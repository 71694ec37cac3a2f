"""What a plugin reports when it cannot do what it was asked, and what becomes of any other exception.

Raise one of the four classes below; the plugin stays usable afterwards. Every other exception is caught where the
worker calls the plugin, and reaches its user with the file, line and stack of the plugin's own code.
"""

from __future__ import annotations

import os
import traceback
from types import TracebackType

CONFIG_EXCEPTION = "org.apache.kafka.common.config.ConfigException"
CONNECT_EXCEPTION = "org.apache.kafka.connect.errors.ConnectException"
DATA_EXCEPTION = "org.apache.kafka.connect.errors.DataException"
RETRIABLE_EXCEPTION = "org.apache.kafka.connect.errors.RetriableException"
LEASE_LOST = "org.apache.kafka.common.errors.ProducerFencedException"

#: Frames of the author's code that are shown of an unexpected exception.
_MOST_FRAMES = 20
#: Calls of a stack that cannot be freed as a whole.
_LONG_STACK = 200
#: Characters of one cause.
_LONGEST_TEXT = 4_000


class PluginError(Exception):
    """A failure in the plugin's own words.

    ``message`` says what was attempted, on what, and how it failed. ``java_class`` is the exception class that users of
    Kafka Connect see in traces and in the headers of dead letters. ``causes`` is what led to it, outermost first; what
    stands behind ``raise … from …`` is added by itself. ``field`` is the path of the field at fault, such as
    ``customer.address.city``.
    """

    kind = "fatal"
    default_class = CONNECT_EXCEPTION

    def __init__(
        self,
        message: str,
        *,
        java_class: str | None = None,
        causes: list[str] | tuple[str, ...] = (),
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.java_class = self.default_class if java_class is None else java_class
        self.causes = list(causes)
        self.field = field

    def in_field(self, name: str) -> PluginError:
        """Says that it happened in this field; where it is in one already, this is the one around it. Returns itself."""
        step = f"`{name}`" if not name or "." in name else name
        inner = self.field
        if inner is None:
            self.field = step
        elif len(inner) > 1_000:
            self.field = f"{step}…"
        else:
            self.field = f"{step}.{inner}"
        return self

    def copy(self) -> PluginError:
        """The same failure as another object, without a traceback."""
        other = of_kind(self.kind, self.message, java_class=self.java_class, causes=self.causes)
        other.field = self.field
        return other

    @property
    def lease_lost(self) -> bool:
        """Whether a task has heard by it that it does not own the lease of its connector, or not any more."""
        return self.java_class == LEASE_LOST

    def __str__(self) -> str:
        return ": ".join([self.message, *self.causes])


class RetriableError(PluginError):
    """Trying the same again later may succeed."""

    kind = "retriable"
    default_class = RETRIABLE_EXCEPTION


class DataError(PluginError):
    """The record is at fault. The error policy of the task decides what becomes of it."""

    kind = "data"
    default_class = DATA_EXCEPTION


class ConfigError(PluginError):
    """The configuration is at fault."""

    kind = "config"
    default_class = CONFIG_EXCEPTION


class FatalError(PluginError):
    """The task cannot go on."""


_BY_KIND: dict[str, type[PluginError]] = {
    error.kind: error for error in (RetriableError, DataError, ConfigError, FatalError)
}


def of_kind(
    kind: str, message: str, *, java_class: str | None = None, causes: list[str] | tuple[str, ...] = ()
) -> PluginError:
    """An error of the class that belongs to a kind of the contract."""
    return _BY_KIND[kind](message, java_class=java_class, causes=causes)


class RowError:
    """The failure of one row of the batch that was handed in.

    ``error`` may be any exception: one that is none of ours counts as one of the record's data.
    """

    __slots__ = ("error", "row")

    def __init__(self, row: int, error: BaseException) -> None:
        self.row = row
        self.error = of_row(error)

    @property
    def field(self) -> str | None:
        """Path of the field at fault, if one is known."""
        return self.error.field

    def __repr__(self) -> str:
        return f"RowError({self.row}, {self.error!r})"


def java_class_of(error: BaseException) -> str:
    """The name under which an exception of Python is shown: ``python.ValueError``, ``json.decoder.JSONDecodeError``."""
    kind = type(error)
    module = kind.__module__
    return f"python.{kind.__qualname__}" if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def of_call(error: BaseException) -> PluginError:
    """What is reported of an exception that left a whole call: as it is if it is ours, else of kind fatal."""
    return _translated(error, FatalError)


def of_row(error: BaseException) -> PluginError:
    """What is reported of an exception that one row caused: as it is if it is ours, else of kind data."""
    return _translated(error, DataError)


def _translated(error: BaseException, kind: type[PluginError]) -> PluginError:
    if isinstance(error, PluginError):
        if error.__cause__ is None:
            return error
        told = error.copy()
        told.causes.extend(_causes_of(error.__cause__))
        return told
    message = _text(error) or _MEANINGS.get(type(error)) or type(error).__qualname__
    if isinstance(error, ModuleNotFoundError):
        message += "; modules are loaded when the plugin is built: import it at the top of a module, not in a function"
    told = kind(message, java_class=java_class_of(error))
    told.causes.extend(_stack(error.__traceback__))
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None:
        told.causes.extend(_causes_of(behind))
    _let_go(error)
    return told


#: What exceptions mean that say nothing themselves.
_MEANINGS: dict[type[BaseException], str] = {MemoryError: "the memory that the worker allows the plugin is used up"}


def _let_go(error: BaseException) -> None:
    """Takes a long traceback apart, innermost call first. Freed as a whole, one of endless recursion would use up the
    stack of the component."""
    trace, chain = error.__traceback__, []
    while trace is not None:
        chain.append(trace)
        trace = trace.tb_next
    if len(chain) <= _LONG_STACK:
        return
    error.__traceback__ = None
    for one in chain:
        one.tb_next = None
    # Each call holds the one that it was called from: the innermost has to go first, and nothing else may hold it.
    del one
    while chain:
        chain.pop()


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # An author's __str__ may be wrong itself.
        return ""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _causes_of(error: BaseException) -> list[str]:
    causes: list[str] = []
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen and len(causes) < 2 * _MOST_FRAMES:
        seen.add(id(following))
        if isinstance(following, PluginError):
            causes += [following.message, *following.causes]
        else:
            causes.append(f"{java_class_of(following)}: {_text(following)}")
            causes += _stack(following.__traceback__)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return causes


#: Folders whose frames are not the author's: this package, and Python's own library.
_foreign = [os.path.dirname(os.path.abspath(__file__)) + "/", os.path.dirname(os.path.abspath(os.__file__)) + "/"]
#: Lines of the author's files, kept since there are no files where a component runs.
_sources: dict[str, list[str]] = {}


def remember_source(path: str) -> None:
    """Keeps the lines of a file, so that stacks can show them in a component, too."""
    try:
        with open(path, encoding="utf-8") as file:
            _sources[path] = file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        # Stacks then show the place alone.
        _sources.pop(path, None)


def leave_out(folder: str) -> None:
    """Leaves the frames of a folder out of stacks, too."""
    _foreign.append(folder.rstrip("/") + "/")


def _is_own(path: str) -> bool:
    return "/site-packages/" in path or not (path.startswith(tuple(_foreign)) or path.startswith("<"))


def _stack(trace: TracebackType | None) -> list[str]:
    """Where the author's code was, innermost first. Frames of this package are left out, unless there are no others."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(trace)]
    own = [(code, line) for code, line in frames if _is_own(code.co_filename)]
    shown: list[str] = []
    times: list[int] = []
    for code, line in reversed(own or frames):
        lines = _sources.get(code.co_filename, [])
        text = f": {lines[line - 1].strip()}" if 0 < line <= len(lines) else ""
        place = f"at {os.path.basename(code.co_filename)}:{line} in {code.co_qualname}{text}"
        if shown and shown[-1] == place:
            times[-1] += 1
        elif len(shown) == _MOST_FRAMES:
            break
        else:
            shown.append(place)
            times.append(1)
    return [place if count == 1 else f"{place} ({count} times)" for place, count in zip(shown, times)]
