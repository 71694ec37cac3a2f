"""A stand-in for the host, for tests of plugins without a worker.

``Harness`` takes the place of the host in a ``with`` block. What a plugin then asks of the host (logs, waits, files,
databases, stored offsets, what a sink task may ask) goes to the harness, where a test prepares it and looks at it
afterwards. Batches are written and read as they are in a component::

    with Harness() as harness:
        harness.store_offset({"clock": "main"}, {"tick": 41})
        task = harness.source_task(TickTask, {"topic": "ticks"})
        assert task.poll()[0].value == 42
"""

from .database import DatabaseCall, TestDatabase
from .files import TestFile
from .harness import Harness, SinkRequests
from .plugins import applied, converted, held

__all__ = [
    "DatabaseCall",
    "Harness",
    "SinkRequests",
    "TestDatabase",
    "TestFile",
    "applied",
    "converted",
    "held",
]
