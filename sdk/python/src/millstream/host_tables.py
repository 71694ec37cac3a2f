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
        active = records.active()
        #: Where rows are meant and have not failed.
        self.meant = [True] * records.rows if active is None else list(map(bool, active))
        self.failures: dict[int, PluginError] = {}
        self._condition: HostColumn | None = None
        self._limit()

    def _limit(self) -> None:
        """The host's focus: the plugin's own, within the rows that are meant."""
        limit = None if all(self.meant) else of_booleans(self.meant)
        if limit is not None and self._condition is not None:
            limit = limit & self._condition
        super().focus(self._condition if limit is None else limit)

    def focus(self, condition: HostColumn | None) -> None:
        self._condition = condition
        self._limit()

    def repeat(self, counts: Sequence[int]) -> list[int]:
        old = super().repeat(counts)
        self.rows = [self.rows[row] for row in old]
        self.meant = [self.meant[row] for row in old]
        # A row that has failed is not meant, and stays one.
        self.failures = {old.index(row): error for row, error in self.failures.items()}
        return old

    def fail(self, messages: HostColumn | None, error: type[PluginError] | PluginError | None = None) -> None:
        # In the host only rows of the batch of the call can fail. Here they are left alone from now on.
        if messages is None:
            return
        like = error or of_kind("data", "")
        java_class = like.default_class if isinstance(like, type) else like.java_class
        texts = messages.texts()
        for row, meant in enumerate(self.meant):
            text = texts[row] if len(texts) == len(self.meant) else texts[0]
            if meant and text is not None:
                self.failures[row] = of_kind(like.kind, text, java_class=java_class)
                self.meant[row] = False
        self._limit()

    def report(self) -> None:
        """The rows that have failed are failures of the records."""
        for row, error in self.failures.items():
            self.records.fail(row, error)

    def adopt(self) -> None:
        """The records are what the table has become."""
        data = host().columns()("write", self.number)
        self.records.replace_all(Table.open(data), self.rows)
        self.report()
