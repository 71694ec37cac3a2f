"""Work on whole columns as a test has it: the host's operations over lists of Python's values.

What needs the host's own knowledge is near enough for tests: regular expressions are Python's, and texts of values
those of ``value_text``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..batch import ABSENT, Column, Role, Table
from ..errors import DataError, FatalError, of_kind
from ..record import Header, Reader, Record
from ..records import Records
from ..text import value_text


@dataclass
class _Open:
    """A table: its records, which rows are under way, and which are in focus."""

    records: list[Record | None]
    parents: list[int]
    table: Table
    only: list[bool]
    focus: list[bool]
    failures: list[tuple[int, int, Any]] = field(default_factory=list)


class FakeColumns:
    """``millstream.host.ColumnWork`` of the harness. ``batch`` is that of the running call."""

    def __init__(self) -> None:
        self.batch: Table | None = None
        self.only: list[bool] | None = None
        #: What the call has answered: records with their rows, failures, where a predicate holds.
        self.answered: list[tuple[int, Record]] | None = None
        self.failures: list[tuple[int, int, Any]] = []
        self.verdict: list[bool] | None = None
        self._columns: list[Any] = []
        self._tables: list[_Open] = []

    def __call__(self, name: str, *arguments: Any) -> Any:
        operation = getattr(self, f"_do_{name}", None)
        if operation is not None:
            return operation(*arguments)
        if name in _EACH:
            column, *rest = arguments
            return self._keep(self._map(lambda value: _EACH[name](value, *rest), column, nulls=name in _NULLS))
        if name in _PAIRS:
            return self._keep(self._map(_PAIRS[name], *arguments))
        raise FatalError(f"the harness cannot do {name}: run the plugin in a worker")

    # ---- columns: lists, or constants as themselves

    def _keep(self, column: Any) -> int:
        self._columns.append(column)
        return len(self._columns) - 1

    def _map(self, of: Callable[..., Any], *numbers: int, nulls: bool = False) -> Any:
        columns = [self._columns[number] for number in numbers]
        lengths = {len(column) for column in columns if isinstance(column, list)}
        if len(lengths) > 1:
            raise FatalError("the columns have different lengths")

        def one(values: Sequence[Any]) -> Any:
            for gone in (None, ABSENT):
                if not nulls and any(value is gone for value in values):
                    return gone
            return of(*values)

        if not lengths:
            return _Constant(one([column.value for column in columns]))
        rows = lengths.pop()
        return [one(values) for values in zip(*[_written_out(column, rows) for column in columns])]

    def _values(self, number: int) -> list[Any]:
        column = self._columns[number]
        values = column if isinstance(column, list) else [column.value]
        return [None if value is ABSENT else value for value in values]

    # ---- tables

    def _open(self, table: Table, only: Sequence[bool] | None) -> int:
        reader = Reader(table)
        selected = set(table.selected_rows())
        records: list[Record | None] = [reader.record(row) if row in selected else None for row in range(table.rows)]
        meant = [True] * table.rows if only is None else list(only)
        self._tables.append(_Open(records, list(range(table.rows)), table, meant, [True] * table.rows))
        return len(self._tables) - 1

    def _do_input(self) -> int:
        if self.batch is None:
            raise FatalError("this call has no batch")
        return self._open(self.batch, self.only)

    def _do_read(self, data: bytes) -> int:
        return self._open(Table.open(data), None)

    def _do_make(self, rows: int) -> int:
        table = Table(rows)
        table.set(Role.TOPIC, Column.constant_text(rows, "") if rows else Column.texts([]))
        number = self._open(table, None)
        self._tables[number].records = [Record("") for _ in range(rows)]
        return number

    def _do_write(self, number: int) -> bytes:
        opened = self._tables[number]
        made: dict[int, list[Record]] = {row: [] for row in range(opened.table.rows)}
        for parent, record in zip(opened.parents, opened.records):
            if record is not None:
                made[parent].append(record)
        rows = iter(list(opened.table.selected_rows()))
        changed = Records(opened.table)
        changed.replace_each(lambda _: made[next(rows)])
        return changed.write()

    def _do_rows(self, number: int) -> int:
        return len(self._tables[number].records)

    def _meant(self, number: int) -> list[bool]:
        opened = self._tables[number]
        return [
            record is not None and opened.only[parent] and focus
            for record, parent, focus in zip(opened.records, opened.parents, opened.focus)
        ]

    def _do_selected(self, number: int) -> int:
        return self._keep(self._meant(number))

    def _do_focus(self, number: int, condition: int | None) -> None:
        opened = self._tables[number]
        rows = len(opened.records)
        opened.focus = [True] * rows if condition is None else self._holds(condition, rows)

    def _holds(self, number: int, rows: int) -> list[bool]:
        return [value is True for value in _written_out(self._columns[number], rows)]

    def _do_keep(self, number: int, condition: int) -> None:
        opened, meant = self._tables[number], self._meant(number)
        for row, holds in enumerate(self._holds(condition, len(meant))):
            if meant[row] and not holds:
                opened.records[row] = None

    def _do_fail(self, number: int, messages: int, link: int, kind: str, java_class: str) -> None:
        opened, meant = self._tables[number], self._meant(number)
        for row, text in enumerate(_written_out(self._columns[messages], len(meant))):
            if meant[row] and text is not None and text is not ABSENT and opened.records[row] is not None:
                parent = opened.parents[row]
                opened.failures.append((link, parent, of_kind(kind, str(text), java_class=java_class)))
                for other, came in enumerate(opened.parents):
                    if came == parent:
                        opened.records[other] = None

    def _do_repeat(self, number: int, counts: Sequence[int]) -> list[int]:
        opened, meant = self._tables[number], self._meant(number)
        old: list[int] = []
        records: list[Record | None] = []
        for row, count in enumerate(counts):
            record = opened.records[row]
            several: list[Record | None] = [record]
            if record is not None and meant[row]:
                several = [record.copy() for _ in range(count)] or [None]
            old += [row] * len(several)
            records += several
        opened.records = records
        opened.parents = [opened.parents[row] for row in old]
        opened.focus = [opened.focus[row] for row in old]
        return old

    def _do_answer(self, number: int) -> None:
        opened = self._tables[number]
        pairs = zip(opened.parents, opened.records)
        self.answered = [(parent, record) for parent, record in pairs if record is not None]
        self.failures = opened.failures

    def _do_answer_verdict(self, holds: int, failed: int | None) -> None:
        rows = 0 if self.batch is None else self.batch.rows
        self.verdict = self._holds(holds, rows)
        if failed is not None:
            texts = _written_out(self._columns[failed], rows)
            self.failures = [
                (0, row, DataError(str(text))) for row, text in enumerate(texts) if text not in (None, ABSENT)
            ]

    # ---- parts of tables

    def _do_get(self, number: int, path: Sequence[str]) -> int | None:
        opened, meant = self._tables[number], self._meant(number)
        values = [
            _get(record, path) if on and record is not None else ABSENT for record, on in zip(opened.records, meant)
        ]
        return None if all(value is ABSENT for value in values) else self._keep(values)

    def _do_names(self, number: int, path: Sequence[str]) -> list[str]:
        names: dict[str, None] = {}
        for record in self._tables[number].records:
            if record is None:
                continue
            if list(path) == ["header"]:
                names.update(dict.fromkeys(header.key for header in record.headers))
            else:
                found = _get(record, path)
                names.update(dict.fromkeys(found) if isinstance(found, dict) else {})
        return list(names)

    def _do_set(self, number: int, path: Sequence[str], column: int) -> None:
        opened, meant = self._tables[number], self._meant(number)
        values = _written_out(self._columns[column], len(meant))
        for row, record in enumerate(opened.records):
            if meant[row] and record is not None:
                _set(record, path, values[row])

    def _do_drop(self, number: int, path: Sequence[str]) -> None:
        self._do_set(number, path, self._keep(_Constant(ABSENT)))

    def _do_rename(self, number: int, path: Sequence[str], name: str) -> None:
        opened, meant = self._tables[number], self._meant(number)
        for row, record in enumerate(opened.records):
            inside = _get(record, path[:-1]) if meant[row] and record is not None else None
            if isinstance(inside, dict) and path[-1] in inside:
                changed = {name if key == path[-1] else key: value for key, value in inside.items()}
                inside.clear()
                inside.update(changed)

    # ---- values of the guest

    def _do_texts(self, number: int) -> list[str | None]:
        return [None if value is None else value_text(value) for value in self._values(number)]

    def _do_numbers(self, number: int) -> list[float | None]:
        return [None if value is None else float(value) for value in self._values(number)]

    def _do_booleans(self, number: int) -> list[bool | None]:
        return self._values(number)

    def _do_to_json(self, number: int) -> str:
        return json.dumps(self._values(number), default=str)

    def _do_from_texts(self, values: Sequence[Any]) -> int:
        return self._keep(list(values))

    _do_from_numbers = _do_from_booleans = _do_from_texts

    def _do_from_json(self, text: str, schema: str | None) -> tuple[int, int | None]:
        return self._keep(json.loads(text)), None

    def _do_from_json_like(self, text: str, like: int) -> tuple[int, int | None]:
        return self._keep(json.loads(text)), None

    def _do_constant(self, text: str) -> int:
        return self._keep(_Constant(json.loads(text)))

    def _do_constant_text(self, text: str) -> int:
        return self._keep(_Constant(text))

    def _do_absent(self) -> int:
        return self._keep(_Constant(ABSENT))

    def _do_length(self, number: int) -> int:
        column = self._columns[number]
        return len(column) if isinstance(column, list) else 1

    def _do_cast(self, number: int, to: str) -> tuple[int, int | None]:
        return self._convert(lambda value: _CASTS[to](value), number)

    def _do_parse_json(self, number: int, schema: str | None) -> tuple[int, int | None]:
        return self._convert(json.loads, number)

    def _convert(self, of: Callable[[Any], Any], number: int) -> tuple[int, int | None]:
        column = self._columns[number]
        values = column if isinstance(column, list) else [column.value]
        made: list[Any] = []
        failed: list[Any] = []
        for value in values:
            try:
                made.append(value if value is None or value is ABSENT else of(value))
                failed.append(ABSENT)
            except (ValueError, TypeError, ArithmeticError) as error:
                made.append(None)
                failed.append(str(error))
        some = any(text is not ABSENT for text in failed)
        return self._keep(made), self._keep(failed) if some else None

    def _do_pack(self, names: Sequence[str], columns: Sequence[int], name: str | None) -> int:
        rows = max([self._do_length(number) for number in columns], default=1)
        each = [_written_out(self._columns[number], rows) for number in columns]
        packed = [{key: value for key, value in zip(names, row) if value is not ABSENT} for row in zip(*each)]
        return self._keep(packed)

    def _do_concat(self, columns: Sequence[int], separator: str) -> int:
        return self._keep(self._map(lambda *texts: separator.join(texts), *columns))

    def _do_choose(self, condition: int, holds: int, otherwise: int) -> int:
        rows = max(map(self._do_length, (condition, holds, otherwise)))
        first, second = (_written_out(self._columns[number], rows) for number in (holds, otherwise))
        meant = self._holds(condition, rows)
        return self._keep([first[row] if meant[row] else second[row] for row in range(rows)])

    def _do_coalesce(self, columns: Sequence[int]) -> int:
        rows = max(map(self._do_length, columns))
        each = zip(*[_written_out(self._columns[number], rows) for number in columns])
        return self._keep([next((v for v in row if v is not None and v is not ABSENT), row[-1]) for row in each])

    def _do_release(self, columns: Sequence[int]) -> None:
        pass


@dataclass
class _Constant:
    value: Any


def _written_out(column: Any, rows: int) -> list[Any]:
    if isinstance(column, _Constant):
        return [column.value] * rows
    if len(column) != rows:
        raise FatalError(f"a column of {len(column)} rows in a table of {rows}")
    return list(column)


_ATTRIBUTES = {
    "topic": "topic",
    "partition": "partition",
    "timestamp": "timestamp_ms",
    "key": "key",
    "value": "value",
    "source-partition": "source_partition",
    "source-offset": "source_offset",
}


def _get(record: Record, path: Sequence[str]) -> Any:
    if path[0] == "header":
        return next((header.value for header in reversed(record.headers) if header.key == path[1]), ABSENT)
    if path[0] == "offset":
        return record.kafka.offset if record.kafka else None
    if path[0] not in _ATTRIBUTES:
        raise FatalError(f"a table has nothing called {path[0]}")
    value = getattr(record, _ATTRIBUTES[path[0]])
    for name in path[1:]:
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _set(record: Record, path: Sequence[str], value: Any) -> None:
    if path[0] == "header":
        kept = [header for header in record.headers if header.key != path[1]]
        record.headers = kept if value is ABSENT else [*kept, Header(path[1], value)]
    elif len(path) == 1:
        setattr(record, _ATTRIBUTES[path[0]], None if value is ABSENT else value)
    else:
        inside = _get(record, path[:-1])
        if not isinstance(inside, dict):
            if value is not ABSENT and inside is not None:
                raise DataError(f"there are no fields in {'.'.join(path[:-1])}")
        elif value is ABSENT:
            inside.pop(path[-1], None)
        else:
            inside[path[-1]] = value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DataError(f"expected text, found a {type(value).__name__}")
    return value


def _is_null(value: Any) -> bool:
    return value is None or value is ABSENT


def _is_present(value: Any) -> bool:
    return value is not ABSENT


_EACH: dict[str, Callable[..., Any]] = {
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "trim": lambda value: _text(value).strip(),
    "substring": lambda value, start, count: _text(value)[start : None if count is None else start + count],
    "characters": lambda value: len(_text(value)),
    "replace": lambda value, pattern, by, every: re.sub(pattern, by.replace("$", "\\"), _text(value), 0 if every else 1),
    "extract": lambda value, pattern, group: (lambda found: found and found[group])(re.search(pattern, _text(value))),
    "matches": lambda value, pattern: re.search(pattern, _text(value)) is not None,
    "hash": lambda value, algorithm: hashlib.new(
        algorithm.replace("-", ""), value.encode() if isinstance(value, str) else value
    ).hexdigest(),
    "write_json": lambda value: json.dumps(value),
    "schemaless": lambda value: value,
    "is_null": _is_null,
    "is_present": _is_present,
    "inverse": lambda value: not value,
}
#: What is asked of nulls, too.
_NULLS = ("is_null", "is_present")
_PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "contains": lambda value, text: _text(text) in _text(value),
    "add": lambda left, right: left + right,
    "subtract": lambda left, right: left - right,
    "multiply": lambda left, right: left * right,
    "divide": lambda left, right: left / right if right else math.copysign(math.inf, left),
    "remainder": lambda left, right: math.fmod(left, right) if isinstance(left, float) else int(math.fmod(left, right)),
    "equal": lambda left, right: left == right,
    "less": lambda left, right: left < right,
    "at_most": lambda left, right: left <= right,
    "both": lambda left, right: left and right,
    "either": lambda left, right: left or right,
}
_CASTS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("int8", "int16", "int32", "int64"), int),
    **dict.fromkeys(("float32", "float64"), float),
    "boolean": lambda value: value if isinstance(value, bool) else value == "true",
    "string": value_text,
}
