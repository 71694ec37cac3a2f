"""Values to columns."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from typing import Any

from ..errors import DataError
from ..schema import DECIMAL_NAME, INSTANT_NAMES, Schema, SchemaType
from ..values import WIDE, Entries, Float32, Instant, Int8, Int16, Int32, decimal_of
from . import bits
from .column import ABSENT, Column, heap_column, offsets_of, validity_of
from .layout import INLINE, MOST_COLUMN_DEPTH, U16, U32, Kind
from .variant import VariantWriter, decimal_bytes, instant_ms

#: A schemaless map becomes columns if its maps have at most so many different keys.
_MOST_KEYS = 256
_NUMBERS: dict[SchemaType, tuple[Kind, str]] = {
    SchemaType.INT8: (Kind.INT8, "b"),
    SchemaType.INT16: (Kind.INT16, "h"),
    SchemaType.INT32: (Kind.INT32, "i"),
    SchemaType.INT64: (Kind.INT64, "q"),
    SchemaType.FLOAT32: (Kind.FLOAT32, "f"),
    SchemaType.FLOAT64: (Kind.FLOAT64, "d"),
}

_NONE = type(None)

PlaceOf = Callable[[Schema], int]


class Encoder:
    """Makes columns of values. ``place_of`` gives a schema its place in the table of the batch that is made."""

    def __init__(self, place_of: PlaceOf) -> None:
        self.place_of = place_of

    def column(self, values: Sequence[Any], schema: Schema | None) -> Column:
        """A column of values that have this schema, or none.

        Raises ``DataError`` for the first value found that does not fit, with the path of its field.
        """
        if schema is None:
            return self._schemaless(values, 0)
        return self._with_schema(values, schema, schema.optional or schema.default is not None, 0)

    # ---- with a schema

    def _with_schema(self, values: Sequence[Any], schema: Schema, optional: bool, depth: int) -> Column:
        kinds = set(map(type, values))
        if _NONE in kinds:
            if schema.default is not None and not schema.optional:
                values = [schema.default if value is None else value for value in values]
                kinds = set(map(type, values))
            elif not optional and not schema.optional:
                raise DataError(f"null in a place that requires a value of type {schema.type.name}")
        if depth >= MOST_COLUMN_DEPTH:
            return self._variants(values, schema)
        kind = schema.type
        if schema.name in INSTANT_NAMES:
            return self._instants(values, schema)
        if schema.name == DECIMAL_NAME:
            return self._decimals(values, schema)
        if kind in _NUMBERS:
            return self._numbers(values, schema, kinds)
        if kind == SchemaType.STRING:
            return self._texts(values, kinds)
        if kind == SchemaType.BOOLEAN:
            _only(values, kinds, bool, "BOOLEAN")
            return Column.booleans(values)
        if kind == SchemaType.BYTES:
            return self._bytes(values)
        if kind == SchemaType.STRUCT:
            return self._structs(values, schema, depth)
        if kind == SchemaType.ARRAY:
            return self._lists(values, schema.element, depth)
        return self._maps(values, schema, depth)

    def _inner(self, values: Sequence[Any], schema: Schema | None, depth: int) -> Column:
        if schema is None:
            return self._schemaless(values, depth)
        return self._with_schema(values, schema, False, depth)

    def _texts(self, values: Sequence[Any], kinds: set[type]) -> Column:
        _only(values, kinds, str, "STRING")
        try:
            return Column.texts(values, _NONE in kinds)
        except UnicodeEncodeError as error:
            raise DataError("a text has characters that have no form in UTF-8") from error

    def _bytes(self, values: Sequence[Any]) -> Column:
        for value in values:
            if value is not None and not isinstance(value, (bytes, bytearray, memoryview)):
                raise _other("BYTES", value)
        return Column.byte_strings(values)

    def _numbers(self, values: Sequence[Any], schema: Schema, kinds: set[type]) -> Column:
        kind, letter = _NUMBERS[schema.type]
        whole = letter not in "fd"
        for value in kinds:
            if value is not _NONE and (
                value is bool or not (issubclass(value, int) or (not whole and issubclass(value, float)))
            ):
                wrong = next(item for item in values if type(item) is value)
                raise _other(schema.type.name, wrong)
        try:
            return Column.numbers(kind, values, _NONE in kinds)
        except (struct.error, OverflowError):
            for value in values:
                try:
                    struct.pack(f"<{letter}", 0 if value is None else value)
                except (struct.error, OverflowError):
                    raise DataError(f"{value} does not fit an {schema.type.name}") from None
            raise

    def _instants(self, values: Sequence[Any], schema: Schema) -> Column:
        return Column.numbers(Kind.INSTANT, [None if value is None else instant_ms(value) for value in values])

    def _decimals(self, values: Sequence[Any], schema: Schema | None) -> Column:
        scale = schema.scale if schema else None
        parts = []
        for value in values:
            if value is None:
                parts.append(b"")
            elif isinstance(value, (Decimal, int)) and not isinstance(value, bool):
                parts.append(decimal_bytes(_rescaled(Decimal(value), scale), sized=False))
            else:
                raise _other("Decimal", value)
        return heap_column(Kind.DECIMAL, parts, validity_of(values))

    def _structs(self, values: Sequence[Any], schema: Schema, depth: int) -> Column:
        columns = _columns(values, [name for name, _ in schema.fields])
        if columns is None:
            _check_fields(values, schema)
        validity = validity_of(values)
        children = []
        for place, (name, field) in enumerate(schema.fields):
            if columns is not None:
                slots = columns[place]
            else:
                slots = [None if value is None else value.get(name) for value in values]
            try:
                # Where the struct itself is null, its required fields are, too.
                if validity is not None and not field.optional:
                    children.append(self._required(values, slots, field, depth + 1).named(name))
                else:
                    children.append(self._inner(slots, field, depth + 1).named(name))
            except DataError as error:
                raise error.in_field(name) from error.__cause__
        return Column(Kind.STRUCT, len(values), validity=validity, children=children)

    def _required(self, parents: Sequence[Any], slots: Sequence[Any], field: Schema, depth: int) -> Column:
        """The column of a required field of structs of which some are null."""
        present = [slot for parent, slot in zip(parents, slots) if parent is not None]
        dense = self._with_schema(present, field, False, depth)
        if not present:
            return Column.nulls(len(slots))
        place, rows = 0, []
        for parent in parents:
            rows.append(min(place, len(present) - 1))
            place += parent is not None
        return dense.take(rows)

    def _lists(self, values: Sequence[Any], element: Schema | None, depth: int) -> Column:
        for value in values:
            if value is not None and not isinstance(value, (list, tuple)):
                raise _other("ARRAY", value)
        items = list(chain.from_iterable([value for value in values if value is not None]))
        data = offsets_of(0 if value is None else len(value) for value in values)
        child = self._inner(items, element, depth + 1)
        return Column(Kind.LIST, len(values), data, validity=validity_of(values), children=[child])

    def _maps(self, values: Sequence[Any], schema: Schema, depth: int) -> Column:
        pairs: list[tuple[Any, Any]] = []
        lengths = []
        for value in values:
            if isinstance(value, dict):
                pairs.extend(value.items())
            elif isinstance(value, Entries):
                pairs.extend(value)
            elif value is not None:
                raise _other("MAP", value)
            lengths.append(0 if value is None else len(value))
        keys = self._inner([key for key, _ in pairs], schema.key, depth + 1)
        items = self._inner([item for _, item in pairs], schema.element, depth + 1)
        return Column(
            Kind.MAP, len(values), offsets_of(lengths), validity=validity_of(values), children=[keys, items]
        )

    # ---- without a schema

    def _schemaless(self, values: Sequence[Any], depth: int) -> Column:
        kinds = set(map(type, values))
        nulls = _NONE in kinds
        if not kinds or kinds == {_NONE}:
            return Column.nulls(len(values))
        if len(kinds) > 1 + nulls or depth >= MOST_COLUMN_DEPTH:
            return self._variants(values, None)
        (kind,) = kinds - {_NONE}
        if kind is str:
            return self._texts(values, kinds)
        if kind is int:
            try:
                return Column.numbers(Kind.INT64, values, nulls)
            except (struct.error, OverflowError):
                return self._variants(values, None)
        if kind is float:
            return Column.numbers(Kind.FLOAT64, values, nulls)
        if kind is bool:
            return Column.booleans(values)
        if kind is dict:
            return self._objects(values, depth)
        if kind is bytes:
            return Column.byte_strings(values)
        if kind is list and any(values):
            return self._lists(values, None, depth)
        if kind is Decimal:
            return self._decimals(values, None)
        if kind in _MARKED:
            try:
                return Column.numbers(_MARKED[kind], values)
            except (struct.error, OverflowError) as error:
                raise DataError(f"a number does not fit an {kind.__name__}") from error
        if issubclass(kind, (datetime.date, datetime.time)):
            return Column.numbers(Kind.INSTANT, [None if value is None else instant_ms(value) for value in values])
        return self._variants(values, None)

    def _objects(self, values: Sequence[Any], depth: int) -> Column:
        names: dict[str, int] = {}
        for keys in dict.fromkeys([() if value is None else tuple(value) for value in values]):
            places = [names.setdefault(key, len(names)) for key in keys]
            # Columns have one order of keys: maps with another one keep it as variants.
            if len(names) > _MOST_KEYS or places != sorted(places):
                return self._variants(values, None)
        if not all(isinstance(name, str) for name in names):
            return self._variants(values, None)
        columns = _columns(values, list(names))
        children = []
        for place, name in enumerate(names):
            presence = None
            slots: Sequence[Any]
            if columns is not None:
                slots = columns[place]
            else:
                slots = [ABSENT if value is None else value.get(name, ABSENT) for value in values]
                present = bytes([slot is not ABSENT for slot in slots])
                if 0 in present:
                    presence = bits.pack(present)
                    slots = [None if slot is ABSENT else slot for slot in slots]
            try:
                child = self._schemaless(slots, depth + 1)
            except DataError as error:
                raise error.in_field(name) from error.__cause__
            child.name, child.presence = name, presence
            children.append(child)
        return Column(Kind.OBJECT, len(values), validity=validity_of(values), children=children)

    def _variants(self, values: Sequence[Any], schema: Schema | None) -> Column:
        names: dict[str, int] = {}
        writer = VariantWriter(self.place_of, names)
        try:
            parts = [b"" if value is None else writer.encode_with(value, schema) for value in values]
        except UnicodeEncodeError as error:
            raise DataError("a text has characters that have no form in UTF-8") from error
        except RecursionError:
            raise DataError("a value is nested too deep, or contains itself") from None
        column = heap_column(Kind.VARIANT, parts, validity_of(values))
        column.children = [Column.texts(list(names))]
        return column

    def headers(self, rows: Sequence[Sequence[tuple[str, Schema | None, Any]]]) -> Column:
        """A column of the headers of each row."""
        return heap_column(Kind.HEADERS, [b"".join([self._header(*header) for header in row]) for row in rows], None)

    def _header(self, key: str, schema: Schema | None, value: Any) -> bytes:
        if not isinstance(key, str):
            raise DataError(f"the key of a header is text, not a {type(key).__name__}")
        if schema is not None and value is not None:
            self._with_schema([value], schema, False, 0)  # Refuses what does not fit.
        name = key.encode()
        place = INLINE if schema is None else self.place_of(schema)
        data = VariantWriter(self.place_of).encode_with(value, schema)
        return U32.pack(len(name)) + name + U16.pack(place) + U32.pack(len(data)) + data


_MARKED: dict[type, Kind] = {
    Int8: Kind.INT8,
    Int16: Kind.INT16,
    Int32: Kind.INT32,
    Float32: Kind.FLOAT32,
    Instant: Kind.INSTANT,
}


def _columns(values: Sequence[Any], names: Sequence[str]) -> Sequence[Sequence[Any]] | None:
    """The values of dicts that have exactly these keys, key by key; ``None`` if there are others among them."""
    if not names or not values or set(map(type, values)) != {dict} or set(map(len, values)) != {len(names)}:
        return None
    try:
        if len(names) == 1:
            return [[value[names[0]] for value in values]]
        return list(zip(*map(itemgetter(*names), values)))
    except KeyError:
        return None


def _check_fields(values: Sequence[Any], schema: Schema) -> None:
    names = schema.field_names
    for value in values:
        if value is None:
            continue
        if not isinstance(value, dict):
            raise _other("STRUCT", value)
        if not value.keys() <= names:
            unknown = sorted(map(str, value.keys() - names))
            raise DataError(f"{schema} has no field {', '.join(unknown)}")


def _only(values: Sequence[Any], kinds: set[type], kind: type, name: str) -> None:
    for found in kinds:
        if found is not _NONE and not issubclass(found, kind):
            raise _other(name, next(value for value in values if type(value) is found))


def _other(expected: str, value: Any) -> DataError:
    return DataError(f"expected {expected}, found a {type(value).__name__}")


def _rescaled(value: Decimal, scale: int | None) -> Decimal:
    """With the scale of its schema, if no digit is lost by that."""
    if scale is None or not value.is_finite() or value.as_tuple().exponent == -scale:
        return value
    shifted = value.scaleb(scale, WIDE)
    whole = int(shifted)
    return decimal_of(whole, scale) if whole == shifted else value
