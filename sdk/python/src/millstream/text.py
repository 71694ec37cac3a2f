"""Values as text, as Java's ``String.valueOf`` writes them: what users of Kafka Connect see."""

from __future__ import annotations

import datetime
import math
import struct
from decimal import Decimal
from typing import Any

from .values import EPOCH, Entries, Float32, Instant, Struct, ms_of
from .zone import local

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def value_text(value: Any) -> str:
    """A value as Java writes it: ``null``, ``true``, ``1.0E10``, ``[1, 2]``, ``{a=1}``, ``Struct{a=1}`` with set fields only,
    dates as ``Thu Jan 01 00:00:00 UTC 1970`` in the worker's zone. Bytes are an opaque object, ``[B@0``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (Instant, datetime.date, datetime.time)):
        return _date(ms_of(value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return "[B@0"
    if isinstance(value, Struct):
        fields = [f"{name}={value_text(value[name])}" for name, _ in value.schema.fields if value.get(name) is not None]
        return "Struct{" + ",".join(fields) + "}"
    if isinstance(value, (dict, Entries)):
        pairs = value.items() if isinstance(value, dict) else value
        return "{" + ", ".join([f"{value_text(key)}={value_text(item)}" for key, item in pairs]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(value_text, value)) + "]"
    raise TypeError(f"a {type(value).__name__} has no form in Connect")


def float_text(value: float) -> str:
    """A float as ``Double.toString`` writes it, and a ``Float32`` as ``Float.toString``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    shortest = _shortest32(value) if isinstance(value, Float32) else repr(float(value))
    sign, digits, exponent = Decimal(shortest).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    point = len(text) + exponent  # The value is 0.TEXT times ten to the power of this.
    minus = "-" if sign else ""
    if -3 < point <= 7:
        if point <= 0:
            return f"{minus}0.{'0' * -point}{text}"
        return f"{minus}{text[:point].ljust(point, '0')}.{text[point:] or '0'}"
    return f"{minus}{text[0]}.{text[1:] or '0'}E{point - 1}"


def _shortest32(value: float) -> str:
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return text
    return repr(float(value))


def _date(ms: int) -> str:
    try:
        moment = (EPOCH + datetime.timedelta(milliseconds=ms)).astimezone(local())
    except (OverflowError, ValueError):
        return f"{ms} ms since 1970"
    name = moment.tzname() or "UTC"
    return (
        f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month - 1]} {moment.day:02} "
        f"{moment.hour:02}:{moment.minute:02}:{moment.second:02} {name} {moment.year:04}"
    )
