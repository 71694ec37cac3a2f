"""Tables of the host's where the work on columns meets other plugins, and by itself."""

from __future__ import annotations

from collections.abc import Sequence

from .batch import Table
from .columns import HostColumn, HostTable, of_booleans
from .errors import PluginError, of_kind
from .host import host
from .records import Records


class JudgedTable(HostTable):
    """The batch of a predicate by itself, whose failures go with its answer."""

    def __init__(self, number: int, link: int = 0) -> None:
        super().__init__(number, link)
        self.failed: list[HostColumn] = []

    @staticmethod
    def input(link: int = 0) -> JudgedTable:
        return JudgedTable(host().columns()("input"), link)

    def fail(self, messages: HostColumn | None, error: type[PluginError] | PluginError | None = None) -> None:
        if messages is not None:
            self.failed.append(messages)


class LocalTable(HostTable):
    """Records on their way through a chain as a table of the host's, for one link that works on columns among others."""

    def __init__(self, records: Records) -> None:
        super().__init__(host().columns()("read", records.write()))
        self.records = records
        #: Row of the records of each row of the table.
        self.rows = list(range(records.rows))
        self.failures: list[tuple[int, PluginError]] = []
        active = records.active()
        if active is not None:
            super().focus(of_booleans(list(map(bool, active))))
        self.active = active

    def focus(self, condition: HostColumn | None) -> None:
        limit = None if self.active is None else of_booleans([bool(self.active[row]) for row in self.rows])
        if condition is None or limit is None:
            super().focus(limit if condition is None else condition)
        else:
            super().focus(limit & condition)

    def repeat(self, counts: Sequence[int]) -> list[int]:
        old = super().repeat(counts)
        self.rows = [self.rows[row] for row in old]
        return old

    def fail(self, messages: HostColumn | None, error: type[PluginError] | PluginError | None = None) -> None:
        if messages is None:
            return
        like = error or of_kind("data", "")
        java_class = like.default_class if isinstance(like, type) else like.java_class
        for row, text in enumerate(messages.texts()):
            if text is not None:
                self.failures.append((self.rows[row], of_kind(like.kind, text, java_class=java_class)))
        super().fail(messages, error)

    def report(self) -> None:
        """The rows that have failed are failures of the records, too."""
        for row, error in self.failures:
            self.records.fail(row, error)

    def adopt(self) -> None:
        """The records are what the table has become."""
        self.report()
        data = host().columns()("write", self.number)
        self.records.replace_all(Table.open(data), self.rows)
