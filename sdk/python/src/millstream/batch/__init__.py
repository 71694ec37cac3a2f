"""Batches: the fast way. Records move as sets of columns, and a plugin that changes whole columns looks at no row.

``Table.open`` opens the bytes of a batch and ``Table.write`` makes them; ``Column`` has ways to make columns of whole
lists. The layout is that of ``batch.md`` beside the contract.
"""

from .column import ABSENT, Column
from .encode import Encoder
from .layout import Kind, Role
from .table import Block, SchemaTable, Table, Union

__all__ = ["ABSENT", "Block", "Column", "Encoder", "Kind", "Role", "SchemaTable", "Table", "Union"]
