"""Databases that configuration keys name: PostgreSQL, MySQL and MariaDB, SQLite.

>>> quoted('order"s; DROP TABLE x')
'"order""s; DROP TABLE x"'
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from .batch import Table, bits
from .errors import DataError, FatalError, RowError
from .host import DatabaseHandle, Parameter, RowsHandle, StatementHandle, host
from .record import Record, records_of
from .values import EPOCH, Instant

__all__ = ["Database", "Done", "Parameter", "Rows", "Statement", "instant_text", "parameter", "quoted"]


def quoted(name: str, quote: str = '"') -> str:
    """A name as it stands in a statement: between quotes (``"`` for PostgreSQL, a backtick for MySQL; ``about`` says which),
    those within it doubled, so that no name can be anything else than a name."""
    return quote + name.replace(quote, quote * 2) + quote


def instant_text(moment: datetime.datetime | Instant) -> str:
    """A moment as the contract writes it: seconds since the epoch, a dot and nine digits of nanoseconds."""
    if isinstance(moment, Instant):
        seconds, ms = divmod(int(moment), 1000)
        return f"{seconds}.{ms * 1_000_000:09}"
    if moment.utcoffset() is None:
        raise DataError(f"{moment!r} does not say its zone; add tzinfo=datetime.timezone.utc or another")
    micros = (moment - EPOCH) // datetime.timedelta(microseconds=1)
    seconds, rest = divmod(micros, 1_000_000)
    return f"{seconds}.{rest * 1000:09}"


def parameter(value: Any) -> Parameter:
    """A value for one ``?`` of a statement. A ``Parameter`` is taken as it is: make one for other kinds, such as
    ``Parameter("instant", "7.000000001")``, which the contract lists."""
    if isinstance(value, Parameter):
        return value
    if value is None:
        return Parameter("string", None)
    if isinstance(value, bool):
        return Parameter("boolean", "true" if value else "false")
    if isinstance(value, Instant):
        return Parameter("timestamp", instant_text(value))
    if isinstance(value, int):
        fits = -(1 << 63) <= value < 1 << 63
        return Parameter("int64" if fits else "decimal", str(int(value)))
    if isinstance(value, float):
        return Parameter("float64", repr(float(value)))
    if isinstance(value, Decimal):
        return Parameter("decimal", format(value, "f"))
    if isinstance(value, str):
        return Parameter("string", value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Parameter("bytes", bytes(value).hex())
    if isinstance(value, datetime.datetime):
        return Parameter("timestamp", instant_text(value))
    if isinstance(value, datetime.date):
        return Parameter("date", value.isoformat())
    if isinstance(value, datetime.time):
        return Parameter("time", value.isoformat())
    raise DataError(f"a {type(value).__name__} cannot be a parameter of a statement")


@dataclass
class Done:
    """What a statement made of the rows of a batch: how many rows the database says it changed, and the failures of rows
    that it refused for what is in them. All others are written."""

    changed: int
    errors: list[RowError] = field(default_factory=list)


class _Handle:
    _handle: Any

    def close(self) -> None:
        """Gives it up."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Database(_Handle):
    """A session at the database that the value of a configuration key names. The key's definition says so (``Opens.sql``).
    User, password and TLS are the host's business.

    Closing it ends the session; what was not committed is undone. Errors whose kind is retriable may go away when the same
    is tried again, perhaps with a new session.
    """

    def __init__(self, handle: DatabaseHandle) -> None:
        self._handle = handle

    @staticmethod
    def open(key: str, **options: Any) -> Database:
        """Opens a session. Options are those of the contract, with ``_`` for dots: ``isolation="SERIALIZABLE"``,
        ``db_timezone="UTC"``, ``connect_timeout_ms=5000``, ``statement_timeout_ms``, ``read_only=True``, ``dialect``."""
        return Database(host().open_database(key, _options(options)))

    def about(self) -> dict[str, Any]:
        """Product, version, catalog, schema, ``quote`` and so on."""
        found: dict[str, Any] = _object(self._handle.about())
        return found

    def now(self) -> datetime.datetime:
        """The database's clock, to the microsecond. ``now_text`` has all digits."""
        seconds, _, nanos = self.now_text().partition(".")
        return EPOCH + datetime.timedelta(seconds=int(seconds), microseconds=int(nanos or "0") // 1000)

    def now_text(self) -> str:
        """The database's clock as an instant text of the contract."""
        return str(self._handle.now())

    def tables(self, filter: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Tables: ``catalog``, ``schema``, ``name``, ``type``. ``filter``: LIKE patterns ``catalog``, ``schema`` and ``name``,
        and ``types``."""
        found: list[dict[str, Any]] = _object(self._handle.tables(json.dumps(dict(filter or {}))))
        return found

    def table(self, *name: str) -> dict[str, Any] | None:
        """Columns, keys and kind of a table, whose name has one to three parts; ``None`` if there is none."""
        text = self._handle.table(json.dumps(name))
        return None if text is None else _object(text)

    def check(self, sql: str) -> list[dict[str, Any]]:
        """Prepares a query without running it, and returns its columns."""
        found: list[dict[str, Any]] = _object(self._handle.check(sql))
        return found

    def query(self, sql: str, parameters: Sequence[Any] = (), **options: Any) -> Rows:
        """Runs a query with ``?`` placeholders (``??`` is a question mark). Options are those of the contract, with ``_`` for
        dots: ``name``, ``numeric_mapping``, ``timestamp_granularity``, ``cursor=["id"]`` and so on."""
        return Rows(self._handle.query(sql, [parameter(value) for value in parameters], _options(options)))

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Runs a statement once and returns how many rows it changed."""
        return int(self._handle.execute(sql, [parameter(value) for value in parameters]))

    def prepare(self, sql: str, bindings: Sequence[Mapping[str, Any]]) -> Statement:
        """Prepares a statement for the rows of batches. Bindings are those of the contract:
        ``[{"from": ["value", "id"], "type": "int8"}]``."""
        return Statement(self._handle.prepare(sql, json.dumps([dict(binding) for binding in bindings])))

    def begin(self) -> None:
        """Begins a transaction."""
        self._handle.begin()

    def commit(self) -> None:
        """Makes what was done since ``begin`` durable."""
        self._handle.commit()

    def rollback(self) -> None:
        """Undoes what was done since ``begin``."""
        self._handle.rollback()

    def listen(self, channel: str) -> None:
        """Listens to a channel of PostgreSQL."""
        self._handle.listen(channel)

    def notifications(self) -> list[str]:
        """Payloads of notifications that came since the last call. Does not wait."""
        return list(self._handle.notifications())

    def ends_rest(self) -> bool:
        """Has the ``rest`` of the task end as soon as there is a notification. False if nothing is listened to."""
        return bool(self._handle.ends_rest())


class Rows(_Handle):
    """Rows of a query. Until they are read to their end, or closed, nothing else can be done with the database."""

    def __init__(self, handle: RowsHandle) -> None:
        self._handle = handle

    def next(self, most_rows: int = 1_000, most_bytes: int = 1 << 20) -> Table | None:
        """The next rows as a batch whose values are structs, and whose keys are the cursors that were asked for; ``None`` at
        the end. At least one row, however large it is."""
        data = self._handle.next(most_rows, most_bytes)
        return None if data is None else Table.open(data)

    def __iter__(self) -> Iterator[Record]:
        """Row after row as records, whose values are dicts."""
        while (table := self.next()) is not None:
            for _, record in records_of(table):
                yield record


class Statement(_Handle):
    """A statement that runs over the rows of batches."""

    def __init__(self, handle: StatementHandle) -> None:
        self._handle = handle

    def run(self, records: Table | None = None, only: Sequence[object] | None = None) -> Done:
        """Runs it for the selected rows of a batch; of the batch of the running ``put`` where none is given, which costs the
        least. ``only``, something true or false per row, limits it to some of them.

        What concerns the whole raises: none of the rows is written then, unless a transaction that was begun before is
        committed all the same.
        """
        data = None if records is None else records.write()
        changed, errors = self._handle.run(data, None if only is None else bits.pack(only))
        return Done(changed, errors)


def _options(options: Mapping[str, Any]) -> str:
    return json.dumps({name.replace("_", "."): value for name, value in options.items()})


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise FatalError("read what the host says about a database") from error
