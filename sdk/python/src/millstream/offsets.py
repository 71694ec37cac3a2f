"""Source partitions and offsets cross the contract as JSON; plugins see them as dicts."""

from __future__ import annotations

import json
import math
from typing import Any

from .errors import DataError, FatalError


def to_json(value: Any) -> str:
    """A dict as JSON text. Raises ``DataError`` for what JSON cannot hold: bytes, decimals, dates, keys that are no text."""
    _check(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _check(value: Any) -> None:
    if value is None or isinstance(value, (bool, str)):
        return
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return
    if isinstance(value, float) and math.isfinite(value):
        return
    if isinstance(value, (list, tuple)):
        for item in value:
            _check(item)
        return
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        for item in value.values():
            _check(item)
        return
    raise DataError(f"a source partition or offset cannot hold {value!r}, a {type(value).__name__}")


def from_json(text: str) -> Any:
    """A dict from JSON text. Whole numbers become ``int``, others ``float``."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise FatalError("read JSON from the host") from error
