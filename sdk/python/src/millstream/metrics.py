"""Numbers about the plugin's own work, and how far a task has come.

The worker shows them at ``/metrics``, with the names of connector and task, and progress beside the task's status::

    skipped = Counter("lines_skipped", "Lines that had no value")
    skipped.add(3)
    report_progress("orders", done=1_000, total=5_000, unit="rows")

What is misspelt or too much is an error, and counts nothing; a plugin may have 100 metrics in a connector or task.
"""

from __future__ import annotations

from .host import host


class _Metric:
    """Makes itself known with its first use: there is no host where a module is imported."""

    is_counter: bool

    def __init__(self, name: str, help: str = "") -> None:
        self.name = name
        self.help = help
        self._declared: object = None

    def declare(self) -> None:
        """Makes it known before it has a value, which then is 0."""
        if self.help and self._declared is not host():
            host().declare_metric(self.name, self.is_counter, self.help)
            self._declared = host()


class Counter(_Metric):
    """A sum that never goes back. ``name`` has letters, digits and ``_``; ``help`` is a sentence."""

    is_counter = True

    def add(self, more: float = 1) -> None:
        """Adds a number that is not negative."""
        self.declare()
        host().count(self.name, float(more))


class Gauge(_Metric):
    """How much there is of something."""

    is_counter = False

    def set(self, value: float) -> None:
        """Says how much there is now."""
        self.declare()
        host().gauge(self.name, float(value))


def report_progress(what: str, *, done: float, total: float | None = None, unit: str) -> None:
    """How far a task has come with ``what`` (a table, a file): so much is done, of so much as far as that is known. ``unit``
    is what is counted, in the plural: ``rows``, ``bytes``, ``files``."""
    host().report_progress(what, (float(done), None if total is None else float(total), unit))


def end_progress(what: str) -> None:
    """The work on ``what`` is through, or given up."""
    host().report_progress(what, None)
