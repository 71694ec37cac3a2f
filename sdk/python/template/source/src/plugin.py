"""A source that counts: after a restart it goes on where it was."""

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

# What the records come from. Offsets are stored per source partition.
PARTITION = {"clock": "main"}


class __TYPE__Config(Config):
    """What users configure."""

    topic = string("topic", required=True, non_empty=True, importance=Importance.HIGH, doc="Where records go.")
    every_ms = integer("every.ms", default=1000, min=1, max=3_600_000, doc="Milliseconds between records.")


class __TYPE__Task(SourceTask[__TYPE__Config]):
    """Makes the records."""

    def start(self) -> None:
        # The offset of the last record that has safely arrived, as this task wrote it below.
        stored = self.context.offset(PARTITION)
        self.next = stored["tick"] + 1 if stored else 0
        log.info("counting from %d on", self.next)

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


class __TYPE__(SourceConnector[__TYPE__Config]):
    """Counts, at a steady pace."""

    info = Info("__CLASS__", version="0.1.0")
    task = __TYPE__Task

    @classmethod
    def exactly_once_support(cls, config: object) -> Support:
        # From a stored offset the same records come again.
        return Support.SUPPORTED


Plugin = component(__TYPE__)
