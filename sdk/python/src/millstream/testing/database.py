"""A database that answers what a test has told it to, and remembers what it was asked."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..batch import Table, bits
from ..errors import FatalError, PluginError, RowError
from ..host import Parameter
from ..record import Record, records_of, table_of


class DatabaseCall(NamedTuple):
    """What a plugin has asked of a database: the name of the function, and what it was given."""

    name: str
    arguments: tuple[Any, ...] = ()


class TestDatabase:
    """A database that a test puts in place of the one that a configuration key names.

    Statements are known by their text: what is not told has no rows and changes nothing.
    """

    __test__ = False  # Its name is no test of pytest's.

    def __init__(self) -> None:
        self.calls: list[DatabaseCall] = []
        #: What ``about`` answers.
        self.about: dict[str, Any] = {"product": "sqlite", "version": "3", "quote": '"', "separator": "."}
        #: What the database's clock shows, as an instant text.
        self.clock = "0.000000000"
        #: What every list of tables is.
        self.tables: list[dict[str, Any]] = []
        #: Tables by their names.
        self.table: dict[tuple[str, ...], dict[str, Any]] = {}
        #: The columns of queries by their texts.
        self.columns: dict[str, list[dict[str, Any]]] = {}
        #: Notifications that were not taken yet.
        self.notifications: list[str] = []
        self.in_transaction = False
        self._answers: dict[str, deque[tuple[list[bytes], PluginError | None]]] = defaultdict(deque)
        self._failures: dict[str, deque[PluginError]] = defaultdict(deque)
        self._refusals: dict[str, deque[list[RowError]]] = defaultdict(deque)
        self._listens = False

    def answer(self, sql: str, *batches: Iterable[Record], then: PluginError | None = None) -> None:
        """What the next run of a query yields, batch by batch; with ``then`` it breaks off behind them."""
        tables = [table_of(batch) for batch in batches]
        self._answers[sql].append(([table.write() for table in tables if table is not None], then))

    def fail(self, call: str, error: PluginError) -> None:
        """Has the next call fail that says so: the text of a statement, ``open``, ``begin``, ``commit`` or ``rollback``."""
        self._failures[call].append(error)

    def refuse(self, sql: str, rows: list[RowError]) -> None:
        """Rows that the next run of a prepared statement refuses."""
        self._refusals[sql].append(rows)

    def called(self, name: str, *arguments: Any) -> None:
        """For the harness: remembers a call, which fails if a test has said so."""
        self.calls.append(DatabaseCall(name, arguments))
        for call in (name, *arguments[:1]):
            if isinstance(call, str) and self._failures[call]:
                raise self._failures[call].popleft()


class OpenDatabase:
    """A session at a database of a test."""

    def __init__(self, database: TestDatabase, options: str) -> None:
        self.database = database
        database.called("open", json.loads(options))

    def about(self) -> str:
        return json.dumps(self.database.about)

    def now(self) -> str:
        return self.database.clock

    def tables(self, filter: str) -> str:
        return json.dumps(self.database.tables)

    def table(self, name: str) -> str | None:
        found = self.database.table.get(tuple(json.loads(name)))
        return None if found is None else json.dumps(found)

    def check(self, sql: str) -> str:
        self.database.called("check", sql)
        return json.dumps(self.database.columns.get(sql, []))

    def query(self, sql: str, parameters: Sequence[Parameter], options: str) -> OpenRows:
        self.database.called("query", sql, list(parameters), json.loads(options))
        answers = self.database._answers[sql]
        return OpenRows(*(answers.popleft() if answers else ([], None)))

    def execute(self, sql: str, parameters: Sequence[Parameter]) -> int:
        self.database.called("execute", sql, list(parameters))
        return 0

    def prepare(self, sql: str, bindings: str) -> OpenStatement:
        self.database.called("prepare", sql, json.loads(bindings))
        return OpenStatement(self.database, sql)

    def begin(self) -> None:
        self.database.called("begin")
        if self.database.in_transaction:
            raise FatalError("a transaction is open already")
        self.database.in_transaction = True

    def commit(self) -> None:
        self._end("commit")

    def rollback(self) -> None:
        self._end("rollback")

    def _end(self, name: str) -> None:
        self.database.called(name)
        if not self.database.in_transaction:
            raise FatalError("no transaction is open")
        self.database.in_transaction = False

    def listen(self, channel: str) -> None:
        self.database.called("listen", channel)
        self.database._listens = True

    def notifications(self) -> list[str]:
        found, self.database.notifications = self.database.notifications, []
        return found

    def ends_rest(self) -> bool:
        return self.database._listens

    def close(self) -> None:
        self.database.in_transaction = False


class OpenRows:
    """Rows of a query of a test."""

    def __init__(self, batches: list[bytes], then: PluginError | None) -> None:
        self.batches = deque(batches)
        self.then = then

    def next(self, most_rows: int, most_bytes: int) -> bytes | None:
        if self.batches:
            return self.batches.popleft()
        if self.then is not None:
            raise self.then
        return None

    def close(self) -> None:
        self.batches.clear()


class OpenStatement:
    """A prepared statement of a test."""

    def __init__(self, database: TestDatabase, sql: str) -> None:
        self.database = database
        self.sql = sql

    def run(self, records: bytes | None, only: bytes | None) -> tuple[int, list[RowError]]:
        # The batch of a running put is not known here: then there are no records.
        table = None if records is None else Table.open(records)
        rows = [] if table is None else records_of(table)
        if table is not None and only is not None:
            meant = bits.unpack(only, table.rows)
            rows = [(row, record) for row, record in rows if meant[row]]
        self.database.called("run", self.sql, [record for _, record in rows])
        refusals = self.database._refusals[self.sql]
        refused = refusals.popleft() if refusals else []
        return len(rows) - len(refused), refused

    def close(self) -> None:
        pass
