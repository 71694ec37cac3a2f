"""Bitmaps: one bit per row, least significant bit first. In Python they are handled as ``bytes`` of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable

_UNPACKED = [bytes(byte >> bit & 1 for bit in range(8)) for byte in range(256)]
_DIGITS = bytes([0x30] + [0x31] * 255)


def length(rows: int) -> int:
    """Bytes of a bitmap."""
    return (rows + 7) // 8


def unpack(bitmap: Iterable[int], rows: int) -> bytes:
    """A byte, 0 or 1, for each row."""
    return b"".join([_UNPACKED[byte] for byte in bitmap])[:rows]


def pack(flags: Iterable[object]) -> bytes:
    """The bitmap of some flags: ``bytes`` of 0 and 1, or anything that is true or false."""
    each = flags if isinstance(flags, (bytes, bytearray)) else bytes(map(bool, flags))
    rows = len(each)
    if rows == 0:
        return b""
    return int(each.translate(_DIGITS)[::-1], 2).to_bytes(length(rows), "little")


def get(bitmap: bytes | bytearray | memoryview, row: int) -> bool:
    """One bit."""
    return bool(bitmap[row >> 3] >> (row & 7) & 1)
