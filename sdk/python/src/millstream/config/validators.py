"""What values a key accepts, in a form that the host can check on its own.

The list is closed, since the host knows each of them. What it cannot say goes into ``check`` of a key.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError


class Refused(Exception):
    """Why a value is refused, to be put behind ``Invalid value … for configuration …: ``. ``item`` is shown instead of
    the value where one item of a list is at fault."""

    def __init__(self, problem: str, item: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.item = item


class Validator:
    """A condition on the parsed value of a key."""

    def to_json(self) -> dict[str, Any]:
        """Its form in the description."""
        raise NotImplementedError

    def check(self, key: str, value: Any) -> None:
        """Raises ``Refused``, or ``ConfigError`` where Kafka has a whole sentence, if the value is refused."""
        raise NotImplementedError


@dataclass(frozen=True)
class Range(Validator):
    """A number within bounds, both inclusive. Null is refused."""

    min: float | None = None
    max: float | None = None

    def to_json(self) -> dict[str, Any]:
        bounds = {"min": self.min, "max": self.max}
        return {"range": {name: _number(bound) for name, bound in bounds.items() if bound is not None}}

    def check(self, key: str, value: Any) -> None:
        if value is None or isinstance(value, (str, bool, list)):
            raise Refused("Value must be non-null")
        if self.min is not None and value < self.min:
            raise Refused(f"Value must be at least {_shown(self.min, value)}")
        if self.max is not None and self.max < value:
            raise Refused(f"Value must be no more than {_shown(self.max, value)}")


def _shown(bound: float, value: Any) -> str:
    return str(_number(bound)) if isinstance(value, int) else repr(float(bound))


def _number(bound: float) -> int | float:
    return int(bound) if float(bound).is_integer() and abs(bound) < 9e15 else bound


@dataclass(frozen=True)
class OneOf(Validator):
    """One of these texts exactly."""

    values: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        return {"one_of": list(self.values)}

    def check(self, key: str, value: Any) -> None:
        if value not in self.values:
            raise Refused(f"String must be one of: {', '.join(self.values)}")


@dataclass(frozen=True)
class OneOfIgnoreCase(Validator):
    """One of these texts in any case."""

    values: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        return {"one_of_ignore_case": list(self.values)}

    def check(self, key: str, value: Any) -> None:
        if not isinstance(value, str) or _lower(value) not in map(_lower, self.values):
            raise Refused(f"String must be one of (case insensitive): {_upper(', '.join(self.values))}")


def _lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def _upper(text: str) -> str:
    return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in text)


@dataclass(frozen=True)
class NonEmpty(Validator):
    """Text that is not empty; null is accepted."""

    def to_json(self) -> dict[str, Any]:
        return {"non_empty": True}

    def check(self, key: str, value: Any) -> None:
        if value == "":
            raise Refused("String must be non-empty")


@dataclass(frozen=True)
class NonNull(Validator):
    """Anything but null."""

    def to_json(self) -> dict[str, Any]:
        return {"non_null": True}

    def check(self, key: str, value: Any) -> None:
        if value is None:
            raise Refused("entry must be non null")


@dataclass(frozen=True)
class NonEmptyWithoutControlChars(Validator):
    """Text that is not empty and has no control characters; null is accepted."""

    def to_json(self) -> dict[str, Any]:
        return {"non_empty_without_control_chars": True}

    def check(self, key: str, value: Any) -> None:
        if value == "":
            raise Refused("String may not be empty")
        found = [str(ord(c)) for c in value or "" if unicodedata.category(c) == "Cc"]
        if found:
            characters = ", ".join(found)
            raise Refused(f"String may not contain control sequences but had the following ASCII chars: {characters}")


@dataclass(frozen=True)
class ListOf(Validator):
    """A list without empty items. ``one_of`` are the only items accepted; any if there are none."""

    allow_empty: bool = False
    allow_null: bool = False
    allow_duplicates: bool = False
    one_of: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "list": {
                "allow_empty": self.allow_empty,
                "allow_null": self.allow_null,
                "allow_duplicates": self.allow_duplicates,
                "one_of": list(self.one_of),
            }
        }

    def check(self, key: str, value: Any) -> None:
        if value is None:
            if not self.allow_null:
                raise ConfigError(f"Configuration '{key}' values must not be null.")
            return
        if not value and not self.allow_empty:
            accepted = f"[{', '.join(self.one_of)}]" if self.one_of else "any non-empty value"
            raise ConfigError(f"Configuration '{key}' must not be empty. Valid values include: {accepted}")
        if not self.allow_duplicates and len(set(value)) < len(value):
            raise ConfigError(f"Configuration '{key}' values must not be duplicated.")
        for item in value:
            if item == "":
                raise ConfigError(f"Configuration '{key}' values must not be empty.")
            if self.one_of and item not in self.one_of:
                raise Refused(f"String must be one of: {', '.join(self.one_of)}", item)


@dataclass(frozen=True)
class UniqueAliases(Validator):
    """A list that is not null and names nothing twice."""

    def to_json(self) -> dict[str, Any]:
        return {"unique_aliases": True}

    def check(self, key: str, value: Any) -> None:
        if value is None:
            raise Refused("entry must be non null")
        if isinstance(value, list) and len(set(value)) < len(value):
            raise Refused("Duplicate alias provided.")


@dataclass(frozen=True)
class SomeItems(Validator):
    """A list with at least one item, whatever the items are."""

    def to_json(self) -> dict[str, Any]:
        return {"some_items": True}

    def check(self, key: str, value: Any) -> None:
        if not value:
            raise Refused("Empty list")


@dataclass(frozen=True)
class Regex(Validator):
    """A regular expression in Java's syntax; null is accepted. Only the host checks it: Python's ``re`` differs."""

    def to_json(self) -> dict[str, Any]:
        return {"regex": True}

    def check(self, key: str, value: Any) -> None:
        pass


@dataclass(frozen=True)
class All(Validator):
    """All of these, in order."""

    rules: Sequence[Validator]

    def to_json(self) -> dict[str, Any]:
        return {"all": [rule.to_json() for rule in self.rules]}

    def check(self, key: str, value: Any) -> None:
        for rule in self.rules:
            rule.check(key, value)


@dataclass(frozen=True)
class NullOr(Validator):
    """Null, or what the rule accepts."""

    rule: Validator

    def to_json(self) -> dict[str, Any]:
        return {"null_or": self.rule.to_json()}

    def check(self, key: str, value: Any) -> None:
        if value is not None:
            self.rule.check(key, value)
