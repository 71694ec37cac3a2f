"""The source: makes the records that its configuration names."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

from kit import Actions, actions_of, do_key, get, log, unknown
from millstream import (
    Config,
    ConfigError,
    FatalError,
    File,
    Header,
    Importance,
    Info,
    Opens,
    PollLimits,
    Record,
    RetriableError,
    SourceConnector,
    SourceTask,
    Support,
    Width,
    boolean,
    class_name,
    integer,
    number,
    password,
    rest,
    string,
    strings,
    wait,
)
from millstream.batch import Role, Table
from millstream.config.keys import java_text
from millstream.schema import (
    BOOLEAN,
    BYTES,
    DATE,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    STRING,
    TIME,
    TIMESTAMP,
    array,
    decimal,
    mapping,
    struct,
)
from show import show

COUNTER = {"kit": "counter"}


def _even(value: int | None) -> str | None:
    return "expected an even number" if value is not None and value % 2 else None


class KitConfig(Config):
    """The configuration of connector and task alike."""

    topic = string(
        "topic",
        required=True,
        non_empty=True,
        importance=Importance.HIGH,
        doc="Where records go.",
        group="Kit",
        order=1,
        width=Width.LONG,
        display_name="Topic",
    )
    mode = string("mode", default="counter", one_of=["counter", "types", "lines"], doc="What records there are.")
    records = integer("records", default=3, min=0, max=1_000_000, doc="How many records there are.")
    per_poll = integer("per.poll", default=2, min=1, max=10_000)
    tasks = integer("tasks", default=1, min=1, max=100)
    file = string("file", opens=Opens.read_file())
    flag = boolean("flag", default=False, dependents=["small"])
    small = integer("small", bits=16, default=7)
    big = integer("big", bits=64, default=9007199254740993)
    ratio = number("ratio", default=0.5, min=0, max=1)
    names = strings("names", default="a,b", non_empty=True)
    secret = password("secret")
    helper = class_name("helper", recommended=["org.example.A", "org.example.B"])
    even = integer("even", default=2, check=_even)
    low = integer("low", default=0)
    high = integer("high", default=10)
    url = string("url", opens=Opens.http_url())
    db = string("db", opens=Opens.sql())
    do = do_key()

    def ready(self) -> None:
        self.actions = Actions(self.do or "")

    def seen(self) -> str:
        """The line that says what was read."""
        each = {name: java_text(self.parsed[name]) for name in ("flag", "small", "big", "ratio", "names")}
        each["secret"] = "null" if self.secret is None else "set"
        each["helper"] = java_text(self.helper)
        return "config " + " ".join([f"{name}={value}" for name, value in each.items()])


def low_above_high(config: Mapping[str, str | None]) -> bool:
    """What is wrong with two keys together."""
    try:
        return int(config.get("low") or 0) > int(config.get("high") or 10)
    except ValueError:
        return False


def act(actions: Actions, context: Any, place: str) -> None:
    """Does what connectors of both kinds can do."""
    for words in actions.run(place):
        match words:
            case ["reconfigure"]:
                context.request_task_reconfiguration()
            case ["raise"]:
                context.raise_error(FatalError("raised on purpose"))
            case ["configs-rest", ms]:
                rest(int(ms) / 1000)
            case _:
                raise unknown(words)


def numbered(originals: Mapping[str, str | None], count: int) -> list[dict[str, str | None]]:
    """Configurations of tasks: the connector's own, and the task's number."""
    return [{**originals, "task": str(task)} for task in range(count)]


class KitSourceTask(SourceTask[KitConfig]):
    """The task."""

    def start(self) -> None:
        log.info("start")
        self.next, self.sent_types = 0, False
        self.lines: File | None = None
        self._act("start")
        log.info("%s", self.config.seen())
        if self.config.mode == "counter":
            stored = self.context.offset(COUNTER)
            self.next = stored["n"] + 1 if stored else 0
            log.info("from %d", self.next)

    def poll(self, limits: PollLimits) -> Any:
        answer = self._act("poll")
        if answer is not None:
            return answer
        topic = self.config.topic
        if self.config.mode == "types":
            if self.sent_types:
                return None
            self.sent_types = True
            return types(topic)
        if self.config.mode == "lines":
            return self._read_lines()
        until = min(self.config.records, self.next + min(self.config.per_poll, limits.max_records))
        if until <= self.next:
            wait(min(limits.max_wait_ms, 20) / 1000)
            return None
        first, self.next = self.next, until
        return [
            Record(
                topic,
                n,
                key=f"k{n}",
                key_schema=STRING,
                value_schema=INT64,
                source_partition=COUNTER,
                source_offset={"n": n},
            )
            for n in range(first, until)
        ]

    def committed(self, rows: Table) -> None:
        each = zip(rows.topics(), rows.numbers(Role.PARTITION), rows.numbers(Role.OFFSET))
        words = [
            f"{topic}-none" if partition is None or offset is None else f"{topic}-{partition}@{offset}"
            for topic, partition, offset in each
        ]
        log.info("committed %s", " ".join(words))
        self._act("committed")

    def commit(self) -> None:
        log.info("commit")
        self._act("commit")

    def stop(self) -> None:
        log.info("stop")
        self._act("stop")

    def _act(self, place: str) -> Any:
        """Does what is to be done in a call; in `poll` that may be its answer."""
        answer: Any = None
        topic = self.config.topic
        for words in self.config.actions.run(place):
            match words:
                case ["offset"]:
                    log.info("offset %s", show(self.context.offset(COUNTER)))
                case ["http"]:
                    get(self.config.url or "")
                case ["rest", ms]:
                    rest(int(ms) / 1000)
                    answer = []
                case ["nothing"]:
                    answer = []
                case ["bad"]:
                    answer = [Record(topic, "seven", value_schema=INT32)]
                case ["wrong"]:
                    answer = 7
                case ["huge", size]:
                    answer = [Record(topic, "x" * int(size))]
                case ["commit" | "abort"] | ["commit-after" | "abort-after", _]:
                    self._end_transaction(words)
                case _:
                    raise unknown(words)
        return answer

    def _end_transaction(self, words: list[str]) -> None:
        transaction = self.context.transaction
        match words, transaction:
            case _, None:
                log.info("no transactions")
            case ["commit"], _:
                transaction.commit()
            case ["abort"], _:
                transaction.abort()
            case ["commit-after", row], _:
                transaction.commit_after(int(row))
            case ["abort-after", row], _:
                transaction.abort_after(int(row))

    def _read_lines(self) -> Iterable[Record]:
        partition = {"file": self.config.file}
        if self.lines is None:
            file = File.open("file")
            if file is None:
                raise RetriableError(f"there is no file {self.config.file}")
            stored = self.context.offset(partition)
            self.position = stored["position"] if stored else 0
            file.seek(self.position)
            self.lines, self.unsent = file, b""
        self.unsent += self.lines.read(1 << 16)
        records: list[Record] = []
        while len(records) < self.config.per_poll and b"\n" in self.unsent:
            line, _, self.unsent = self.unsent.partition(b"\n")
            self.position += len(line) + 1
            offset = {"position": self.position}
            records.append(
                Record(self.config.topic, line.decode(), source_partition=partition, source_offset=offset)
            )
        if not records and self.lines.ends_rest():
            rest(1)
        return records


class KitSource(SourceConnector[KitConfig]):
    """The connector."""

    info = Info(
        "org.millstream.kit.KitSourceConnector",
        version="1.0.0",
        doc="Makes the records that its configuration names.",
        aliases=("Kit",),
        task_class="org.millstream.kit.KitSourceTask",
        wants_committed=True,
        wants_lease=True,
    )
    task = KitSourceTask

    def start(self) -> None:
        log.info("connector-start")
        act(self.config.actions, self.context, "connector-start")
        if low_above_high(self.config.originals):
            raise ConfigError("low is above high")

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str | None]]:
        log.info("task-configs %d", max_tasks)
        act(self.config.actions, self.context, "task-configs")
        return numbered(self.config.originals, min(max_tasks, self.config.tasks))

    def stop(self) -> None:
        log.info("connector-stop")
        act(self.config.actions, self.context, "connector-stop")

    @classmethod
    def validate(cls, config: Mapping[str, str | None]) -> Iterable[tuple[str, str]]:
        log.info("validate")
        actions_of(config).run("validate")
        return [("low", "low is above high")] if low_above_high(config) else []

    @classmethod
    def exactly_once_support(cls, config: Mapping[str, str | None]) -> Support:
        log.info("exactly-once")
        actions_of(config).run("exactly-once")
        return Support.SUPPORTED

    @classmethod
    def can_define_transaction_boundaries(cls, config: Mapping[str, str | None]) -> Support:
        log.info("boundaries")
        actions_of(config).run("boundaries")
        return Support.SUPPORTED

    @classmethod
    def alter_offsets(cls, config: Mapping[str, str | None], offsets: Sequence[tuple[Any, Any]]) -> bool:
        for partition, offset in offsets:
            log.info("alter-offsets %s %s", show(partition), show(offset))
        actions_of(config).run("alter-offsets")
        for _, offset in offsets:
            if offset is not None and "n" not in offset:
                raise FatalError("offset has no n")
        return True


def types(topic: str) -> list[Record]:
    """A record of every type."""
    inner = struct({"n": INT32}, name="kit.Inner").with_parameters({"p": "q"}).as_optional()
    everything = struct(
        {
            "i8": INT8,
            "i16": INT16,
            "i32": INT32,
            "i64": INT64,
            "f32": FLOAT32,
            "f64": FLOAT64,
            "yes": BOOLEAN,
            "text": STRING.as_optional().with_default("dflt"),
            "raw": BYTES,
            "dec": decimal(2),
            "date": DATE,
            "time": TIME,
            "ts": TIMESTAMP,
            "list": array(INT32),
            "map": mapping(STRING, INT64.as_optional()),
            "inner": inner,
            "gone": STRING.as_optional(),
            "dflt": INT32.as_optional().with_default(5),
        },
        name="kit.Everything",
        version=3,
    ).with_doc("All types.")
    moment = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=timezone.utc)
    values = {
        "i8": -128,
        "i16": 32767,
        "i32": -2147483648,
        "i64": 9223372036854775807,
        "f32": 1.5,
        "f64": -0.25,
        "yes": True,
        "text": "grüße 😀",
        "raw": b"\0\xff\x10",
        "dec": Decimal("1234.50"),
        "date": date(2022, 1, 8),
        "time": time(1),
        "ts": moment,
        "list": [1, 2, 3],
        "map": {"a": 1, "b": None},
        "inner": {"n": 7},
    }
    headers = [Header("h", "x", STRING), Header("n", 5, INT64), Header("h", None)]
    first = Record(
        topic,
        values,
        key="everything",
        key_schema=STRING,
        value_schema=everything,
        headers=headers,
        timestamp_ms=1700000000123,
    )
    data: dict[str, Any] = {"s": "text", "n": 9007199254740993, "x": 2.5, "t": True, "nil": None}
    data |= {"l": [1, "two"], "m": {"k": "v"}, "b": b"\1"}
    records = [
        first,
        Record(topic, data),
        Record(topic, None, key="gone", key_schema=STRING, partition=3, timestamp_ms=1700000000000),
        Record(topic, float("nan"), value_schema=FLOAT64),
        Record(topic, [-(1 << 63), (1 << 63) - 1]),
        Record(topic, [123456789012345678901234567890, Decimal("1.20"), moment, b""]),
        Record(topic, None, value_schema=INT32.as_optional()),
    ]
    return [
        record.copy(source_partition={"kit": "types"}, source_offset={"n": row}) for row, record in enumerate(records)
    ]
