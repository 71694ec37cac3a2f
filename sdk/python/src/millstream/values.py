"""Values of Connect in Python.

=====================  ==========================================================
Connect                Python
=====================  ==========================================================
BOOLEAN                ``bool``
INT8 … INT64           ``int``; without a schema ``Int8``, ``Int16``, ``Int32``, ``int``
FLOAT32, FLOAT64       ``float``; without a schema ``Float32``, ``float``
STRING, BYTES          ``str``, ``bytes``
ARRAY                  ``list``
MAP                    ``dict``; ``Entries`` where a dict cannot have the keys
STRUCT                 ``dict``; without a schema around it ``Struct``
Decimal                ``decimal.Decimal``
Date, Time, Timestamp  ``date``, ``time``, ``datetime`` in UTC; ``Instant`` beyond their range
=====================  ==========================================================

The types of this module are the builtin ones with a mark, so that a value that has no schema to say it comes out as it
went in. They behave like the builtin ones, and what is computed with them is a plain ``int`` or ``float``.
"""

from __future__ import annotations

import datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from .schema import DATE_NAME, TIME_NAME, Schema


class Int8(int):
    """An 8-bit integer without a schema."""

    __slots__ = ()


class Int16(int):
    """A 16-bit integer without a schema."""

    __slots__ = ()


class Int32(int):
    """A 32-bit integer without a schema."""

    __slots__ = ()


class BigInteger(int):
    """An integer that Java keeps as a BigInteger, however small it is."""

    __slots__ = ()


class Float32(float):
    """A 32-bit float without a schema."""

    __slots__ = ()


class Instant(int):
    """Milliseconds since 1970-01-01T00:00Z, where ``datetime`` cannot say it."""

    __slots__ = ()


class Struct(dict[str, Any]):
    """A struct where no schema around it says what it is: a dict with its schema."""

    __slots__ = ("schema",)

    def __init__(self, schema: Schema, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.schema = schema


class Entries(list[tuple[Any, Any]]):
    """A map as a list of pairs, for keys that a dict cannot have: lists, or ``Int32(1)`` beside ``1``."""

    __slots__ = ()


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
DAY_MS = 86_400_000
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_FIRST_MS = -62_135_596_800_000
_LAST_MS = 253_402_300_799_999
_MS = datetime.timedelta(milliseconds=1)
#: Loses no digit.
WIDE = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def instant_of(ms: int, logical: str | None) -> Any:
    """The value of an instant: a date or time if its schema has that logical name and it is one, else a datetime."""
    if not _FIRST_MS <= ms <= _LAST_MS:
        return Instant(ms)
    if logical == DATE_NAME:
        day, rest = divmod(ms, DAY_MS)
        return datetime.date.fromordinal(_EPOCH_DAY + day) if rest == 0 else Instant(ms)
    if logical == TIME_NAME:
        if not 0 <= ms < DAY_MS:
            return Instant(ms)
        return (EPOCH + ms * _MS).time()
    return EPOCH + ms * _MS


def ms_of(value: Any) -> int:
    """Milliseconds since the epoch of an ``Instant``, datetime, date or time; what is finer is cut off.

    Raises ``ValueError`` for a datetime that does not say its zone, and ``TypeError`` for anything else.
    """
    if isinstance(value, Instant):
        return int(value)
    if isinstance(value, datetime.datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{value!r} does not say its zone; add tzinfo=datetime.timezone.utc or another")
        return (value - EPOCH) // _MS
    if isinstance(value, datetime.date):
        return (value.toordinal() - _EPOCH_DAY) * DAY_MS
    if isinstance(value, datetime.time):
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return seconds * 1000 + value.microsecond // 1000
    raise TypeError(f"expected a datetime, date or time, found a {type(value).__name__}")


def decimal_of(unscaled: int, scale: int) -> Decimal:
    """``unscaled`` times ten to the power of ``-scale``, with exactly that scale."""
    return Decimal(unscaled).scaleb(-scale, WIDE)


def unscaled_of(value: Decimal) -> tuple[int, int]:
    """The unscaled integer and the scale of a decimal. Raises ``ValueError`` if it is not finite."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no number")
    return int(value.scaleb(-exponent, WIDE)), -exponent


def integer_bytes(value: int) -> bytes:
    """An integer as big-endian two's complement, in as few bytes as Java uses."""
    return value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True)
