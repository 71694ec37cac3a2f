"""What there is to implement: sources, sinks, transforms, predicates and converters.

A plugin is a class with ``info``, and with its configuration in brackets if it has one::

    class Contains(RowPredicate[ContainsConfig]):
        info = Info("org.example.Contains", version="1")

Where ``info`` has no documentation, the docstring of the class is it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, get_args

from .batch import Table
from .config import Config
from .context import ConnectorContext, SinkContext, SourceContext
from .errors import DataError
from .host import TopicOffset, TopicPartition
from .record import Record

if TYPE_CHECKING:
    # Type checkers know it without the package; Python itself has defaults from 3.13 on.
    from typing_extensions import TypeVar

    from .records import Records
    from .schema import Schema

    C = TypeVar("C", bound=Config, default=Config)
else:
    from typing import TypeVar

    C = TypeVar("C", bound=Config)
#: A configuration as it goes to tasks.
TaskConfig = Mapping[str, str | None]


@dataclass(frozen=True)
class Info:
    """What users see of a plugin beside its keys.

    ``class_name`` is the name that users write in ``connector.class``, ``transforms.x.type`` and so on. ``aliases`` are
    further names beside those that the host derives: the one without its package, and without ``Connector``,
    ``SourceConnector`` and the like. ``task_class`` is shown for the tasks of a connector, and derived if it is not said.
    ``wants_committed`` has ``SourceTask.committed`` called, which costs a call per batch. ``wants_lease`` lets tasks ask
    for the lease of their connector.
    """

    class_name: str
    version: str = ""
    doc: str = ""
    aliases: tuple[str, ...] = ()
    task_class: str | None = None
    wants_committed: bool = False
    wants_lease: bool = False


class Support(Enum):
    """What a connector says about a guarantee."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PollLimits:
    """How much one ``poll`` may bring, and how long it may take: return nothing if there is nothing by then."""

    max_records: int
    max_bytes: int
    max_wait_ms: int


class ConverterRole(Enum):
    """What a converter works on."""

    KEY = "key"
    VALUE = "value"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is being converted: the topic of the record, and the key of the header where headers are converted."""

    topic: str
    header: str | None = None


class _Configured(Generic[C]):
    """A class that has a configuration, which stands in brackets behind its base."""

    config_class: ClassVar[type[Config]] = Config
    config: C

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in cls.__dict__.get("__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Config):
                    cls.config_class = argument


class Plugin(_Configured[C]):
    """What all plugins have in common. Derive from one of the classes below."""

    kind: ClassVar[str]
    info: ClassVar[Info]

    @classmethod
    def described(cls) -> Info:
        """What users see of it, with the docstring where nothing else is said."""
        info: Info | None = getattr(cls, "info", None)
        if not isinstance(info, Info):
            raise TypeError(f'{cls.__name__} says nothing about itself: give it info = Info("org.example.{cls.__name__}")')
        own = cls.__dict__.get("__doc__")
        return info if info.doc or not own else replace(info, doc=inspect.cleandoc(own))


class SourceConnector(Plugin[C]):
    """A source connector: divides the work among tasks. It moves no records itself.

    ``task`` is the class of its tasks. ``self.config`` and ``self.context`` are there from ``start`` on. A source that
    cannot be divided needs nothing more: by default there is one task with the connector's own configuration.
    """

    kind = "source"
    task: ClassVar[type[SourceTask[Any]]]
    context: ConnectorContext

    def start(self) -> None:
        """Begins. The connector fails with what it raises."""

    def task_configs(self, max_tasks: int) -> Sequence[TaskConfig]:
        """Configurations for at most ``max_tasks`` tasks. Called again whenever the connector asks for it."""
        return [self.config.originals]

    def stop(self) -> None:
        """Ends what ``start`` began. What it raises is only logged."""

    @classmethod
    def validate(cls, config: TaskConfig) -> Iterable[tuple[str, str]]:
        """Checks beyond the declaration and its ``check`` functions, before anything is started: keys at fault, each with a
        text."""
        return ()

    @classmethod
    def exactly_once_support(cls, config: TaskConfig) -> Support:
        """Whether each record arrives exactly once with this configuration: offsets describe a place in the outside system
        from which the same records come again."""
        return Support.UNKNOWN

    @classmethod
    def can_define_transaction_boundaries(cls, config: TaskConfig) -> Support:
        """Whether tasks say with this configuration where transactions end (``SourceContext.transaction``)."""
        return Support.UNSUPPORTED

    @classmethod
    def alter_offsets(
        cls, config: TaskConfig, offsets: Sequence[tuple[dict[str, Any], dict[str, Any] | None]]
    ) -> bool:
        """Accepts or refuses offsets that a user sets: source partitions with their new offsets, ``None`` for a reset. True
        if nothing outside the worker has to follow. Raise for what is wrong with them; none are changed then."""
        return False


class SourceTask(_Configured[C]):
    """A source task: brings records in.

    One call at a time. A ``RetriableError`` from ``poll`` counts as nothing and the next poll follows; any other ends the
    task. ``self.config`` and ``self.context`` are there from ``start`` on.
    """

    context: SourceContext

    def start(self) -> None:
        """Begins. Where to continue is in ``self.context.offset``. The task fails with what it raises."""

    def poll(self, limits: PollLimits) -> Iterable[Record] | Table | None:
        """The next records: as records, or as a batch (``Table``). Nothing if there are none.

        May wait for them for up to ``limits.max_wait_ms`` with ``wait``. Each record carries its source partition and
        offset. After a failure the host starts a new task, and offsets stored by then are those of records that have
        safely arrived.
        """
        raise NotImplementedError

    def committed(self, rows: Table) -> None:
        """Rows that have ended, in the order of ``poll``: topic, partition and offset of each (no offset for a record that
        was filtered or skipped). Called only with ``Info.wants_committed``. What it raises is only logged."""

    def commit(self) -> None:
        """Offsets of everything that ended before are stored. What it raises is only logged."""

    def stop(self) -> None:
        """Ends what ``start`` began. What it raises is only logged."""


class SinkConnector(Plugin[C]):
    """A sink connector: says how many tasks share the work. It moves no records itself.

    ``task`` is the class of its tasks. ``self.config`` and ``self.context`` are there from ``start`` on. Kafka deals topic
    partitions out, so by default there are as many tasks as are asked for, with the connector's own configuration.
    """

    kind = "sink"
    task: ClassVar[type[SinkTask[Any]]]
    context: ConnectorContext

    def start(self) -> None:
        """Begins. The connector fails with what it raises."""

    def task_configs(self, max_tasks: int) -> Sequence[TaskConfig]:
        """Configurations for at most ``max_tasks`` tasks."""
        return [self.config.originals] * max_tasks

    def stop(self) -> None:
        """Ends what ``start`` began. What it raises is only logged."""

    @classmethod
    def validate(cls, config: TaskConfig) -> Iterable[tuple[str, str]]:
        """Checks beyond the declaration, as ``SourceConnector.validate``."""
        return ()

    @classmethod
    def alter_offsets(
        cls, config: TaskConfig, offsets: Sequence[tuple[TopicPartition, TopicOffset | None]]
    ) -> bool:
        """Accepts or refuses offsets that a user sets; ``None`` resets. True if nothing outside the worker has to follow. By
        default nothing has, since offsets are the worker's."""
        return False


class SinkTask(_Configured[C]):
    """A sink task: takes records out.

    One call at a time. Records of one topic partition arrive in offset order; after a failure or a restart the same
    records may arrive again, so writing one twice must do no harm. ``self.config`` and ``self.context`` are there from
    ``start`` on.
    """

    context: SinkContext

    def start(self) -> None:
        """Begins. The task fails with what it raises."""

    def open(self, partitions: list[TopicPartition]) -> None:
        """Partitions newly assigned. A sink that keeps its offsets in its target looks there now, and seeks
        (``SinkContext.seek``) to where each of the partitions goes on."""

    def put(self, records: Table) -> None:
        """Takes the next records; there may be none. ``records_of`` gives them as records, each with its row.

        A ``RetriableError`` makes the host pass the same records again; any other exception fails the task. Records that
        can never be written go to ``SinkContext.report`` instead.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Makes everything taken so far durable; returns when it is. If it raises, nothing is committed, and records come
        again."""

    def pre_commit(self, offsets: list[TopicOffset]) -> Iterable[TopicOffset] | None:
        """The offsets that may be committed, ``None`` for all of those given, after making everything before them durable.
        Flushes and commits all by default.

        A sink that keeps its offsets in its target returns ``[]``: the group commits none for it. It says in ``open``
        where to begin.
        """
        self.flush()
        return None

    def close(self, partitions: list[TopicPartition]) -> None:
        """Partitions revoked or given up; their offsets have been asked for before."""

    def stop(self) -> None:
        """Ends what ``start`` began. What it raises is only logged."""


class Transform(Plugin[C]):
    """A transform over whole batches: the fast way, column by column. ``RowTransform`` is the comfortable way."""

    kind = "transform"

    def configure(self) -> None:
        """Called once, with ``self.config``, before the first batch. The task fails with what it raises."""

    def apply(self, records: Records) -> None:
        """Changes the active rows of a batch; all others have to be left as they are. A row that cannot be changed goes to
        ``records.fail``, one that is to be dropped to ``records.drop``. What it raises fails the whole batch, and the
        task."""
        raise NotImplementedError

    def close(self) -> None:
        """Called when the transform is not needed any more."""


class RowTransform(Plugin[C]):
    """A transform that looks at one record at a time."""

    kind = "transform"

    def configure(self) -> None:
        """Called once, with ``self.config``, before the first record. The task fails with what it raises."""

    def apply(self, record: Record) -> Record | Iterable[Record] | None:
        """What becomes of a record: the record changed, several in its place, or ``None`` to drop it on purpose.

        Headers, key, value, topic, partition and timestamp may change; where the record came from stays as it is. What it
        raises is the failure of this record; the error policy of the task decides what becomes of it.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Called when the transform is not needed any more."""


class Predicate(Plugin[C]):
    """A predicate over whole batches. ``RowPredicate`` is the comfortable way."""

    kind = "predicate"

    def configure(self) -> None:
        """Called once, with ``self.config``, before the first batch. The task fails with what it raises."""

    def test(self, records: Records) -> Iterable[object]:
        """Says for each row of the batch whether it holds; nobody asks for rows that are not active. A row that cannot be
        judged goes to ``records.fail``."""
        raise NotImplementedError

    def close(self) -> None:
        """Called when the predicate is not needed any more."""


class RowPredicate(Plugin[C]):
    """A predicate that looks at one record at a time."""

    kind = "predicate"

    def configure(self) -> None:
        """Called once, with ``self.config``, before the first record. The task fails with what it raises."""

    def test(self, record: Record) -> bool:
        """Whether it holds for a record. What it raises is the failure of the record."""
        raise NotImplementedError

    def close(self) -> None:
        """Called when the predicate is not needed any more."""


class _AnyConverter(Plugin[C]):
    kind = "converter"
    role: ConverterRole

    def configure(self) -> None:
        """Called once, with ``self.config`` and ``self.role``, before the first batch."""

    def close(self) -> None:
        """Called when the converter is not needed any more."""


class Converter(_AnyConverter[C]):
    """A converter over whole batches. ``RowConverter`` is the comfortable way.

    Bytes are schemaless values of the kind bytes, or null. One for headers sets ``kind = "header_converter"``.
    """

    def to_connect(self, records: Records) -> None:
        """Replaces the role's bytes of the active rows by data."""
        raise NotImplementedError

    def from_connect(self, records: Records) -> None:
        """Replaces the role's data of the active rows by bytes."""
        raise NotImplementedError


class RowConverter(_AnyConverter[C]):
    """A converter that looks at one key, value or header at a time. One for headers sets ``kind = "header_converter"``.

    What the functions raise is the failure of the record.
    """

    def to_connect(self, subject: Subject, data: bytes | None) -> tuple[Schema | None, Any]:
        """Schema and value of some bytes; ``None`` stands for null."""
        raise NotImplementedError

    def from_connect(self, subject: Subject, schema: Schema | None, value: Any) -> bytes | None:
        """The bytes of a value; ``None`` stands for null."""
        raise NotImplementedError


def bytes_of(value: Any) -> bytes | None:
    """The bytes that a converter is given. Raises ``DataError`` for anything else."""
    if value is None or isinstance(value, bytes):
        return value
    raise DataError(f"expected bytes to convert, found a {type(value).__name__}")
