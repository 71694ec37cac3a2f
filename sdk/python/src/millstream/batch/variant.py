"""Variants: any value as bytes that say themselves what they are."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from ..errors import DataError
from ..schema import INSTANT_NAMES, Schema, SchemaType
from ..values import (
    BigInteger,
    Entries,
    Float32,
    Instant,
    Int8,
    Int16,
    Int32,
    Struct,
    decimal_of,
    instant_of,
    integer_bytes,
    ms_of,
    unscaled_of,
)
from .layout import I32, INLINE, MOST_NAMES, MOST_VALUE_DEPTH, U16, U32

_I16 = struct.Struct("<h")
_I64 = struct.Struct("<q")
_F32 = struct.Struct("<f")
_F64 = struct.Struct("<d")


class VariantReader:
    """Reads variants. ``names`` is the dictionary of the column, ``schemas`` the table of the batch."""

    def __init__(self, names: Sequence[str], schemas: Sequence[Schema]) -> None:
        self.names = names
        self.schemas = schemas

    def read(self, data: bytes | memoryview) -> Any:
        """The value that some bytes encode."""
        return self._at(data, 0)[0]

    def _at(self, data: bytes | memoryview, at: int) -> tuple[Any, int]:
        tag = data[at]
        at += 1
        if tag == 9:
            end = at + 4 + U32.unpack_from(data, at)[0]
            return str(data[at + 4 : end], "utf-8"), end
        if tag == 6:
            return _I64.unpack_from(data, at)[0], at + 8
        if tag <= 2:
            return (None, False, True)[tag], at
        if tag == 3:
            value = data[at]
            return Int8(value - 256 if value > 127 else value), at + 1
        if tag == 4:
            return Int16(_I16.unpack_from(data, at)[0]), at + 2
        if tag == 5:
            return Int32(I32.unpack_from(data, at)[0]), at + 4
        if tag == 7:
            return Float32(_F32.unpack_from(data, at)[0]), at + 4
        if tag == 8:
            return _F64.unpack_from(data, at)[0], at + 8
        if tag == 13:
            return instant_of(_I64.unpack_from(data, at)[0], None), at + 8
        size = U32.unpack_from(data, at)[0]
        at += 4
        end = at + size
        if tag == 10:
            return bytes(data[at:end]), end
        if tag == 11:
            scale = I32.unpack_from(data, at)[0]
            return decimal_of(int.from_bytes(data[at + 4 : end], "big", signed=True), scale), end
        if tag == 12:
            number = int.from_bytes(data[at:end], "big", signed=True)
            return (BigInteger(number) if -(1 << 63) <= number < 1 << 63 else number), end
        count = U32.unpack_from(data, at)[0]
        at += 4
        if tag == 14:
            items = []
            for _ in range(count):
                item, at = self._at(data, at)
                items.append(item)
            return items, end
        if tag == 15:
            pairs = []
            for _ in range(count):
                key, at = self._at(data, at)
                value, at = self._at(data, at)
                pairs.append((key, value))
            return mapping_of(pairs), end
        if tag == 16:
            found: dict[str, Any] = {}
            for _ in range(count):
                name, at = self._name(data, at)
                found[name], at = self._at(data, at)
            return found, end
        if tag == 17:
            schema = self.schemas[U16.unpack_from(data, at)[0]]
            at += 2
            slots: dict[str, Any] = {}
            for name, field in schema.fields:
                slot, at = self._at(data, at)
                slots[name] = shaped(slot, field)
            return Struct(schema, slots), end
        raise DataError(f"a value of a batch has the unknown tag {tag}")

    def _name(self, data: bytes | memoryview, at: int) -> tuple[str, int]:
        place = U16.unpack_from(data, at)[0]
        if place != INLINE:
            return self.names[place], at + 2
        end = at + 6 + U32.unpack_from(data, at + 2)[0]
        return str(data[at + 6 : end], "utf-8"), end


def mapping_of(pairs: list[tuple[Any, Any]]) -> Any:
    """A dict, or ``Entries`` where that would lose something: keys that cannot be hashed, or are equal to Python only."""
    try:
        found = dict(pairs)
    except TypeError:
        return Entries(pairs)
    return found if len(found) == len(pairs) else Entries(pairs)


def shaped(value: Any, schema: Schema | None) -> Any:
    """A value that was read without its schema, as it looks with it: dates by their logical names, structs as dicts."""
    if schema is None or value is None:
        return value
    kind = schema.type
    if schema.name in INSTANT_NAMES:
        return instant_of(ms_of(value), schema.name) if isinstance(value, (datetime.datetime, Instant)) else value
    if kind == SchemaType.STRUCT:
        if isinstance(value, list):  # The slots of a default.
            return {name: shaped(slot, field) for (name, field), slot in zip(schema.fields, value)}
        return dict(value) if isinstance(value, Struct) else value
    if kind == SchemaType.ARRAY and isinstance(value, list):
        return [shaped(item, schema.element) for item in value]
    if kind == SchemaType.MAP and isinstance(value, dict):
        return {shaped(key, schema.key): shaped(item, schema.element) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, Float32) else value


class VariantWriter:
    """Writes variants. ``place_of`` gives a schema its place in the batch's table, ``names`` collects the dictionary."""

    def __init__(self, place_of: Callable[[Schema], int] | None, names: dict[str, int] | None = None) -> None:
        self.place_of = place_of
        self.names = names

    def encode(self, value: Any) -> bytes:
        """The bytes of a value without a schema. Raises ``DataError`` for what Connect has no form for."""
        out: list[bytes] = []
        self._write(value, out, 0)
        return b"".join(out)

    def encode_with(self, value: Any, schema: Schema | None, *, slots: bool = False) -> bytes:
        """The bytes of a value that has a schema; with ``slots`` a struct is the list of its slots, as in defaults."""
        return self.encode(typed(value, schema, slots))

    def _write(self, value: Any, out: list[bytes], depth: int) -> None:
        if depth > MOST_VALUE_DEPTH - 1:
            raise DataError(f"a value is nested deeper than {MOST_VALUE_DEPTH} levels")
        kind = type(value)
        if value is None:
            out.append(b"\0")
        elif kind is bool:
            out.append(b"\2" if value else b"\1")
        elif isinstance(value, str):
            text = value.encode()
            out.append(b"\x09" + U32.pack(len(text)) + text)
        elif isinstance(value, int):
            out.append(_integer(value))
        elif isinstance(value, float):
            out.append(b"\x07" + _F32.pack(value) if kind is Float32 else b"\x08" + _F64.pack(value))
        elif isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value)
            out.append(b"\x0a" + U32.pack(len(data)) + data)
        elif kind is Struct:
            self._struct(value, out, depth)
        elif isinstance(value, dict):
            self._map(value, out, depth)
        elif kind is Entries:
            inner: list[bytes] = []
            for key, item in value:
                self._write(key, inner, depth + 1)
                self._write(item, inner, depth + 1)
            _container(15, len(value), inner, out)
        elif isinstance(value, (list, tuple)):
            inner = []
            for item in value:
                self._write(item, inner, depth + 1)
            _container(14, len(value), inner, out)
        elif isinstance(value, Decimal):
            out.append(b"\x0b" + decimal_bytes(value, sized=True))
        elif isinstance(value, (datetime.date, datetime.time)):
            out.append(b"\x0d" + _I64.pack(instant_ms(value)))
        else:
            raise DataError(f"a {kind.__name__} has no form in Connect; make it a number, text, bytes, list or dict")

    def _struct(self, value: Struct, out: list[bytes], depth: int) -> None:
        if self.place_of is None:
            raise DataError("a Struct cannot stand here without a schema around it")
        schema = value.schema
        inner = [U16.pack(self.place_of(schema))]
        for name, field in schema.fields:
            self._write(typed(value.get(name), field, False), inner, depth + 1)
        _container(17, len(schema.fields), inner, out)

    def _map(self, value: dict[Any, Any], out: list[bytes], depth: int) -> None:
        inner: list[bytes] = []
        if all(isinstance(key, str) for key in value):
            for key, item in value.items():
                inner.append(self._name(key))
                self._write(item, inner, depth + 1)
            _container(16, len(value), inner, out)
            return
        for key, item in value.items():
            self._write(key, inner, depth + 1)
            self._write(item, inner, depth + 1)
        _container(15, len(value), inner, out)

    def _name(self, name: str) -> bytes:
        if self.names is not None:
            place = self.names.get(name)
            if place is None and len(self.names) < MOST_NAMES:
                place = self.names[name] = len(self.names)
            if place is not None:
                return U16.pack(place)
        text = name.encode()
        return b"\xff\xff" + U32.pack(len(text)) + text


def _container(tag: int, count: int, inner: list[bytes], out: list[bytes]) -> None:
    body = b"".join(inner)
    out.append(bytes((tag,)) + U32.pack(len(body) + 4) + U32.pack(count))
    out.append(body)


def _integer(value: int) -> bytes:
    kind = type(value)
    try:
        if kind is Int8:
            return b"\x03" + struct.pack("<b", value)
        if kind is Int16:
            return b"\x04" + _I16.pack(value)
        if kind is Int32:
            return b"\x05" + I32.pack(value)
        if kind is Instant:
            return b"\x0d" + _I64.pack(value)
        if kind is not BigInteger and -(1 << 63) <= value < 1 << 63:
            return b"\x06" + _I64.pack(value)
    except struct.error as error:
        raise DataError(f"{int(value)} does not fit an {kind.__name__}") from error
    data = integer_bytes(value)
    return b"\x0c" + U32.pack(len(data)) + data


def decimal_bytes(value: Decimal, *, sized: bool) -> bytes:
    """Scale and unscaled integer. Raises ``DataError`` if the decimal is not finite."""
    try:
        unscaled, scale = unscaled_of(value)
        body = I32.pack(scale) + integer_bytes(unscaled)
    except (ValueError, struct.error, ArithmeticError) as error:
        raise DataError(f"{value} cannot be a Decimal of Connect") from error
    return U32.pack(len(body)) + body if sized else body


def instant_ms(value: Any) -> int:
    """Milliseconds since the epoch. Raises ``DataError`` instead of the errors of ``ms_of``."""
    try:
        return ms_of(value)
    except (ValueError, TypeError) as error:
        raise DataError(str(error)) from None


_MARKS: dict[SchemaType, Callable[[Any], Any]] = {
    SchemaType.INT8: Int8,
    SchemaType.INT16: Int16,
    SchemaType.INT32: Int32,
    SchemaType.FLOAT32: Float32,
    SchemaType.FLOAT64: float,
}


def typed(value: Any, schema: Schema | None, slots: bool) -> Any:
    """A value with the marks that its schema stands for, so that it can be written without one."""
    if schema is None or value is None or schema.logical:
        if schema is not None and schema.name in INSTANT_NAMES and value is not None:
            return Instant(instant_ms(value))
        return value
    kind = schema.type
    if kind in _MARKS:
        return _MARKS[kind](value)
    if kind == SchemaType.STRUCT and isinstance(value, dict):
        if slots:
            return [typed(value.get(name), field, slots) for name, field in schema.fields]
        return value if isinstance(value, Struct) else Struct(schema, value)
    if kind == SchemaType.ARRAY and isinstance(value, (list, tuple)):
        return [typed(item, schema.element, slots) for item in value]
    if kind == SchemaType.MAP and isinstance(value, (dict, Entries)):
        pairs = value.items() if isinstance(value, dict) else value
        return mapping_of([(typed(key, schema.key, slots), typed(item, schema.element, slots)) for key, item in pairs])
    return value
