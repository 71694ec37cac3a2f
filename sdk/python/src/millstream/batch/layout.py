"""Numbers of the batch format, version 1 (``batch.md`` beside the contract says what they mean)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

MAGIC = b"MSB1"
VERSION = 1
HEADER = Struct("<4sHHIIIIII")
NODE = Struct("<BBBBIIIIIIIII")
SCHEMA_ENTRY = Struct("<III")
U16 = Struct("<H")
U32 = Struct("<I")
I32 = Struct("<i")

NO_SCHEMA = 0xFFFF_FFFF
#: In variants: a name that is not in the dictionary, a header without a schema.
INLINE = 0xFFFF

CONSTANT = 1
HAS_VALIDITY = 2
HAS_PRESENCE = 4

MOST_BLOCKS = 255
MOST_ROWS = 1_048_576
MOST_BYTES = 67_108_864
MOST_NAMES = 4_096
MOST_VALUE_DEPTH = 1_000
#: Columns nest 64 deep; deeper data is written as variants.
MOST_COLUMN_DEPTH = 60


class Kind(IntEnum):
    """What a column holds."""

    NULL = 0
    BOOLEAN = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    FLOAT32 = 6
    FLOAT64 = 7
    TEXT = 8
    BYTES = 9
    DECIMAL = 10
    INSTANT = 11
    LIST = 12
    MAP = 13
    STRUCT = 14
    OBJECT = 15
    VARIANT = 16
    DICTIONARY = 17
    HEADERS = 18


class Role(IntEnum):
    """What a column of the envelope is for. Batches may have others, which are kept."""

    TOPIC = 1
    PARTITION = 2
    TIMESTAMP = 3
    TIMESTAMP_TYPE = 4
    HEADERS = 5
    SOURCE_PARTITION = 6
    SOURCE_OFFSET = 7
    OFFSET = 8
    ORIGINAL_TOPIC = 9
    ORIGINAL_PARTITION = 10
    ORIGINAL_OFFSET = 11
    ORIGIN = 12
    CHILD = 13
    SELECTION = 14
    KEY_TAGS = 15
    VALUE_TAGS = 16
    KEY_BLOCK = 17
    VALUE_BLOCK = 18


#: Kinds of fixed width with their format characters and bytes.
FIXED: dict[int, tuple[str, int]] = {
    Kind.INT8: ("b", 1),
    Kind.INT16: ("h", 2),
    Kind.INT32: ("i", 4),
    Kind.INT64: ("q", 8),
    Kind.FLOAT32: ("f", 4),
    Kind.FLOAT64: ("d", 8),
    Kind.INSTANT: ("q", 8),
    Kind.DICTIONARY: ("I", 4),
}

#: Kinds whose data are offsets and a heap.
HEAPS = frozenset({Kind.TEXT, Kind.BYTES, Kind.DECIMAL, Kind.VARIANT, Kind.HEADERS})
