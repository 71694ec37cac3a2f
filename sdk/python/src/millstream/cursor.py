"""Rows one after the other, without an object for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .batch import Column, Kind, Role, Table, Union, bits
from .schema import Schema

if TYPE_CHECKING:
    from .records import Records


T = TypeVar("T")


class Cursor:
    """Stands at a row of a batch and reads what is asked for there. One object goes over all rows.

    Each column is read once, when the first row asks for it, and columns that nobody asks for are not read at all: with
    ``get`` that holds for single fields of keys and values.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        #: The row of the batch.
        self.row = 0
        self._lists: dict[Any, list[Any]] = {}
        self._records: Records | None = None

    @staticmethod
    def over(table: Table) -> Iterator[Cursor]:
        """Walks the rows of a batch that are still under way."""
        cursor = Cursor(table)
        for cursor.row in table.selected_rows():
            yield cursor

    @staticmethod
    def walk(records: Records) -> Iterator[Cursor]:
        """Walks the active rows of records, which ``fail`` and ``drop`` then act on."""
        cursor = Cursor(records)
        cursor._records = records
        for cursor.row in list(records.active_rows()):
            yield cursor

    @property
    def topic(self) -> str | None:
        """The topic."""
        return self._of("topic", self.table.topics)

    @property
    def partition(self) -> int | None:
        """The Kafka partition."""
        return self._of("partition", lambda: self.table.numbers(Role.PARTITION))

    @property
    def timestamp_ms(self) -> int | None:
        """Milliseconds since the epoch."""
        return self._of("timestamp", lambda: self.table.numbers(Role.TIMESTAMP))

    @property
    def offset(self) -> int | None:
        """The Kafka offset: sinks, and what runs before them, only."""
        return self._of("offset", lambda: self.table.numbers(Role.OFFSET))

    @property
    def headers(self) -> list[tuple[str, Schema | None, Any]]:
        """Headers: keys, schemas and values."""
        return self._of("headers", self.table.headers)

    @property
    def key(self) -> Any:
        """The whole key."""
        return self._of("key", self.table.key_values)

    @property
    def value(self) -> Any:
        """The whole value."""
        return self._of("value", self.table.value_values)

    @property
    def value_schema(self) -> Schema | None:
        """The schema of the value."""
        return self._of("value_schema", lambda: self.table.values.schemas(self.table.rows))

    @property
    def key_schema(self) -> Schema | None:
        """The schema of the key."""
        return self._of("key_schema", lambda: self.table.keys.schemas(self.table.rows))

    def get(self, *path: str, side: str = "value", default: Any = None) -> Any:
        """The field of the value, or of the key, at a path; ``default`` where a row does not have it."""
        found = self._lists.get((side, path))
        if found is None:
            union = self.table.keys if side == "key" else self.table.values
            found = self._lists[side, path] = _field(self.table, union, path)
        value = found[self.row]
        return default if value is _NOT_THERE else value

    def fail(self, error: BaseException) -> None:
        """The row has failed."""
        self._owner().fail(self.row, error)

    def drop(self) -> None:
        """Leaves the row out on purpose."""
        self._owner().drop(self.row)

    def _owner(self) -> Records:
        if self._records is None:
            raise TypeError("rows of this cursor can only be read")
        return self._records

    def _of(self, name: str, read: Callable[[], list[T]]) -> T:
        found: list[T] | None = self._lists.get(name)
        if found is None:
            found = self._lists[name] = read()
        return found[self.row]


_NOT_THERE: Any = object()


def _field(table: Table, union: Union, path: Sequence[str]) -> list[Any]:
    columns = [_read(block.column, block.schema, path, table.schemas) for block in union.blocks]
    if union.tags is None:
        return columns[0] if columns else [_NOT_THERE] * table.rows
    following = [iter(column) for column in columns]
    return [next(following[tag]) for tag in union.tags]


def _read(column: Column, schema: Schema | None, path: Sequence[str], schemas: Sequence[Schema]) -> list[Any]:
    if not path:
        return column.values(schema, schemas)
    if column.kind in (Kind.STRUCT, Kind.OBJECT) and not column.constant:
        child = next((child for child in column.children if child.name == path[0]), None)
        if child is None:
            return [_NOT_THERE] * column.rows
        inner = _read(child, schema.field_schemas[path[0]] if schema else None, path[1:], schemas)
        for there in (column.valid(), _present(child)):
            if there is not None:
                inner = [value if ok else _NOT_THERE for value, ok in zip(inner, there)]
        return inner
    return [_step(value, path) for value in column.values(schema, schemas)]


def _present(column: Column) -> bytes | None:
    if column.presence is None:
        return None
    flags = bits.unpack(column.presence, column.physical_rows)
    return flags * column.rows if column.constant else flags


def _step(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return _NOT_THERE
        value = value[name]
    return value
