"""Values as the kit's scenarios expect to see them."""

import datetime
from decimal import Decimal
from typing import Any

from millstream import Schema
from millstream.schema import SchemaType
from millstream.text import float_text
from millstream.values import Entries, Instant, Struct, ms_of


def show(value: Any, schema: Schema | None = None) -> str:
    """A value, which has this schema or none."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Instant, datetime.date, datetime.time)):
        return f"at({ms_of(value)})"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, str):
        return show_text(value)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, Decimal):
        return f"dec({value:f})"
    if isinstance(value, Struct):
        return _struct(value, value.schema)
    if schema is not None and schema.type == SchemaType.STRUCT:
        return _struct(value, schema)
    if isinstance(value, (dict, Entries)):
        pairs = value.items() if isinstance(value, dict) else value
        key_schema, item_schema = (schema.key, schema.element) if schema else (None, None)
        return "{" + ", ".join([f"{show(key, key_schema)}: {show(item, item_schema)}" for key, item in pairs]) + "}"
    return "[" + ", ".join([show(item, schema.element if schema else None) for item in value]) + "]"


def show_text(text: str) -> str:
    """A text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _struct(value: dict[str, Any], schema: Schema) -> str:
    fields = [f"{name}={show(value.get(name), field)}" for name, field in schema.fields]
    return f"{schema.name or 'struct'}{{{', '.join(fields)}}}"
