"""Plugins for Millstream in Python: sources, sinks, transforms, predicates and converters as WebAssembly components.

See the README for a tutorial. Batches of columns are in ``millstream.batch``, configuration in ``millstream.config``,
databases and HTTP in ``millstream.sql`` and ``millstream.http``, a host for tests in ``millstream.testing``. Logging is
Python's own ``logging``.
"""

from .component import component
from .config import Config, Importance, Key, Opens, Width, boolean, class_name, integer, number, password, string, strings
from .context import ConnectorContext, SinkContext, SourceContext, TransactionContext, rest, wait
from .cursor import Cursor
from .errors import ConfigError, DataError, FatalError, PluginError, RetriableError, RowError
from .files import File
from .host import TopicOffset, TopicPartition, TopicReport
from .lease import Lease, kept
from .plugins import (
    Converter,
    ConverterRole,
    Info,
    PollLimits,
    Predicate,
    RowConverter,
    RowPredicate,
    RowTransform,
    SinkConnector,
    SinkTask,
    SourceConnector,
    SourceTask,
    Subject,
    Support,
    Transform,
)
from .record import Header, KafkaPosition, Record, records_of, table_of
from .records import Records
from .schema import Schema, SchemaType
from .text import value_text

__version__ = "0.1.0"

__all__ = [
    "Config",
    "ConfigError",
    "ConnectorContext",
    "Converter",
    "ConverterRole",
    "Cursor",
    "DataError",
    "FatalError",
    "File",
    "Header",
    "Importance",
    "Info",
    "KafkaPosition",
    "Key",
    "Lease",
    "Opens",
    "PluginError",
    "PollLimits",
    "Predicate",
    "Record",
    "Records",
    "RetriableError",
    "RowConverter",
    "RowError",
    "RowPredicate",
    "RowTransform",
    "Schema",
    "SchemaType",
    "SinkConnector",
    "SinkContext",
    "SinkTask",
    "SourceConnector",
    "SourceContext",
    "SourceTask",
    "Subject",
    "Support",
    "TopicOffset",
    "TopicPartition",
    "TopicReport",
    "TransactionContext",
    "Transform",
    "Width",
    "boolean",
    "class_name",
    "component",
    "integer",
    "kept",
    "number",
    "password",
    "records_of",
    "rest",
    "string",
    "strings",
    "table_of",
    "value_text",
    "wait",
]
