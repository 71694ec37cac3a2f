"""The worker's time zone, in which Java writes dates as text."""

from __future__ import annotations

import base64
import datetime
import io
import logging
import os
import re
import struct
from functools import cache
from zoneinfo import ZoneInfo

VARIABLE = "MILLSTREAM_TIME_ZONE"

_OFFSET = re.compile(r"GMT(?:([+-])([0-9]{1,2})(?::?([0-9]{2}))?)?")


def described(text: str) -> datetime.tzinfo:
    """The zone that the worker describes: ``tzif:`` and base64, ``GMT+5:30``, or a rule of POSIX.

    Raises ``ValueError`` for anything else.
    """
    if not text or text == "UTC":
        return datetime.timezone.utc
    offset = _OFFSET.fullmatch(text)
    if offset:
        sign, hours, minutes = offset.groups()
        ahead = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        behind = sign == "-"
        name = "GMT" if not ahead else f"GMT{sign}{int(hours):02}:{int(minutes or 0):02}"
        return datetime.timezone(-ahead if behind else ahead, name)
    compiled = base64.b64decode(text.removeprefix("tzif:")) if text.startswith("tzif:") else _compiled(text)
    return ZoneInfo.from_file(io.BytesIO(compiled), text[:40])


def _compiled(rule: str) -> bytes:
    """A compiled zone that has nothing but a rule of POSIX."""
    head = struct.pack(">4sc15x6I", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">iBB4s", 0, 0, 0, b"UTC\0")
    return head + body + head + body + b"\n" + rule.encode("ascii") + b"\n"


@cache
def local() -> datetime.tzinfo:
    """The worker's zone; UTC where it says none, or one that cannot be read."""
    try:
        return described(os.environ.get(VARIABLE, ""))
    except (ValueError, OSError, UnicodeEncodeError) as error:
        logging.getLogger(__name__).warning(
            "dates are written in UTC, since the worker's time zone in %s cannot be read: %s", VARIABLE, error
        )
        return datetime.timezone.utc
