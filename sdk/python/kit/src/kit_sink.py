"""The sink: writes down the records that it is given."""

from collections.abc import Mapping, Sequence

from kit import actions_of, do_key, failure, get, log, own, unknown
from kit import Actions
from kit_source import act, numbered
from millstream import (
    Config,
    DataError,
    File,
    Importance,
    Info,
    Opens,
    Record,
    RowError,
    SinkConnector,
    SinkTask,
    TopicOffset,
    TopicPartition,
    TopicReport,
    integer,
    records_of,
    string,
)
from millstream.batch import Table
from show import show


class KitSinkConfig(Config):
    """The configuration of connector and task alike."""

    file = string("file", importance=Importance.HIGH, opens=Opens.append_file())
    why = string("why", opens=Opens.topic("${connector}-why", "why.replication"))
    why_replication = integer("why.replication", bits=16, default=1)
    url = string("url", opens=Opens.http_url())
    db = string("db", opens=Opens.sql())
    do = do_key()

    def ready(self) -> None:
        self.actions = Actions(self.do or "")


def _partitions(partitions: Sequence[TopicPartition]) -> str:
    return "".join([f" {topic}-{partition}" for topic, partition in partitions])


def _line(record: Record) -> str:
    offset = record.kafka.offset if record.kafka else 0
    line = f"{record.topic}-{record.partition or 0}@{offset}"
    line += f" {show(record.key, record.key_schema)} {show(record.value, record.value_schema)}"
    for header in record.headers:
        line += f" {header.key}={show(header.value, header.schema)}"
    return line if record.timestamp_ms is None else f"{line} ts={record.timestamp_ms}"


class KitSinkTask(SinkTask[KitSinkConfig]):
    """The task."""

    def start(self) -> None:
        log.info("start")
        self.file: File | None = None
        #: What an action has put in the place of "all offsets".
        self.offsets: list[TopicOffset] | None = None
        self._act("start")
        if self.config.file is not None:
            self.file = File.open("file")

    def open(self, partitions: list[TopicPartition]) -> None:
        log.info("open%s", _partitions(partitions))
        self._act("open")

    def put(self, records: Table) -> None:
        found = records_of(records)
        log.info("put %d", len(found))
        self._act("put")
        lines, rejected = [], []
        for row, record in found:
            if isinstance(record.value, str) and record.value.startswith("bad "):
                rejected.append(RowError(row, DataError(record.value.removeprefix("bad "))))
            else:
                lines.append(_line(record))
        if rejected:
            self.context.report(rejected)
        if self.file is not None:
            self.file.write("".join([line + "\n" for line in lines]))
        else:
            for line in lines:
                log.info("record %s", line)

    def flush(self) -> None:
        if self.file is not None:
            self.file.sync()

    def pre_commit(self, offsets: list[TopicOffset]) -> list[TopicOffset] | None:
        log.info("pre-commit%s", "".join([f" {one.topic}-{one.partition}@{one.offset}" for one in offsets]))
        self._act("pre-commit")
        self.flush()
        instead, self.offsets = self.offsets, None
        return instead

    def close(self, partitions: list[TopicPartition]) -> None:
        log.info("close%s", _partitions(partitions))
        self._act("close")

    def stop(self) -> None:
        log.info("stop")
        self._act("stop")

    def _act(self, place: str) -> None:
        for words in self.config.actions.run(place):
            match words:
                case ["assignment"]:
                    log.info("assignment%s", _partitions(self.context.assignment()))
                case ["seek", topic, partition, offset]:
                    self.context.seek([TopicOffset(topic, int(partition), int(offset))])
                case ["pause", topic, partition]:
                    self.context.pause([TopicPartition(topic, int(partition))])
                case ["resume", topic, partition]:
                    self.context.resume([TopicPartition(topic, int(partition))])
                case ["timeout", ms]:
                    self.context.timeout(int(ms) / 1000)
                case ["request-commit"]:
                    self.context.request_commit()
                case ["offsets", "none"]:
                    self.offsets = []
                case ["offsets", topic, partition, offset]:
                    self.offsets = [TopicOffset(topic, int(partition), int(offset))]
                case ["say", *text]:
                    self.context.write("why", [TopicReport(None, " ".join(text).encode(), [("by", b"kit")])])
                case ["report", row, "own"]:
                    self.context.report([RowError(int(row), own())])
                case ["report", row, kind]:
                    self.context.report([RowError(int(row), failure(kind, place))])
                case ["http"]:
                    get(self.config.url or "")
                case _:
                    raise unknown(words)


class KitSink(SinkConnector[KitSinkConfig]):
    """The connector."""

    info = Info(
        "org.millstream.kit.KitSinkConnector",
        version="1.0.0",
        doc="Writes down the records that it is given.",
        wants_lease=True,
    )
    task = KitSinkTask

    def start(self) -> None:
        log.info("connector-start")
        act(self.config.actions, self.context, "connector-start")

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str | None]]:
        log.info("task-configs %d", max_tasks)
        act(self.config.actions, self.context, "task-configs")
        return numbered(self.config.originals, max_tasks)

    def stop(self) -> None:
        log.info("connector-stop")
        act(self.config.actions, self.context, "connector-stop")

    @classmethod
    def validate(cls, config: Mapping[str, str | None]) -> list[tuple[str, str]]:
        log.info("validate")
        actions_of(config).run("validate")
        return []

    @classmethod
    def alter_offsets(
        cls, config: Mapping[str, str | None], offsets: Sequence[tuple[TopicPartition, TopicOffset | None]]
    ) -> bool:
        for at, new in offsets:
            log.info("alter-offsets %s-%d %s", at.topic, at.partition, "null" if new is None else new.offset)
        actions_of(config).run("alter-offsets")
        return True
