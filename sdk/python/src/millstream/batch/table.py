"""A batch opened: the columns of its envelope, its keys and its values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import DataError, FatalError
from ..schema import Schema
from . import bits
from .column import Column
from .encode import Encoder
from .layout import (
    CONSTANT,
    HAS_PRESENCE,
    HAS_VALIDITY,
    HEADER,
    MAGIC,
    MOST_BLOCKS,
    MOST_BYTES,
    NO_SCHEMA,
    NODE,
    SCHEMA_ENTRY,
    VERSION,
    Kind,
    Role,
)
from .schema_codec import decode_schema

_TAGS = (Role.KEY_TAGS, Role.VALUE_TAGS)
_BLOCKS = (Role.KEY_BLOCK, Role.VALUE_BLOCK)


class SchemaTable(Sequence[Schema]):
    """The schemas of a batch, by their places. They are read when they are asked for."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.entries = list(entries)
        self._places: dict[bytes, int] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, place: Any) -> Any:
        return decode_schema(self.entries[place])

    def place_of(self, schema: Schema) -> int:
        """The place of a schema, which is added if it is not there."""
        if self._places is None:
            self._places = {entry: place for place, entry in enumerate(self.entries)}
        data = schema.encoded
        place = self._places.get(data)
        if place is None:
            if len(self.entries) >= 65_534:
                raise DataError("a batch has more than 65,534 schemas; end it before")
            place = self._places[data] = len(self.entries)
            self.entries.append(data)
        return place


@dataclass(slots=True)
class Block:
    """All keys, or all values, that have one schema: one row each, in the order of their records."""

    schema: Schema | None
    column: Column


@dataclass(slots=True)
class Union:
    """The keys, or the values, of a batch: blocks, and for each row the number of its block.

    Without ``tags`` there is one block with all rows, or none: then all are null and have no schema.
    """

    tags: bytes | None = None
    blocks: list[Block] = field(default_factory=list)

    def places(self, rows: int) -> list[tuple[int, int]] | None:
        """Block and row in it of each row; ``None`` if there is at most one block."""
        if self.tags is None:
            return None
        following = [0] * len(self.blocks)
        found = []
        for tag in self.tags[:rows]:
            found.append((tag, following[tag]))
            following[tag] += 1
        return found

    def schemas(self, rows: int) -> list[Schema | None]:
        """The schema of each row."""
        if self.tags is None:
            return [self.blocks[0].schema if self.blocks else None] * rows
        each = [block.schema for block in self.blocks]
        return [each[tag] for tag in self.tags]

    def values(self, rows: int, schemas: Sequence[Schema]) -> list[Any]:
        """The value of each row."""
        if not self.blocks:
            return [None] * rows
        columns = [block.column.values(block.schema, schemas) for block in self.blocks]
        if self.tags is None:
            return columns[0]
        following = [iter(column) for column in columns]
        return [next(following[tag]) for tag in self.tags]

    def take(self, rows: Sequence[int], of: int) -> Union:
        """The union of these rows of ``of``."""
        places = self.places(of)
        if places is None or self.tags is None:
            return Union(None, [Block(block.schema, block.column.take(rows)) for block in self.blocks])
        tags = bytes([self.tags[row] for row in rows])
        picked: list[list[int]] = [[] for _ in self.blocks]
        for row in rows:
            block, place = places[row]
            picked[block].append(place)
        return Union(tags, [Block(b.schema, b.column.take(rows)) for b, rows in zip(self.blocks, picked)])


class Table:
    """A batch opened.

    ``envelope`` has the columns that belong to whole rows by their roles (``Role``; others are kept), ``keys`` and
    ``values`` are unions of blocks. What is replaced here is in the batch that ``write`` makes; what is left alone goes
    there as it is, byte for byte.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.envelope: dict[int, Column] = {}
        self.keys = Union()
        self.values = Union()
        self.schemas = SchemaTable()

    # ---- reading

    @staticmethod
    def open(data: bytes) -> Table:
        """Opens a batch. Columns are views of ``data``.

        Raises ``FatalError`` if it is none. The host has checked what it hands over, so not every rule is checked again.
        """
        try:
            return _opened(data)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, ArithmeticError) as error:
            raise FatalError("open a batch") from error
        except Exception as error:
            if isinstance(error, FatalError):
                raise
            raise FatalError("open a batch") from error

    def get(self, role: int) -> Column | None:
        """A column of the envelope."""
        return self.envelope.get(role)

    def column_values(self, role: int) -> list[Any]:
        """The values of a column of the envelope, ``None`` in all rows if there is none."""
        column = self.envelope.get(role)
        return [None] * self.rows if column is None else column.values(None, self.schemas)

    def topics(self) -> list[str | None]:
        """The topic of each row."""
        return self.column_values(Role.TOPIC)

    def numbers(self, role: int) -> list[int | None]:
        """The plain integers of a column of the envelope."""
        column = self.envelope.get(role)
        if column is None:
            return [None] * self.rows
        return [None if number is None else int(number) for number in column.values()]

    def headers(self) -> list[list[tuple[str, Schema | None, Any]]]:
        """The headers of each row: keys, schemas and values."""
        column = self.envelope.get(Role.HEADERS)
        return [[] for _ in range(self.rows)] if column is None else column.headers(self.schemas)

    def key_values(self) -> list[Any]:
        """The key of each row."""
        return self.keys.values(self.rows, self.schemas)

    def value_values(self) -> list[Any]:
        """The value of each row."""
        return self.values.values(self.rows, self.schemas)

    def selected(self) -> bytes | None:
        """A byte per row, 0 where it was filtered or has failed; ``None`` if all rows are still under way."""
        column = self.envelope.get(Role.SELECTION)
        if column is None:
            return None
        flags = bits.unpack(column.data, column.physical_rows)
        return flags * self.rows if column.constant else flags

    def selected_rows(self) -> Sequence[int]:
        """The rows that are still under way, ascending."""
        selected = self.selected()
        return range(self.rows) if selected is None else [row for row, on in enumerate(selected) if on]

    # ---- changing

    def set(self, role: int, column: Column) -> None:
        """Replaces a column of the envelope, which must have as many rows as the batch."""
        if column.rows != self.rows:
            raise ValueError(f"a column of {column.rows} rows in a batch of {self.rows}")
        self.envelope[role] = column

    def remove(self, role: int) -> None:
        """Takes a column out of the envelope, if it is there."""
        self.envelope.pop(role, None)

    def deselect(self, rows: Iterable[int]) -> None:
        """Marks rows as no longer under way."""
        flags = bytearray(self.selected() or b"\1" * self.rows)
        for row in rows:
            flags[row] = 0
        self.envelope[Role.SELECTION] = Column(Kind.BOOLEAN, self.rows, bits.pack(flags))

    def union_of(self, values: Sequence[Any], schemas: Sequence[Schema | None] | Schema | None) -> Union:
        """Keys or values for this batch: with a schema each, or one for all.

        Raises ``DataError`` for a value that does not fit its schema, and for more than 255 different schemas.
        """
        encoder = Encoder(self.schemas.place_of)
        if schemas is None or isinstance(schemas, Schema):
            if not len(values) or (schemas is None and all(value is None for value in values)):
                return Union()
            return Union(None, [Block(schemas, encoder.column(values, schemas))])
        by_id: dict[int, int] = {}
        by_bytes: dict[bytes | None, int] = {}
        groups: list[tuple[Schema | None, list[Any]]] = []
        tags = bytearray()
        for value, schema in zip(values, schemas, strict=True):
            tag = by_id.get(id(schema))
            if tag is None:
                data = None if schema is None else schema.encoded
                tag = by_bytes.get(data)
                if tag is None:
                    if len(groups) == MOST_BLOCKS:
                        raise DataError(f"a batch has more than {MOST_BLOCKS} different schemas; end it before")
                    tag = by_bytes[data] = len(groups)
                    groups.append((schema, []))
                by_id[id(schema)] = tag
            groups[tag][1].append(value)
            tags.append(tag)
        if len(groups) == 1:
            return self.union_of(groups[0][1], groups[0][0])
        return Union(bytes(tags), [Block(schema, encoder.column(group, schema)) for schema, group in groups])

    # ---- writing

    def write(self) -> bytes:
        """The bytes of the batch."""
        return _Writer(self).bytes()


def _opened(data: bytes) -> Table:
    magic, version, _, rows, entries, directory, schema_table, schema_count, length = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise FatalError(f"the bytes do not begin like a batch of format version {VERSION}")
    if length != len(data):
        raise FatalError(f"a batch of {length} bytes has {len(data)}")
    view = memoryview(data)
    table = Table(rows)
    spans = SCHEMA_ENTRY.iter_unpack(view[schema_table : schema_table + schema_count * SCHEMA_ENTRY.size])
    table.schemas.entries.extend([bytes(view[at : at + size]) for _, at, size in spans])
    nodes = iter(list(NODE.iter_unpack(view[directory : directory + entries * NODE.size])))
    for node in nodes:
        role, place = node[2], node[12]
        column = _column(node, nodes, view)
        if role in _BLOCKS:
            union = table.keys if role == Role.KEY_BLOCK else table.values
            union.blocks.append(Block(None if place == NO_SCHEMA else table.schemas[place], column))
        elif role in _TAGS:
            union = table.keys if role == Role.KEY_TAGS else table.values
            union.tags = bytes(column.data) * rows if column.constant else bytes(column.data)
        else:
            table.envelope[role] = column
    return table


def _column(node: tuple[int, ...], nodes: Any, view: memoryview) -> Column:
    kind, flags, _, _, name, name_size, rows, children, validity, presence, data, size, _ = node
    constant = bool(flags & CONSTANT)
    bitmap = bits.length(1 if constant else rows)
    return Column(
        kind,
        rows,
        view[data : data + size],
        validity=view[validity : validity + bitmap] if flags & HAS_VALIDITY else None,
        presence=view[presence : presence + bitmap] if flags & HAS_PRESENCE else None,
        name=str(view[name : name + name_size], "utf-8") if name_size else "",
        constant=constant,
        children=[_column(next(nodes), nodes, view) for _ in range(children)],
    )


class _Writer:
    def __init__(self, table: Table) -> None:
        self.table = table
        self.parts: list[bytes | memoryview] = [b""]
        self.at = HEADER.size
        self.directory: list[bytes] = []

    def put(self, data: bytes | memoryview) -> int:
        at = self.at
        self.parts.append(data)
        self.at += len(data)
        return at

    def bytes(self) -> bytes:
        table = self.table
        for role, column in table.envelope.items():
            self.column(column, role, NO_SCHEMA)
        for union, tags, block in zip((table.keys, table.values), _TAGS, _BLOCKS):
            if union.tags is not None:
                self.column(Column(Kind.INT8, table.rows, union.tags), tags, NO_SCHEMA)
            for found in union.blocks:
                place = NO_SCHEMA if found.schema is None else table.schemas.place_of(found.schema)
                self.column(found.column, block, place)
        entries = [SCHEMA_ENTRY.pack(0, self.put(entry), len(entry)) for entry in table.schemas.entries]
        schema_table = self.put(b"".join(entries))
        directory = self.put(b"".join(self.directory))
        if self.at > MOST_BYTES:
            raise FatalError(f"a batch of {self.at} bytes is too large: {MOST_BYTES} are allowed")
        self.parts[0] = HEADER.pack(
            MAGIC, VERSION, 0, table.rows, len(self.directory), directory, schema_table, len(entries), self.at
        )
        return b"".join(self.parts)

    def column(self, column: Column, role: int, place: int) -> None:
        flags = CONSTANT if column.constant else 0
        validity = presence = 0
        if column.validity is not None:
            flags, validity = flags | HAS_VALIDITY, self.put(column.validity)
        if column.presence is not None:
            flags, presence = flags | HAS_PRESENCE, self.put(column.presence)
        name = column.name.encode()
        name_at = self.put(name) if name else 0
        data_at = self.put(column.data) if len(column.data) else 0
        self.directory.append(
            NODE.pack(
                column.kind,
                flags,
                role,
                0,
                name_at,
                len(name),
                column.rows,
                len(column.children),
                validity,
                presence,
                data_at,
                len(column.data),
                place,
            )
        )
        for child in column.children:
            self.column(child, 0, NO_SCHEMA)
