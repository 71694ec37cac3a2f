"""Schemas as bytes."""

from __future__ import annotations

from typing import Any

from ..errors import DataError, FatalError
from ..schema import Schema, SchemaType
from .layout import I32, U32

_OPTIONAL = 1
_NAME = 2
_VERSION = 4
_DOC = 8
_PARAMETERS = 16
_DEFAULT = 32
_MOST_DEPTH = 64
_TYPES = {int(kind): kind for kind in SchemaType}


def _text(text: str) -> bytes:
    encoded = text.encode()
    return U32.pack(len(encoded)) + encoded


def encode_schema(schema: Schema, depth: int = 0) -> bytes:
    """The bytes of a schema. Raises ``DataError`` if it is nested too deep, or for a default that does not fit it."""
    from .variant import VariantWriter

    if depth >= _MOST_DEPTH:
        raise DataError(f"a schema is nested deeper than {_MOST_DEPTH} levels")
    flags, out = 0, b""
    if schema.optional:
        flags |= _OPTIONAL
    if schema.name is not None:
        flags, out = flags | _NAME, out + _text(schema.name)
    if schema.version is not None:
        flags, out = flags | _VERSION, out + I32.pack(schema.version)
    if schema.doc is not None:
        flags, out = flags | _DOC, out + _text(schema.doc)
    if schema.parameters is not None:
        flags, out = flags | _PARAMETERS, out + U32.pack(len(schema.parameters))
        out += b"".join([_text(key) + _text(value) for key, value in schema.parameters])
    if schema.default is not None:
        default = VariantWriter(None).encode_with(schema.default, schema, slots=True)
        flags, out = flags | _DEFAULT, out + U32.pack(len(default)) + default
    out = bytes((schema.type, flags)) + out
    if schema.type == SchemaType.ARRAY:
        out += _inner(schema.element, depth)
    elif schema.type == SchemaType.MAP:
        out += _inner(schema.key, depth) + _inner(schema.element, depth)
    elif schema.type == SchemaType.STRUCT:
        out += U32.pack(len(schema.fields))
        out += b"".join([_text(name) + encode_schema(field, depth + 1) for name, field in schema.fields])
    return out


def _inner(schema: Schema | None, depth: int) -> bytes:
    return b"\0" if schema is None else b"\1" + encode_schema(schema, depth + 1)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def u32(self) -> int:
        (number,) = U32.unpack_from(self.data, self.at)
        self.at += 4
        return int(number)

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def bytes(self) -> bytes:
        size = self.u32()
        self.at += size
        return self.data[self.at - size : self.at]

    def text(self) -> str:
        return self.bytes().decode()

    def schema(self) -> Schema:
        kind, flags = _TYPES[self.byte()], self.byte()
        name = self.text() if flags & _NAME else None
        version = None
        if flags & _VERSION:
            (version,) = I32.unpack_from(self.data, self.at)
            self.at += 4
        doc = self.text() if flags & _DOC else None
        parameters = None
        if flags & _PARAMETERS:
            parameters = tuple((self.text(), self.text()) for _ in range(self.u32()))
        default = self.bytes() if flags & _DEFAULT else None
        fields: tuple[tuple[str, Schema], ...] = ()
        element = key = None
        if kind == SchemaType.ARRAY:
            element = self.inner()
        elif kind == SchemaType.MAP:
            key, element = self.inner(), self.inner()
        elif kind == SchemaType.STRUCT:
            fields = tuple((self.text(), self.schema()) for _ in range(self.u32()))
        schema = Schema(kind, bool(flags & _OPTIONAL), name, version, doc, parameters, None, fields, element, key)
        return schema if default is None else schema.with_default(_default_of(default, schema))

    def inner(self) -> Schema | None:
        return self.schema() if self.byte() else None


def _default_of(data: bytes, schema: Schema) -> Any:
    from .variant import VariantReader, shaped

    return shaped(VariantReader((), ()).read(data), schema)


#: Schemas by their bytes: batches of one topic mostly have the same ones.
_known: dict[bytes, Schema] = {}
_MOST_KNOWN = 1_000


def decode_schema(data: bytes) -> Schema:
    """The schema of some bytes. The same bytes give the same object. Raises ``FatalError`` if they are damaged."""
    schema = _known.get(data)
    if schema is None:
        try:
            schema = _Reader(data).schema()
        except (IndexError, KeyError, ValueError, TypeError) as error:
            raise FatalError("read a schema of a batch") from error
        # What was read is what will be written, whatever was in it.
        schema.__dict__["encoded"] = data
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[data] = schema
    return schema
