"""A source: a clock that ticks, and after a restart goes on counting where it was."""

import logging
from collections.abc import Iterable

from millstream import (
    Config,
    Importance,
    Info,
    PollLimits,
    Record,
    SourceConnector,
    SourceTask,
    Support,
    component,
    integer,
    string,
    wait,
)
from millstream.schema import INT64

log = logging.getLogger(__name__)

#: What the ticks come from. Offsets are stored per source partition; there is one clock.
PARTITION = {"clock": "main"}


class TickConfig(Config):
    """The configuration of connector and task alike."""

    topic = string("topic", required=True, non_empty=True, importance=Importance.HIGH, doc="Where ticks go.")
    every_ms = integer("every.ms", default=1000, min=1, max=3_600_000, doc="Milliseconds between ticks.")


class TickTask(SourceTask[TickConfig]):
    """The task makes the records."""

    def start(self) -> None:
        # The offset of the last tick that has safely arrived, as this task wrote it below.
        stored = self.context.offset(PARTITION)
        self.next = stored["tick"] + 1 if stored else 0
        log.info("ticking from %d on", self.next)

    def poll(self, limits: PollLimits) -> Iterable[Record] | None:
        # Waiting is the host's business: it costs nothing, and ends early when the task is to stop.
        if wait(min(self.config.every_ms, limits.max_wait_ms) / 1000):
            return None
        tick, self.next = self.next, self.next + 1
        return [
            Record(
                self.config.topic,
                tick,
                key="main",
                value_schema=INT64,
                source_partition=PARTITION,
                source_offset={"tick": tick},
            )
        ]


class TickSource(SourceConnector[TickConfig]):
    """Counts, at a steady pace."""

    # The connector divides the work. A clock cannot be divided: it has one task, which is what connectors do by default.
    info = Info("org.example.TickSourceConnector", version="0.1.0")
    task = TickTask

    @classmethod
    def exactly_once_support(cls, config: object) -> Support:
        return Support.SUPPORTED


Plugin = component(TickSource)
