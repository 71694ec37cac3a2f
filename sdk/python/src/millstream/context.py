"""What connectors and tasks may ask of the worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import offsets as json
from .errors import PluginError, RowError
from .host import Boundary, TopicOffset, TopicPartition, TopicReport, host, millis


def wait(seconds: float) -> bool:
    """Waits for up to a time, without burning the deadline of the call. True as soon as the connector or task is asked to
    stop: return from the call then."""
    return host().wait(millis(seconds))


def rest(seconds: float) -> None:
    """Said by a source task that is about to return nothing from ``poll``: there will be nothing for so long.

    The host polls again by then, or when a file grows (``File.ends_rest``); meanwhile the task costs nothing, and can be
    paused and stopped at once. Of several times the last one counts; with records or an error it means nothing.

    Said by a connector within ``task_configs``: it is asked for them again after so long, and its tasks are made anew if
    they are others then.
    """
    host().rest(millis(seconds))


class _Offsets:
    def offset(self, partition: Mapping[str, Any]) -> dict[str, Any] | None:
        """The stored offset of a source partition: that of the newest record which it and everything before it have ended.
        ``None`` where nothing is stored. Both are dicts, such as ``{"filename": "a.txt"}`` and ``{"position": 42}``."""
        return self.offsets([partition])[0]

    def offsets(self, partitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """The stored offsets of several source partitions, in the same order."""
        found = host().read_offsets([json.to_json(dict(partition)) for partition in partitions])
        return [None if offset is None else json.from_json(offset) for offset in found]


class ConnectorContext(_Offsets):
    """What a connector may ask of the worker."""

    def request_task_reconfiguration(self) -> None:
        """Asks for ``task_configs`` to be called again soon, because there is something else to divide among tasks."""
        host().request_task_reconfiguration()

    def raise_error(self, error: PluginError) -> None:
        """Fails the connector; its tasks go on."""
        host().raise_error(error)


class TransactionContext:
    """Where the transactions of a source task end; see ``SourceContext.transaction``.

    What is asked for concerns the ``poll`` that is running, or the next one, and goes to the host with what that returns.
    Asking for both ends at one place, or behind a row that the poll does not return, fails the task. What waits behind
    the last end is in the open transaction until a later poll ends it.
    """

    def __init__(self) -> None:
        self._asked: list[Boundary] = []

    def commit(self) -> None:
        """Commits the transaction behind all that the poll returns, which may be nothing."""
        self._asked.append(Boundary(None, True))

    def abort(self) -> None:
        """Aborts the transaction behind all that the poll returns. A task that wants its records again fails instead."""
        self._asked.append(Boundary(None, False))

    def commit_after(self, row: int) -> None:
        """Commits the transaction behind a row of the poll, whatever becomes of that row on its way."""
        self._asked.append(Boundary(row, True))

    def abort_after(self, row: int) -> None:
        """Aborts the transaction behind a row of the poll."""
        self._asked.append(Boundary(row, False))

    def hand_over(self, polled_well: bool) -> None:
        """For the SDK: a poll has returned, and what was asked for goes with it. Rows of one that failed are none."""
        if not polled_well:
            self._asked = [boundary for boundary in self._asked if boundary.behind is None]
        elif self._asked:
            asked, self._asked = self._asked, []
            host().set_boundaries(asked)


class SourceContext(_Offsets):
    """What a source task may ask of the worker."""

    def __init__(self) -> None:
        self._transaction = TransactionContext()

    @property
    def transaction(self) -> TransactionContext | None:
        """Where the task's transactions end, if it is to say so itself: with ``transaction.boundary=connector``, which its
        user can set for a connector that says it can, on a worker that delivers exactly once. ``None`` leaves them to the
        worker."""
        return self._transaction if host().ends_transactions() else None


class SinkContext:
    """What a sink task may ask of the worker."""

    def assignment(self) -> list[TopicPartition]:
        """Partitions assigned to the task."""
        return host().assignment()

    def seek(self, offsets: Iterable[TopicOffset]) -> None:
        """Continues at these offsets before the next records are delivered: for sinks that keep their own offsets beside
        their data."""
        host().seek(list(offsets))

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Delivers nothing from these partitions until they are resumed. Raises if one is not assigned to the task."""
        host().pause(list(partitions))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Delivers from these partitions again. Raises if one is not assigned to the task."""
        host().resume(list(partitions))

    def timeout(self, seconds: float) -> None:
        """Shortens the time until the next ``put``, once."""
        host().timeout(millis(seconds))

    def request_commit(self) -> None:
        """Commits offsets as soon as possible."""
        host().request_commit()

    def report(self, errors: Iterable[RowError]) -> None:
        """Reports rows of the batch passed to the running ``put`` that can never be written. They go to the error policy of
        the task: skipped, or to the dead-letter topic.

        Raises if the policy tolerates no errors; let that error leave ``put``.
        """
        host().report(list(errors))

    def write(self, key: str, reports: Sequence[TopicReport]) -> None:
        """Appends records to the topic that the value of a key names (``Opens.topic``), and returns when all are durable.

        Raises if the key opens no topic, or a record cannot be written: some may have been.
        """
        at_a_time = 1_000
        for begin in range(0, len(reports), at_a_time):
            host().write_reports(key, reports[begin : begin + at_a_time])
