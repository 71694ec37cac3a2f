"""Keys of a configuration, and reading their values as Kafka does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Generic, Literal, TypeVar, overload

from ..errors import ConfigError
from .opens import Opens
from .validators import ListOf, NonEmpty, OneOf, Range, Refused, Validator

T = TypeVar("T")
#: Text of a configuration: a key may be there without a value.
Entries = Mapping[str, str | None]


class Importance(Enum):
    """How much a key matters to a user."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Width(Enum):
    """How wide a field a user interface gives the value."""

    NONE = "NONE"
    SHORT = "SHORT"
    MEDIUM = "MEDIUM"
    LONG = "LONG"


class Key(Generic[T]):
    """A key of a configuration: an attribute of a class of ``Config``, made with ``string``, ``integer`` and so on.

    On the class it is the key, on a configuration the parsed value.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        required: bool = False,
        default: Any = None,
        doc: str = "",
        importance: Importance = Importance.MEDIUM,
        validator: Validator | None = None,
        check: Callable[[Any], str | None] | None = None,
        opens: Opens | None = None,
        group: str | None = None,
        order: int = -1,
        width: Width = Width.NONE,
        display_name: str | None = None,
        dependents: Sequence[str] = (),
        recommended: Sequence[str] = (),
    ) -> None:
        if required and default is not None:
            raise ValueError(f"key {name} is required and has a default")
        self.kind = kind
        self.name = name
        self.required = required
        self.default = _default_text(default)
        self.doc = doc
        self.importance = importance
        self.validator = validator
        self.check = check
        self.opens = opens
        self.group = group
        self.order = order
        self.width = width
        self.display_name = display_name
        self.dependents = list(dependents)
        self.recommended = list(recommended)

    @overload
    def __get__(self, config: None, owner: type) -> Key[T]: ...

    @overload
    def __get__(self, config: object, owner: type) -> T: ...

    def __get__(self, config: Any, owner: type) -> Any:
        if config is None:
            return self
        value = config.parsed[self.name]
        if value is None and (self.required or self.default is not None):
            raise ConfigError(f"Invalid value null for configuration {self.name}: Value must be non-null")
        return value

    def __set__(self, config: Any, value: Any) -> None:
        raise AttributeError(f"key {self.name} of a configuration cannot be set")

    def parse(self, entries: Entries, *, own_check: bool = True) -> Any:
        """The value in a configuration, or the default.

        Raises ``ConfigError`` in Kafka's words.
        """
        if self.name in entries:
            raw = entries[self.name]
        elif self.required:
            raise ConfigError(f'Missing required configuration "{self.name}" which has no default value.')
        else:
            raw = self.default
        value = None
        if raw is not None:
            try:
                value = read(self.kind, raw)
            except Refused as refused:
                raise self.invalid(raw, refused.problem) from None
        if isinstance(value, list) and isinstance(self.validator, ListOf) and not self.validator.allow_duplicates:
            # What such a list names twice counts once; the host refuses it before, where it validates.
            value = list(dict.fromkeys(value))
        if self.validator is not None:
            try:
                self.validator.check(self.name, value)
            except Refused as refused:
                shown = java_text(value) if refused.item is None else refused.item
                raise self.invalid(shown, refused.problem) from None
        if own_check:
            problem = self.problem_of(value)
            if problem is not None:
                raise problem
        return value

    def problem_of(self, value: Any) -> ConfigError | None:
        """What the plugin's own check says about a parsed value."""
        if self.check is None:
            return None
        problem = self.check(value)
        return None if problem is None else self.invalid(java_text(value), problem)

    def invalid(self, shown: str, problem: str) -> ConfigError:
        """A refusal of some text."""
        if self.kind == "PASSWORD" and shown != "null":
            shown = "[hidden]"
        return ConfigError(f"Invalid value {shown} for configuration {self.name}: {problem}")

    def to_json(self, defaults: Mapping[str, str | None]) -> dict[str, Any]:
        """Its form in the description."""
        form: dict[str, Any] = {
            "name": self.name,
            "type": self.kind,
            "required": self.required,
            "default": self.default,
            "importance": self.importance.value,
            "documentation": self.doc,
            "group": self.group,
            "order": self.order,
            "width": self.width.value,
            "display_name": self.display_name or self.name,
            "dependents": self.dependents,
            "recommended": self.recommended,
        }
        if self.validator is not None:
            form["validator"] = self.validator.to_json()
        if self.opens is not None:
            form["opens"] = self.opens.to_json(defaults)
        return form


def _default_text(default: Any) -> str | None:
    if default is None or isinstance(default, str):
        return default
    if isinstance(default, bool):
        return "true" if default else "false"
    return ",".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)


def java_text(value: Any) -> str:
    """A parsed value as Java prints it in messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)


#: What Java's ``trim`` takes for blanks.
_BLANKS = "".join(map(chr, range(0x21)))
_SIZES = {"SHORT": 16, "INT": 32, "LONG": 64}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?)")


def read(kind: str, raw: str) -> Any:
    """Reads the text of a value. Raises ``Refused`` with Kafka's words if it is not of that type."""
    text = raw.strip(_BLANKS)
    if kind in ("STRING", "PASSWORD", "CLASS"):
        return text
    if kind == "BOOLEAN":
        word = text.lower().replace("\u017f", "s")
        if word not in ("true", "false"):
            raise Refused("Expected value to be either true or false")
        return word == "true"
    if kind == "LIST":
        return [item.strip(" \t\n\x0b\x0c\r") for item in text.split(",")] if text else []
    if kind == "DOUBLE":
        if _DOUBLE.fullmatch(text):
            bare = text if text.endswith(("NaN", "Infinity")) else text.rstrip("fFdD")
            return float(bare)
    elif _INTEGER.fullmatch(text) and len(text) < 1_000:
        number, bits = int(text), _SIZES[kind] - 1
        if -(1 << bits) <= number < 1 << bits:
            return number
    raise Refused(f"Not a number of type {kind}")


def _made(kind: str, name: str, shortcuts: Validator | None, options: dict[str, Any]) -> Key[Any]:
    if shortcuts is not None:
        if options.get("validator") is not None:
            raise ValueError(f"key {name} has two validators; combine them with All")
        options["validator"] = shortcuts
    return Key(kind, name, **options)


@overload
def string(name: str, *, required: Literal[True], **options: Any) -> Key[str]: ...
@overload
def string(name: str, *, default: str, **options: Any) -> Key[str]: ...
@overload
def string(name: str, **options: Any) -> Key[str | None]: ...
def string(
    name: str, *, non_empty: bool = False, one_of: Sequence[str] | None = None, **options: Any
) -> Key[Any]:
    """A key for text. ``non_empty`` refuses empty text, ``one_of`` all but these. Other options are those of ``Key``."""
    shortcut: Validator | None = NonEmpty() if non_empty else None
    return _made("STRING", name, shortcut if one_of is None else OneOf(one_of), options)


@overload
def password(name: str, *, required: Literal[True], **options: Any) -> Key[str]: ...
@overload
def password(name: str, *, default: str, **options: Any) -> Key[str]: ...
@overload
def password(name: str, **options: Any) -> Key[str | None]: ...
def password(name: str, **options: Any) -> Key[Any]:
    """A key for text that is never shown."""
    return _made("PASSWORD", name, None, options)


@overload
def class_name(name: str, *, required: Literal[True], **options: Any) -> Key[str]: ...
@overload
def class_name(name: str, *, default: str, **options: Any) -> Key[str]: ...
@overload
def class_name(name: str, **options: Any) -> Key[str | None]: ...
def class_name(name: str, **options: Any) -> Key[Any]:
    """A key for the name of a class or plugin."""
    return _made("CLASS", name, None, options)


@overload
def boolean(name: str, *, required: Literal[True], **options: Any) -> Key[bool]: ...
@overload
def boolean(name: str, *, default: bool, **options: Any) -> Key[bool]: ...
@overload
def boolean(name: str, **options: Any) -> Key[bool | None]: ...
def boolean(name: str, **options: Any) -> Key[Any]:
    """A key for ``true`` or ``false``."""
    return _made("BOOLEAN", name, None, options)


@overload
def integer(name: str, *, required: Literal[True], **options: Any) -> Key[int]: ...
@overload
def integer(name: str, *, default: int, **options: Any) -> Key[int]: ...
@overload
def integer(name: str, **options: Any) -> Key[int | None]: ...
def integer(
    name: str, *, bits: Literal[16, 32, 64] = 32, min: int | None = None, max: int | None = None, **options: Any
) -> Key[Any]:
    """A key for a whole number of 16, 32 or 64 bits (SHORT, INT, LONG), perhaps within bounds."""
    kind = {16: "SHORT", 32: "INT", 64: "LONG"}[bits]
    return _made(kind, name, Range(min, max) if min is not None or max is not None else None, options)


@overload
def number(name: str, *, required: Literal[True], **options: Any) -> Key[float]: ...
@overload
def number(name: str, *, default: float, **options: Any) -> Key[float]: ...
@overload
def number(name: str, **options: Any) -> Key[float | None]: ...
def number(name: str, *, min: float | None = None, max: float | None = None, **options: Any) -> Key[Any]:
    """A key for a floating-point number (DOUBLE), perhaps within bounds."""
    return _made("DOUBLE", name, Range(min, max) if min is not None or max is not None else None, options)


@overload
def strings(name: str, *, required: Literal[True], **options: Any) -> Key[list[str]]: ...
@overload
def strings(name: str, *, default: str | Sequence[str], **options: Any) -> Key[list[str]]: ...
@overload
def strings(name: str, **options: Any) -> Key[list[str] | None]: ...
def strings(name: str, *, non_empty: bool = False, **options: Any) -> Key[Any]:
    """A key for texts between commas (LIST). ``non_empty``: at least one, none of them empty or given twice."""
    return _made("LIST", name, ListOf() if non_empty else None, options)
