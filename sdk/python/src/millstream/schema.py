"""Schemas: what a value looks like, as in Kafka Connect.

>>> order = struct({"id": INT64, "note": STRING.as_optional(), "price": decimal(2)}, name="org.example.Order")
>>> order.field("note").optional
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any


class SchemaType(IntEnum):
    """The types of Connect, by their numbers in the batch format."""

    INT8 = 0
    INT16 = 1
    INT32 = 2
    INT64 = 3
    FLOAT32 = 4
    FLOAT64 = 5
    BOOLEAN = 6
    STRING = 7
    BYTES = 8
    ARRAY = 9
    MAP = 10
    STRUCT = 11


#: Logical names, and the types that carry them.
DECIMAL_NAME = "org.apache.kafka.connect.data.Decimal"
DATE_NAME = "org.apache.kafka.connect.data.Date"
TIME_NAME = "org.apache.kafka.connect.data.Time"
TIMESTAMP_NAME = "org.apache.kafka.connect.data.Timestamp"

INSTANT_NAMES = frozenset({DATE_NAME, TIME_NAME, TIMESTAMP_NAME})


@dataclass(frozen=True)
class Schema:
    """A schema. It cannot be changed; the methods return another one.

    ``fields`` are those of a STRUCT, in order; ``element`` is that of an ARRAY and of a MAP's values, ``key`` that of a
    MAP's keys (``None``: schemaless). ``parameters`` are pairs in order. Two schemas are equal if all of it is.
    """

    type: SchemaType
    optional: bool = False
    name: str | None = None
    version: int | None = None
    doc: str | None = None
    parameters: tuple[tuple[str, str], ...] | None = None
    default: Any = None
    fields: tuple[tuple[str, Schema], ...] = ()
    element: Schema | None = None
    key: Schema | None = None

    def as_optional(self, optional: bool = True) -> Schema:
        """The same schema, which allows ``None``."""
        return replace(self, optional=optional)

    def with_default(self, default: Any) -> Schema:
        """The same schema with a value that stands in place of a missing one."""
        return replace(self, default=default)

    def with_name(self, name: str | None, version: int | None = None) -> Schema:
        """The same schema under a name, perhaps with a version."""
        return replace(self, name=name, version=version)

    def with_doc(self, doc: str | None) -> Schema:
        """The same schema with a note."""
        return replace(self, doc=doc)

    def with_parameters(self, parameters: Mapping[str, str] | None) -> Schema:
        """The same schema with these parameters."""
        return replace(self, parameters=None if parameters is None else tuple(parameters.items()))

    def with_fields(self, fields: Mapping[str, Schema]) -> Schema:
        """The same STRUCT with other fields."""
        return replace(self, fields=_checked(fields))

    def field(self, name: str) -> Schema:
        """The schema of a field. Raises ``KeyError`` if there is none of that name."""
        return self.field_schemas[name]

    @cached_property
    def field_schemas(self) -> dict[str, Schema]:
        """Fields by name, in order."""
        return dict(self.fields)

    @cached_property
    def field_names(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(self.field_schemas)

    @property
    def logical(self) -> str | None:
        """The logical name, if it is one of Connect's own: it decides what values look like."""
        return self.name if self.name == DECIMAL_NAME or self.name in INSTANT_NAMES else None

    @property
    def scale(self) -> int | None:
        """Digits behind the point of a Decimal, if its parameters say how many."""
        for key, value in self.parameters or ():
            if key == "scale":
                try:
                    return int(value)
                except ValueError:
                    return None
        return None

    @cached_property
    def encoded(self) -> bytes:
        """Its bytes in a batch; equal schemas have equal bytes."""
        from .batch.schema_codec import encode_schema

        return encode_schema(self)

    def __str__(self) -> str:
        return f"{self.name}:{self.type.name}" if self.name else self.type.name


def _checked(fields: Mapping[str, Schema] | Iterable[tuple[str, Schema]]) -> tuple[tuple[str, Schema], ...]:
    pairs = tuple(fields.items() if isinstance(fields, Mapping) else fields)
    names: set[str] = set()
    for name, schema in pairs:
        if not isinstance(name, str) or not name:
            raise ValueError(f"the name of a field is not empty text, but {name!r}")
        if name in names:
            raise ValueError(f"there are two fields {name!r}")
        if not isinstance(schema, Schema):
            raise TypeError(f"field {name!r} has a {type(schema).__name__} in place of a Schema")
        names.add(name)
    return pairs


INT8 = Schema(SchemaType.INT8)
INT16 = Schema(SchemaType.INT16)
INT32 = Schema(SchemaType.INT32)
INT64 = Schema(SchemaType.INT64)
FLOAT32 = Schema(SchemaType.FLOAT32)
FLOAT64 = Schema(SchemaType.FLOAT64)
BOOLEAN = Schema(SchemaType.BOOLEAN)
STRING = Schema(SchemaType.STRING)
BYTES = Schema(SchemaType.BYTES)
#: A day, as ``datetime.date``.
DATE = Schema(SchemaType.INT32, name=DATE_NAME, version=1)
#: A time of day to the millisecond, as ``datetime.time``.
TIME = Schema(SchemaType.INT32, name=TIME_NAME, version=1)
#: A moment to the millisecond, as ``datetime.datetime`` in UTC.
TIMESTAMP = Schema(SchemaType.INT64, name=TIMESTAMP_NAME, version=1)


def decimal(scale: int) -> Schema:
    """``decimal.Decimal`` with that many digits behind the point."""
    return Schema(SchemaType.BYTES, name=DECIMAL_NAME, version=1, parameters=(("scale", str(scale)),))


def array(element: Schema) -> Schema:
    """A list whose elements have a schema."""
    return Schema(SchemaType.ARRAY, element=element)


def mapping(key: Schema, value: Schema) -> Schema:
    """A map whose keys and values have schemas."""
    return Schema(SchemaType.MAP, key=key, element=value)


def struct(
    fields: Mapping[str, Schema] | Iterable[tuple[str, Schema]], *, name: str | None = None, version: int | None = None
) -> Schema:
    """A struct, whose values are dicts with these keys. Raises ``ValueError`` for names that are empty or given twice."""
    return Schema(SchemaType.STRUCT, name=name, version=version, fields=_checked(fields))
