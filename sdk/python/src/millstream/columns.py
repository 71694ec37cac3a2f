"""Work on whole columns that the host does for the plugin: the fastest way, since no batch comes into Python at all.

A ``ColumnTransform`` gets the batch as a ``HostTable``, whose parts it reads and replaces by their paths::

    class Tidy(ColumnTransform):
        info = Info("org.example.Tidy")

        def apply(self, table):
            table["value", "name"] = table["value", "name"].trim().upper()
            table.keep(table["value", "price"] > 0)

A ``HostColumn`` has a value for each row: a value, null, or *absent*, where a row has nothing of that kind. Operators make new
columns; ``==``, ``<`` and so on are conditions, to be combined by ``&``, ``|`` and ``~``. Columns mean something until the
running call returns. Rows that are filtered, have failed or are not meant keep their places: they read as absent, and
nothing that is done touches them. The contract (``connect.wit``) says what each operation does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from .errors import PluginError, of_kind
from .host import host
from .plugins import C, Plugin

Path = str | tuple[str, ...]


class HostColumn:
    """A column that the host holds."""

    __slots__ = ("number",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: int) -> None:
        self.number = number

    def _made(self, name: str, *arguments: object) -> HostColumn:
        return HostColumn(host().columns()(name, self.number, *arguments))

    def _with(self, name: str, other: Any) -> HostColumn:
        return self._made(name, _column(other).number)

    # ---- values of Python

    def __len__(self) -> int:
        """How many rows it has; a constant 1."""
        return int(host().columns()("length", self.number))

    def texts(self) -> list[str | None]:
        """Each value as text; null and absent as ``None``."""
        return list(host().columns()("texts", self.number))

    def numbers(self) -> list[float | None]:
        """Numbers, and instants in milliseconds; null and absent as ``None``."""
        return list(host().columns()("numbers", self.number))

    def booleans(self) -> list[bool | None]:
        """Booleans; null and absent as ``None``."""
        return list(host().columns()("booleans", self.number))

    def values(self) -> list[Any]:
        """All values by way of JSON, without schemas."""
        return list(json.loads(host().columns()("to_json", self.number)))

    def replaced(self, values: Sequence[Any]) -> Made:
        """A column of these values, each with the schema that the same row of this column has."""
        return Made.of(host().columns()("from_json_like", json.dumps(list(values)), self.number))

    def about(self) -> list[dict[str, Any]]:
        """What it holds: for each schema that occurs ``rows``, ``schema`` and ``type``."""
        return list(json.loads(host().columns()("about", self.number)))

    # ---- types

    def cast(self, to: str) -> Made:
        """Values as another type: ``int64``, ``string``, ``timestamp``, …."""
        return Made.of(host().columns()("cast", self.number, to))

    def to_text(self, encoding: str = "utf-8") -> Made:
        """Bytes as text: ``utf-8``, ``base64`` or ``hex``."""
        return Made.of(host().columns()("to_text", self.number, encoding))

    def to_bytes(self, encoding: str = "utf-8") -> Made:
        """Text as bytes."""
        return Made.of(host().columns()("to_bytes", self.number, encoding))

    def parse_json(self, schema: str | None = None) -> Made:
        """Each text as the JSON that it holds, under a schema in JsonConverter's form or without one."""
        return Made.of(host().columns()("parse_json", self.number, schema))

    def write_json(self) -> HostColumn:
        """Each value as a text of JSON."""
        return self._made("write_json")

    def schemaless(self) -> HostColumn:
        """The same values without their schemas."""
        return self._made("schemaless")

    # ---- text

    def upper(self) -> HostColumn:
        """In upper case."""
        return self._made("upper")

    def lower(self) -> HostColumn:
        """In lower case."""
        return self._made("lower")

    def trim(self) -> HostColumn:
        """Without white space at both ends."""
        return self._made("trim")

    def substring(self, start: int, count: int | None = None) -> HostColumn:
        """From the character ``start`` on, ``count`` of them or all."""
        return self._made("substring", start, count)

    def characters(self) -> HostColumn:
        """How many characters."""
        return self._made("characters")

    def replace(self, pattern: str, replacement: str, *, all: bool = True) -> HostColumn:
        """Replaces what a regular expression of Java's finds. ``$1`` and ``${name}`` are groups."""
        return self._made("replace", pattern, replacement, all)

    def extract(self, pattern: str, group: int = 0) -> HostColumn:
        """What a group of a regular expression found first; null where nothing was found."""
        return self._made("extract", pattern, group)

    def matches(self, pattern: str) -> HostColumn:
        """Where a regular expression finds something."""
        return self._made("matches", pattern)

    def contains(self, text: Any) -> HostColumn:
        """Where a text has another in it."""
        return self._with("contains", text)

    def hash(self, algorithm: str = "sha-256") -> HostColumn:
        """A digest of texts or bytes in hexadecimal digits."""
        return self._made("hash", algorithm)

    # ---- numbers and conditions

    def __add__(self, other: Any) -> HostColumn:
        return self._with("add", other)

    def __sub__(self, other: Any) -> HostColumn:
        return self._with("subtract", other)

    def __mul__(self, other: Any) -> HostColumn:
        return self._with("multiply", other)

    def __truediv__(self, other: Any) -> HostColumn:
        return self._with("divide", other)

    def __mod__(self, other: Any) -> HostColumn:
        return self._with("remainder", other)

    def __eq__(self, other: Any) -> HostColumn:  # type: ignore[override]
        return self._with("equal", other)

    def __ne__(self, other: Any) -> HostColumn:  # type: ignore[override]
        return ~self._with("equal", other)

    def __lt__(self, other: Any) -> HostColumn:
        return self._with("less", other)

    def __le__(self, other: Any) -> HostColumn:
        return self._with("at_most", other)

    def __gt__(self, other: Any) -> HostColumn:
        return _column(other)._with("less", self)

    def __ge__(self, other: Any) -> HostColumn:
        return _column(other)._with("at_most", self)

    def __and__(self, other: HostColumn) -> HostColumn:
        return self._with("both", other)

    def __or__(self, other: HostColumn) -> HostColumn:
        return self._with("either", other)

    def __invert__(self) -> HostColumn:
        return self._made("inverse")

    def __bool__(self) -> bool:
        raise TypeError("a column of conditions is not true or false: combine columns by &, | and ~, and use choose()")

    def is_null(self) -> HostColumn:
        """Where there is null or nothing."""
        return self._made("is_null")

    def is_present(self) -> HostColumn:
        """Where there is something, be it null."""
        return self._made("is_present")


class Made(NamedTuple):
    """What was made, where not every value can be converted: null there, and texts that say why, to be given to
    ``HostTable.fail``."""

    column: HostColumn
    failed: HostColumn | None

    @staticmethod
    def of(pair: tuple[int, int | None]) -> Made:
        """For the SDK: of the host's numbers."""
        column, failed = pair
        return Made(HostColumn(column), None if failed is None else HostColumn(failed))


def _column(value: Any) -> HostColumn:
    return value if isinstance(value, HostColumn) else constant(value)


def constant(value: Any) -> HostColumn:
    """One value, that JSON can say, in all rows."""
    work = host().columns()
    if isinstance(value, str):
        return HostColumn(work("constant_text", value))
    return HostColumn(work("constant", json.dumps(value)))


def absent() -> HostColumn:
    """Nothing in all rows: set at a path it leaves keys of maps and headers out."""
    return HostColumn(host().columns()("absent"))


def now() -> HostColumn:
    """The host's clock: a constant with the schema of a Timestamp."""
    return HostColumn(host().columns()("now"))


def of_texts(values: Sequence[str | None]) -> HostColumn:
    """A column of texts."""
    return HostColumn(host().columns()("from_texts", list(values)))


def of_numbers(values: Sequence[float | None]) -> HostColumn:
    """A column of FLOAT64; ``cast`` makes other numbers of them."""
    return HostColumn(host().columns()("from_numbers", [None if one is None else float(one) for one in values]))


def of_booleans(values: Sequence[bool | None]) -> HostColumn:
    """A column of booleans."""
    return HostColumn(host().columns()("from_booleans", list(values)))


def of_values(values: Sequence[Any], schema: str | None = None) -> Made:
    """A column of what JSON can say, under a schema in JsonConverter's form or without one."""
    return Made.of(host().columns()("from_json", json.dumps(list(values)), schema))


def concat(*columns: Any, separator: str = "") -> HostColumn:
    """Texts one behind the other."""
    return HostColumn(host().columns()("concat", [_column(one).number for one in columns], separator))


def pack(fields: dict[str, HostColumn], name: str | None = None) -> HostColumn:
    """Structs of columns, or maps if one of them has data without a schema."""
    numbers = [column.number for column in fields.values()]
    return HostColumn(host().columns()("pack", list(fields), numbers, name))


def choose(condition: HostColumn, holds: Any, otherwise: Any) -> HostColumn:
    """Values of one column where a condition holds, else of another."""
    numbers = (condition.number, _column(holds).number, _column(otherwise).number)
    return HostColumn(host().columns()("choose", *numbers))


def coalesce(*columns: Any) -> HostColumn:
    """The first of the columns that is not null or absent in a row."""
    return HostColumn(host().columns()("coalesce", [_column(one).number for one in columns]))


class HostTable:
    """A batch that the host has open for editing.

    A path is ``"topic"``, ``"partition"``, ``"timestamp"``, ``"offset"``, ``"key"``, ``"value"``, a field within them
    (``"value", "address", "city"``) or ``"header", NAME``.
    """

    def __init__(self, number: int, link: int = 0) -> None:
        self.number = number
        #: The link of a chain that works on it.
        self.link = link

    @staticmethod
    def input(link: int = 0) -> HostTable:
        """The batch of the running call."""
        return HostTable(host().columns()("input"), link)

    @staticmethod
    def make(rows: int) -> HostTable:
        """So many rows without anything: for ``poll``, which ends with ``answer``."""
        return HostTable(host().columns()("make", rows))

    def __len__(self) -> int:
        """Rows, also those that are not under way."""
        return int(host().columns()("rows", self.number))

    def __getitem__(self, path: Path) -> HostColumn:
        """What a path leads to: absent in all rows if no row has it. ``get`` tells that apart."""
        found = self.get(path)
        return absent() if found is None else found

    def get(self, path: Path) -> HostColumn | None:
        """What a path leads to; ``None`` if no row has it."""
        number = host().columns()("get", self.number, _path(path))
        return None if number is None else HostColumn(number)

    def __setitem__(self, path: Path, column: Any) -> None:
        """Puts a column, or one value for all rows, where a path leads."""
        host().columns()("set", self.number, _path(path), _column(column).number)

    def __delitem__(self, path: Path) -> None:
        """Takes out what a path leads to; nothing happens to rows that do not have it."""
        host().columns()("drop", self.number, _path(path))

    def rename(self, path: Path, name: str) -> None:
        """Gives a field, or headers, another name, in their place."""
        host().columns()("rename", self.number, _path(path), name)

    def names(self, path: Path) -> list[str]:
        """Names of what there is below a path, in any row."""
        return list(host().columns()("names", self.number, _path(path)))

    def selected(self) -> HostColumn:
        """Where rows are under way, and meant."""
        return HostColumn(host().columns()("selected", self.number))

    def focus(self, condition: HostColumn | None) -> None:
        """Limits what follows to the rows for which a condition holds; ``None`` ends that."""
        host().columns()("focus", self.number, None if condition is None else condition.number)

    def keep(self, condition: HostColumn) -> None:
        """Filters rows: those for which the condition does not hold."""
        host().columns()("keep", self.number, condition.number)

    def fail(self, messages: HostColumn | None, error: type[PluginError] | PluginError | None = None) -> None:
        """Fails the rows for which ``messages`` has a text; nothing happens without one. ``error`` says of which kind and
        class: a ``DataError`` unless it is said."""
        if messages is None:
            return
        like = error or of_kind("data", "")
        kind = like.kind
        java_class = like.default_class if isinstance(like, type) else like.java_class
        host().columns()("fail", self.number, messages.number, self.link, kind, java_class)

    def repeat(self, counts: Sequence[int]) -> list[int]:
        """Makes of each row as many as said, one behind the other; 0 filters the row. Returns the old row of each new one."""
        return list(host().columns()("repeat", self.number, list(counts)))

    def answer(self) -> None:
        """The table is what the call returns. Transforms and predicates need not say it."""
        host().columns()("answer", self.number)


def _path(path: Path) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


class ColumnTransform(Plugin[C]):
    """A transform that has the host work on whole columns. In a chain with others that read batches themselves it works on
    the bytes between them."""

    kind = "transform"

    def configure(self) -> None:
        """Called once, with ``self.config``, before the first batch. The task fails with what it raises."""

    def apply(self, table: HostTable) -> None:
        """Changes the rows of a batch. What it raises fails the whole batch, and the task."""
        raise NotImplementedError

    def close(self) -> None:
        """Called when the transform is not needed any more."""


class ColumnPredicate(Plugin[C]):
    """A predicate that has the host work on whole columns."""

    kind = "predicate"

    def configure(self) -> None:
        """Called once, with ``self.config``, before the first batch. The task fails with what it raises."""

    def test(self, table: HostTable) -> HostColumn:
        """Says where it holds."""
        raise NotImplementedError

    def close(self) -> None:
        """Called when the predicate is not needed any more."""
