"""A column of a batch: reading its values, and picking rows of it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from ..errors import DataError
from ..schema import Schema
from ..values import Float32, Int8, Int16, Int32, decimal_of, instant_of
from . import bits
from .layout import FIXED, HEAPS, I32, INLINE, U16, U32, Kind
from .variant import VariantReader, mapping_of, shaped

Buffer = bytes | memoryview


class _Absent:
    """Stands in a list of values where a schemaless map does not have the key."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()

#: Fields of a dict that is written out.
_MOST_WRITTEN_OUT = 200
_MARKED: dict[int, type] = {Kind.INT8: Int8, Kind.INT16: Int16, Kind.INT32: Int32, Kind.FLOAT32: Float32}


class Column:
    """Values of one kind, row by row, as they stand in the batch.

    ``rows`` is how many rows the column stands for; a ``constant`` one has a single physical row that stands for all of
    them. ``validity`` and ``presence`` are bitmaps over the physical rows, or ``None`` if all bits are set. ``data`` and
    ``children`` depend on the kind. A column is never changed: replace it by another one.
    """

    __slots__ = ("children", "constant", "data", "kind", "name", "presence", "rows", "validity")

    def __init__(
        self,
        kind: int,
        rows: int,
        data: Buffer = b"",
        *,
        validity: Buffer | None = None,
        presence: Buffer | None = None,
        children: Sequence[Column] = (),
        name: str = "",
        constant: bool = False,
    ) -> None:
        self.kind = kind
        self.rows = rows
        self.data = data
        self.validity = validity
        self.presence = presence
        self.children = list(children)
        self.name = name
        self.constant = constant

    def __repr__(self) -> str:
        return f"Column({Kind(self.kind).name}, rows={self.rows}{', constant' if self.constant else ''})"

    # ---- making columns of many rows at once

    @staticmethod
    def nulls(rows: int) -> Column:
        """Nothing but nulls."""
        return Column(Kind.NULL, rows)

    @staticmethod
    def texts(values: Sequence[str | None], nulls: bool | None = None) -> Column:
        """Texts, and nulls where there is ``None``. ``nulls`` says whether there is, if that is known."""
        if not nulls and (nulls is False or None not in values):
            text = "".join(values)  # type: ignore[arg-type]
            data = text.encode()
            if len(data) == len(text):  # ASCII: characters are bytes.
                return Column(Kind.TEXT, len(values), _offsets(map(len, values)) + data)  # type: ignore[arg-type]
        return _heap(Kind.TEXT, [b"" if value is None else value.encode() for value in values], _validity(values))

    @staticmethod
    def byte_strings(values: Sequence[bytes | None]) -> Column:
        """Bytes, and nulls where there is ``None``."""
        return _heap(Kind.BYTES, [b"" if value is None else value for value in values], _validity(values))

    @staticmethod
    def numbers(kind: Kind, values: Sequence[int | float | None], nulls: bool | None = None) -> Column:
        """Numbers of a kind of fixed width, and nulls where there is ``None``. ``nulls`` says whether there is, if that is
        known.

        Raises ``struct.error`` for a number that does not fit.
        """
        validity = None if nulls is False else _validity(values)
        filled = values if validity is None else [0 if value is None else value for value in values]
        return Column(kind, len(values), struct.pack(f"<{len(values)}{FIXED[kind][0]}", *filled), validity=validity)

    @staticmethod
    def booleans(values: Sequence[bool | None]) -> Column:
        """Booleans, and nulls where there is ``None``."""
        return Column(Kind.BOOLEAN, len(values), bits.pack(values), validity=_validity(values))

    @staticmethod
    def constant_text(rows: int, text: str) -> Column:
        """One text in all rows."""
        return Column.texts([text]).repeated(rows)

    @staticmethod
    def constant_number(kind: Kind, rows: int, number: int | float) -> Column:
        """One number in all rows."""
        return Column.numbers(kind, [number]).repeated(rows)

    def repeated(self, rows: int) -> Column:
        """The only row of this column as a constant. Without rows, and of nulls, an ordinary column."""
        if self.kind == Kind.NULL or rows == 0:
            return Column.nulls(rows)
        return self._with(rows=rows, constant=True)

    def written_out(self) -> Column:
        """The same column with a physical row for each row."""
        if not self.constant:
            return self
        return self._with(rows=1, constant=False).take([0] * self.rows)

    def named(self, name: str) -> Column:
        """The same column under a name, as a child of a struct or map."""
        return self._with(name=name)

    def _with(self, **changes: Any) -> Column:
        column = Column.__new__(Column)
        for slot in Column.__slots__:
            setattr(column, slot, changes[slot] if slot in changes else getattr(self, slot))
        return column

    # ---- reading

    @property
    def physical_rows(self) -> int:
        """Rows that are there: one if the column is constant."""
        return 1 if self.constant else self.rows

    def offsets(self) -> tuple[int, ...]:
        """Where each row begins in heap or children, and where the last one ends."""
        return struct.unpack_from(f"<{self.physical_rows + 1}I", self.data)

    def heap(self) -> memoryview:
        """What stands behind the offsets."""
        return memoryview(self.data)[4 * (self.physical_rows + 1) :]

    def valid(self) -> bytes | None:
        """A byte per physical row, 0 for null; ``None`` if there are no nulls."""
        return None if self.validity is None else bits.unpack(self.validity, self.physical_rows)

    def values(self, schema: Schema | None = None, schemas: Sequence[Schema] = ()) -> list[Any]:
        """All values, as this SDK shows them (module ``values``). ``schemas`` is the table of the batch."""
        if not self.constant:
            return self._physical(schema, schemas)
        if self.kind in (Kind.LIST, Kind.MAP, Kind.STRUCT, Kind.OBJECT, Kind.VARIANT):
            # Each row gets an object of its own, which its owner may change.
            return [self._physical(schema, schemas)[0] for _ in range(self.rows)]
        return self._physical(schema, schemas) * self.rows

    def _physical(self, schema: Schema | None, schemas: Sequence[Schema]) -> list[Any]:
        rows = self.physical_rows
        if self.kind == Kind.NULL:
            return [None] * rows
        values = self._all(rows, schema, schemas)
        valid = self.valid()
        if valid is not None:
            values = [value if ok else None for value, ok in zip(values, valid)]
        return values

    def _all(self, rows: int, schema: Schema | None, schemas: Sequence[Schema]) -> list[Any]:
        """Values, whatever the validity says; what stands under nulls is anything."""
        kind = self.kind
        if kind == Kind.TEXT:
            return self._texts(rows)
        if kind == Kind.BOOLEAN:
            return list(map(bool, bits.unpack(self.data, rows)))
        if kind in FIXED:
            return self._fixed(rows, schema)
        if kind == Kind.BYTES:
            heap = self.heap()
            return [bytes(heap[begin:end]) for begin, end in pairwise(self.offsets())]
        if kind == Kind.DECIMAL:
            heap = self.heap()
            return [_decimal(heap[begin:end]) if begin < end else None for begin, end in pairwise(self.offsets())]
        if kind == Kind.LIST:
            items = self.children[0].values(schema.element if schema else None, schemas)
            return [items[begin:end] for begin, end in pairwise(self.offsets())]
        if kind == Kind.MAP:
            keys = self.children[0].values(schema.key if schema else None, schemas)
            items = self.children[1].values(schema.element if schema else None, schemas)
            spans = pairwise(self.offsets())
            return [mapping_of(list(zip(keys[begin:end], items[begin:end]))) for begin, end in spans]
        if kind == Kind.STRUCT:
            return self._structs(rows, schema, schemas)
        if kind == Kind.OBJECT:
            return self._objects(rows, schemas)
        if kind == Kind.VARIANT:
            return self._variants(schema, schemas)
        raise ValueError(f"a column of headers is read by headers(), not by values(): {self!r}")

    def _texts(self, rows: int) -> list[Any]:
        offsets, heap = self.offsets(), self.heap()
        text = str(heap[: offsets[rows]], "utf-8")
        if len(text) == offsets[rows]:  # ASCII: bytes are characters.
            return [text[begin:end] for begin, end in pairwise(offsets)]
        return [str(heap[begin:end], "utf-8") for begin, end in pairwise(offsets)]

    def _fixed(self, rows: int, schema: Schema | None) -> list[Any]:
        kind = self.kind
        numbers = struct.unpack_from(f"<{rows}{FIXED[kind][0]}", self.data)
        if kind == Kind.DICTIONARY:
            texts = self.children[0].values()
            return [texts[number] for number in numbers]
        if kind == Kind.INSTANT:
            logical = schema.name if schema else None
            return [instant_of(number, logical) for number in numbers]
        if schema is None and kind in _MARKED:
            return list(map(_MARKED[kind], numbers))
        return list(numbers)

    def _structs(self, rows: int, schema: Schema | None, schemas: Sequence[Schema]) -> list[Any]:
        if schema is None:
            raise ValueError("a column of structs is read with its schema")
        if not schema.fields:
            return [{} for _ in range(rows)]
        names = [name for name, _ in schema.fields]
        columns = [child.values(field, schemas) for child, (_, field) in zip(self.children, schema.fields)]
        return _dicts(tuple(names))(columns)

    def _objects(self, rows: int, schemas: Sequence[Schema]) -> list[Any]:
        if not self.children:
            return [{} for _ in range(rows)]
        names = [child.name for child in self.children]
        columns = [child.members(schemas) for child in self.children]
        if all(child.presence is None for child in self.children):
            return _dicts(tuple(names))(columns)
        return [
            {name: slot for name, slot in zip(names, slots) if slot is not ABSENT} for slots in zip(*columns)
        ]

    def members(self, schemas: Sequence[Schema] = ()) -> list[Any]:
        """As ``values()`` of a member of schemaless maps, with ``ABSENT`` where a map does not have the key."""
        values = self.values(None, schemas)
        if self.presence is None:
            return values
        present = bits.unpack(self.presence, self.physical_rows)
        if self.constant:
            return values if present[0] else [ABSENT] * self.rows
        return [value if here else ABSENT for value, here in zip(values, present)]

    def _variants(self, schema: Schema | None, schemas: Sequence[Schema]) -> list[Any]:
        reader = VariantReader(self.children[0].values() if self.children else (), schemas)
        heap = self.heap()
        values = [reader.read(heap[begin:end]) if begin < end else None for begin, end in pairwise(self.offsets())]
        return values if schema is None else [shaped(value, schema) for value in values]

    def headers(self, schemas: Sequence[Schema]) -> list[list[tuple[str, Schema | None, Any]]]:
        """The headers of each row of a column of headers: keys, schemas, values."""
        reader = VariantReader((), schemas)
        heap = self.heap()
        found = [_headers(heap[begin:end], reader) for begin, end in pairwise(self.offsets())]
        return [list(found[0]) for _ in range(self.rows)] if self.constant else found

    # ---- whole columns of text

    def upper(self) -> Column:
        """A column of text in capitals, without a look at rows where it is ASCII."""
        return self._text(bytes.upper, str.upper)

    def lower(self) -> Column:
        """A column of text in small letters."""
        return self._text(bytes.lower, str.lower)

    def _text(self, of_bytes: Callable[[bytes], bytes], of_text: Callable[[str], str]) -> Column:
        if self.kind == Kind.DICTIONARY:
            return self._with(children=[self.children[0]._text(of_bytes, of_text)])
        if self.kind == Kind.NULL:
            return self
        if self.kind != Kind.TEXT:
            raise DataError(f"expected text, found {Kind(self.kind).name}")
        heap = bytes(self.heap())
        if heap.isascii():
            return self._with(data=bytes(self.data[: -len(heap) or None]) + of_bytes(heap))
        physical = self._with(rows=self.physical_rows, constant=False, validity=None, presence=None)
        return self._with(data=Column.texts([of_text(text) for text in physical.values()]).data)

    # ---- picking rows

    def take(self, rows: Sequence[int]) -> Column:
        """A column of these rows, in this order; a row may stand several times. Exact, whatever the values are."""
        if self.constant:
            # A constant column has at least one row.
            return self._with(rows=len(rows)) if rows else self._with(constant=False, rows=1).take(rows)
        count = len(rows)
        changes: dict[str, Any] = {"rows": count}
        for bitmap in ("validity", "presence"):
            found = getattr(self, bitmap)
            if found is not None:
                each = bits.unpack(found, self.rows)
                changes[bitmap] = bits.pack(bytes([each[row] for row in rows]))
        if self.kind == Kind.NULL:
            pass
        elif self.kind == Kind.BOOLEAN:
            each = bits.unpack(self.data, self.rows)
            changes["data"] = bits.pack(bytes([each[row] for row in rows]))
        elif self.kind in FIXED:
            letter = {1: "B", 2: "H", 4: "I", 8: "Q"}[FIXED[self.kind][1]]
            numbers = struct.unpack_from(f"<{self.rows}{letter}", self.data)
            changes["data"] = struct.pack(f"<{count}{letter}", *[numbers[row] for row in rows])
        elif self.kind in HEAPS:
            offsets, heap = self.offsets(), self.heap()
            changes["data"] = _heap_data([heap[offsets[row] : offsets[row + 1]] for row in rows])
        elif self.kind in (Kind.LIST, Kind.MAP):
            offsets = self.offsets()
            items = [item for row in rows for item in range(offsets[row], offsets[row + 1])]
            changes["data"] = _offsets(offsets[row + 1] - offsets[row] for row in rows)
            changes["children"] = [child.take(items) for child in self.children]
        else:
            changes["children"] = [child.take(rows) for child in self.children]
        return self._with(**changes)


@lru_cache(256)
def _dicts(names: tuple[str, ...]) -> Callable[[Sequence[Sequence[Any]]], list[dict[str, Any]]]:
    """What makes a dict with these keys of each row of some columns. Written out, as ``{"a": v0, "b": v1}``, it takes a third
    of the time of ``dict(zip(…))``."""
    if len(names) > _MOST_WRITTEN_OUT:
        return lambda columns: [dict(zip(names, slots)) for slots in zip(*columns)]
    slots = [f"v{place}" for place in range(len(names))]
    display = ", ".join([f"{name!r}: {slot}" for name, slot in zip(names, slots)])
    # Names are in it as literals, so that they are nothing but names.
    made: Any = eval(f"lambda columns: [{{{display}}} for {', '.join(slots)}, in zip(*columns)]")
    return made  # type: ignore[no-any-return]


def _validity(values: Sequence[object]) -> bytes | None:
    if None not in values:
        return None
    return bits.pack(bytes([value is not None for value in values]))


def _offsets(lengths: Iterable[int]) -> bytes:
    offsets = list(accumulate(lengths, initial=0))
    return struct.pack(f"<{len(offsets)}I", *offsets)


def _heap_data(parts: Sequence[Buffer]) -> bytes:
    return b"".join([_offsets(map(len, parts)), *parts])


def _heap(kind: Kind, parts: Sequence[Buffer], validity: bytes | None) -> Column:
    return Column(kind, len(parts), _heap_data(parts), validity=validity)


def _decimal(data: memoryview) -> Any:
    return decimal_of(int.from_bytes(data[4:], "big", signed=True), I32.unpack_from(data)[0])


def _headers(data: memoryview, reader: VariantReader) -> list[tuple[str, Schema | None, Any]]:
    found, at = [], 0
    while at < len(data):
        end = at + 4 + U32.unpack_from(data, at)[0]
        key = str(data[at + 4 : end], "utf-8")
        place = U16.unpack_from(data, end)[0]
        schema = None if place == INLINE else reader.schemas[place]
        at = end + 6 + U32.unpack_from(data, end + 2)[0]
        found.append((key, schema, shaped(reader.read(data[end + 6 : at]), schema)))
    return found


# Helpers for the modules beside this one.
heap_column = _heap
heap_data = _heap_data
offsets_of = _offsets
validity_of = _validity
