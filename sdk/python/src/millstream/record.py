"""A record by itself: comfort for plugins that look at one record at a time."""

from __future__ import annotations

import copy as copying
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from .batch import Column, Encoder, Kind, Role, Table
from .errors import DataError
from .schema import Schema


@dataclass(slots=True)
class Header:
    """A header. Several headers of a record may share a key."""

    key: str
    value: Any = None
    schema: Schema | None = None


@dataclass(slots=True)
class KafkaPosition:
    """Where a record stands in a Kafka topic: sinks, and what runs before them, only."""

    offset: int
    original_topic: str
    original_partition: int
    original_offset: int


@dataclass(eq=False)
class Record:
    """A record with all that belongs to it.

    ``partition`` and ``timestamp_ms`` of ``None`` leave the choice to the producer. A schema of ``None`` stands for
    schemaless data. ``source_partition`` is what the record of a source came from and ``source_offset`` where to go on
    after it: dicts such as ``{"filename": "a.txt"}`` and ``{"position": 42}``. ``kafka`` is set for sinks.

    >>> Record("ticks", "tock", key="clock 1", source_partition={"clock": 1}, source_offset={"tick": 77}).value
    'tock'

    Records that come out of a batch read each attribute when it is first asked for. What a transform has not looked at
    stays in the batch as it is.
    """

    topic: str
    value: Any = None
    key: Any = None
    value_schema: Schema | None = None
    key_schema: Schema | None = None
    partition: int | None = None
    timestamp_ms: int | None = None
    headers: list[Header] = field(default_factory=list)
    source_partition: dict[str, Any] | None = None
    source_offset: dict[str, Any] | None = None
    kafka: KafkaPosition | None = None

    def header(self, key: str, default: Any = None) -> Any:
        """The value of the last header of this key."""
        return next((header.value for header in reversed(self.headers) if header.key == key), default)

    def add_header(self, key: str, value: Any, schema: Schema | None = None) -> None:
        """Appends a header."""
        self.headers.append(Header(key, value, schema))

    def copy(self, **changes: Any) -> Record:
        """Another record with these attributes changed. Lists and dicts are its own, whoever changes them later."""
        other = Record.__new__(type(self))
        _copy(self.__dict__, other.__dict__, changes)
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in NAMES)

    __hash__ = None  # type: ignore[assignment]


#: The attributes of a record.
NAMES = tuple(one.name for one in fields(Record))
_NAME_SET = frozenset(NAMES)
for _one in fields(Record):
    # Attributes of a record that was read are found in the batch, which a default of the class would hide.
    if _one.default is not MISSING:
        delattr(Record, _one.name)


def _copy(inside: dict[str, Any], other: dict[str, Any], changes: dict[str, Any]) -> None:
    if not changes.keys() <= _NAME_SET:
        raise TypeError(f"a record has no attribute {sorted(changes.keys() - _NAME_SET)[0]!r}")
    for name, value in inside.items():
        if name not in changes:
            other[name] = copying.deepcopy(value) if type(value) in (dict, list) else value
    other.update(changes)


class RowRecord(Record):
    """A row of a batch as a record, read attribute by attribute."""

    def __getattr__(self, name: str) -> Any:
        inside = self.__dict__
        try:
            value = inside["_reader"].read[name][inside["_row"]]
        except KeyError:
            if name not in _NAME_SET or "_reader" not in inside:
                raise AttributeError(f"a record has no attribute {name!r}") from None
            value = inside["_reader"].values(name)[inside["_row"]]
        if "_copied" in inside and isinstance(value, (dict, list)):
            value = copying.deepcopy(value)
        inside[name] = value
        return value

    def copy(self, **changes: Any) -> Record:
        """As ``Record.copy``; what was not read yet stays unread."""
        other = RowRecord.__new__(RowRecord)
        _copy(self.__dict__, other.__dict__, changes)
        other.__dict__["_copied"] = True
        return other

    def __repr__(self) -> str:
        return "Record(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in NAMES) + ")"


class Reader:
    """Reads rows of a batch as records. Whole columns are read, once each, when a row asks for the first value."""

    def __init__(self, table: Table) -> None:
        self.table = table
        #: The attributes that were read, for all rows.
        self.read: dict[str, list[Any]] = {}

    def record(self, row: int) -> RowRecord:
        """The record of a row."""
        record = RowRecord.__new__(RowRecord)
        inside = record.__dict__
        inside["_reader"] = self
        inside["_row"] = row
        # What one row was asked for, the others will be asked for, too.
        for name, values in self.read.items():
            inside[name] = values[row]
        return record

    def values(self, name: str) -> list[Any]:
        """An attribute of all rows."""
        found = self.read.get(name)
        if found is None:
            found = self.read[name] = self._read(name)
        return found

    def _read(self, name: str) -> list[Any]:
        table = self.table
        if name == "value":
            return table.value_values()
        if name == "key":
            return table.key_values()
        if name == "topic":
            return ["" if topic is None else topic for topic in table.topics()]
        if name == "value_schema":
            return table.values.schemas(table.rows)
        if name == "key_schema":
            return table.keys.schemas(table.rows)
        if name == "headers":
            return [[Header(key, value, schema) for key, schema, value in row] for row in table.headers()]
        if name == "partition":
            return table.numbers(Role.PARTITION)
        if name == "timestamp_ms":
            return table.numbers(Role.TIMESTAMP)
        if name == "source_partition":
            return table.column_values(Role.SOURCE_PARTITION)
        if name == "source_offset":
            return table.column_values(Role.SOURCE_OFFSET)
        return self._positions()

    def _positions(self) -> list[KafkaPosition | None]:
        table = self.table
        offsets = table.numbers(Role.OFFSET)
        if all(offset is None for offset in offsets):
            return [None] * table.rows

        def either(original: list[Any], now: list[Any], last: Any) -> list[Any]:
            return [
                first if first is not None else second if second is not None else last
                for first, second in zip(original, now)
            ]

        topics = either(table.column_values(Role.ORIGINAL_TOPIC), table.topics(), "")
        partitions = either(table.numbers(Role.ORIGINAL_PARTITION), table.numbers(Role.PARTITION), 0)
        originals = either(table.numbers(Role.ORIGINAL_OFFSET), offsets, 0)
        each = zip(offsets, topics, partitions, originals)
        return [None if offset is None else KafkaPosition(offset, *rest) for offset, *rest in each]


def records_of(table: Table) -> list[tuple[int, Record]]:
    """The rows of a batch that are still under way as records, each with its row."""
    reader = Reader(table)
    return [(row, reader.record(row)) for row in table.selected_rows()]


# ---- records to columns


def topic_column(topics: Sequence[Any]) -> Column:
    """A column of topics: one text for all rows, or a dictionary, since there are few."""
    codes: dict[str, int] = {}
    each = []
    for topic in topics:
        if not isinstance(topic, str):
            raise DataError(f"the topic of a record is text, not a {type(topic).__name__}")
        each.append(codes.setdefault(topic, len(codes)))
    if len(codes) == 1:
        return Column.constant_text(len(each), topics[0])
    column = Column.numbers(Kind.DICTIONARY, each)
    column.children = [Column.texts(list(codes))]
    return column


def number_column(kind: Kind, name: str, numbers: Sequence[Any]) -> Column | None:
    """A column of partitions or timestamps; ``None`` if no record has one."""
    kinds = set(map(type, numbers))
    for wrong in kinds - {type(None), int}:
        if not issubclass(wrong, int) or wrong is bool:
            raise DataError(f"the {name} of a record is a whole number, not a {wrong.__name__}")
    if kinds <= {type(None)}:
        return None
    bits = 31 if kind == Kind.INT32 else 63
    for number in numbers:
        if number is not None and not -(1 << bits) <= number < 1 << bits:
            raise DataError(f"the {name} of a record does not fit {bits + 1} bits: {number}")
    return Column.numbers(kind, numbers)


def header_column(encoder: Encoder, rows: Sequence[Any]) -> Column | None:
    """A column of headers; ``None`` if no record has any."""
    if not any(rows):
        return None
    return encoder.headers([[_header(header) for header in row or ()] for row in rows])


def _header(header: Any) -> tuple[str, Schema | None, Any]:
    if not isinstance(header, Header):
        raise DataError(f"the headers of a record are Header objects, not {type(header).__name__}")
    return header.key, header.schema, header.value


def map_column(encoder: Encoder, name: str, maps: Sequence[Any]) -> Column | None:
    """A column of source partitions or offsets; ``None`` if no record has one."""
    first = maps[0]
    for one in maps:
        if one is not None and not isinstance(one, dict):
            raise DataError(f"the {name} of a record is a dict, not a {type(one).__name__}")
    if all(one is None for one in maps):
        return None
    if all(one is first or one == first for one in maps):
        return encoder.column([first], None).repeated(len(maps))
    return encoder.column(maps, None)


def table_of(records: Iterable[Record]) -> Table | None:
    """A batch of records; ``None`` if there are none. ``Record.kafka`` is left aside: only the host knows it.

    Raises ``DataError`` for a record that no batch can carry, which says which one.
    """
    each = list(records)
    if not each:
        return None
    for number, record in enumerate(each):
        if not isinstance(record, Record):
            raise DataError(f"number {number} of the records is a {type(record).__name__}, not a Record")
    try:
        return _table_of(each)
    except DataError:
        if len(each) > 1:
            for number, record in enumerate(each):
                try:
                    _table_of([record])
                except DataError as error:
                    error.message = f"record {number} of {len(each)}: {error.message}"
                    raise
        raise


def _table_of(records: list[Record]) -> Table:
    table = Table(len(records))
    encoder = Encoder(table.schemas.place_of)
    table.set(Role.TOPIC, topic_column([record.topic for record in records]))
    columns = {
        Role.PARTITION: number_column(Kind.INT32, "partition", [record.partition for record in records]),
        Role.TIMESTAMP: number_column(Kind.INT64, "timestamp", [record.timestamp_ms for record in records]),
        Role.HEADERS: header_column(encoder, [record.headers for record in records]),
        Role.SOURCE_PARTITION: map_column(encoder, "source partition", [one.source_partition for one in records]),
        Role.SOURCE_OFFSET: map_column(encoder, "source offset", [record.source_offset for record in records]),
    }
    for role, column in columns.items():
        if column is not None:
            table.set(role, column)
    table.keys = _union(table, "key", [one.key for one in records], [one.key_schema for one in records])
    table.values = _union(table, "value", [one.value for one in records], [one.value_schema for one in records])
    return table


def _union(table: Table, name: str, values: list[Any], schemas: list[Schema | None]) -> Any:
    for schema in schemas:
        if schema is not None and not isinstance(schema, Schema):
            raise DataError(f"the {name}_schema of a record is a Schema, not a {type(schema).__name__}")
    return table.union_of(values, schemas)
