"""A batch on its way through transforms and converters, with the rows that failed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .batch import Column, Encoder, Kind, Role, Table, Union
from .cursor import Cursor
from .errors import DataError, RowError, of_row
from .record import NAMES, Reader, Record, RowRecord, header_column, number_column, topic_column
from .schema import Schema


class Records(Table):
    """The records that a transform or converter works on: an opened batch, and which of its rows are meant.

    Rows that are not active have to be left as they are: they were filtered or have failed before, or the transform's
    predicate does not hold for them.
    """

    def __init__(self, table: Table) -> None:
        super().__init__(table.rows)
        self.envelope = dict(table.envelope)
        self.keys, self.values = table.keys, table.values
        self.schemas = table.schemas
        self._only: bytes | None = None
        self._inputs: list[int] | None = None
        self._errors: list[tuple[int, RowError]] = []
        self._link = 0
        self._before = self._parts()

    # ---- which rows are meant

    def active(self) -> bytes | None:
        """A byte per row, 1 for those to work on; ``None`` if these are all of them."""
        selected = self.selected()
        if self._only is None or selected is None:
            return selected if self._only is None else self._only
        return bytes([a & b for a, b in zip(selected, self._only)])

    def active_rows(self) -> Sequence[int]:
        """The rows to work on, ascending."""
        active = self.active()
        return range(self.rows) if active is None else [row for row, on in enumerate(active) if on]

    @property
    def all_matter(self) -> bool:
        """Whether whole columns may be changed without a look at rows: no predicate limits the work, and rows that were
        filtered or have failed may look as they like."""
        return self._only is None

    # ---- what becomes of rows

    def drop(self, *rows: int) -> None:
        """Leaves rows out on purpose. They count as ended."""
        if rows:
            self.deselect(rows)

    def fail(self, row: int, error: BaseException) -> None:
        """Names a row that has failed. The error policy of the task decides what becomes of it; other rows go on.

        A row of which several records were made fails as a whole.
        """
        selected = self.selected()
        if (selected is not None and not selected[row]) or (self._only is not None and not self._only[row]):
            return
        failed = RowError(row, error)
        if self._inputs is None:
            self.deselect([row])
        else:
            failed.row = self._inputs[row]
            self.deselect([other for other, came in enumerate(self._inputs) if came == failed.row])
        self._errors.append((self._link, failed))

    @property
    def errors(self) -> list[tuple[int, RowError]]:
        """The rows that have failed, each with the number of the link it failed in."""
        return self._errors

    # ---- columns

    def set_topics(self, topic: str) -> None:
        """Gives all active rows this topic."""
        if self.all_matter:
            self.set(Role.TOPIC, Column.constant_text(self.rows, topic))
            return
        topics = self.topics()
        for row in self.active_rows():
            topics[row] = topic
        self.set(Role.TOPIC, topic_column(["" if one is None else one for one in topics]))

    def replace_column(self, change: Callable[[Column], Column], *path: str, side: str = "value") -> None:
        """Replaces the column at a path of fields, in every block that has it, by what ``change`` makes of it.

        The fast way: no row is looked at. Use it where ``all_matter``. The column that comes back must have as many
        rows, and the kind that the schema calls for.
        """
        for block in self._side(side).blocks:
            changed = _replaced(block.column, path, change)
            if changed is not None:
                block.column = changed

    def map_field(self, change: Callable[[Any], Any], *path: str, side: str = "value") -> None:
        """Replaces each value at a path of fields by what ``change`` makes of it, in active rows where it is not null.

        What ``change`` raises is the failure of its row, as is a value that does not fit the schema of the field.
        """
        union = self._side(side)
        places = union.places(self.rows)
        encoder = Encoder(self.schemas.place_of)
        for number, block in enumerate(union.blocks):
            found = _Field.find(block.column, block.schema, path)
            if found is None:
                continue
            rows = range(self.rows) if places is None else [row for row, at in enumerate(places) if at[0] == number]
            active = self.active()
            values = found.column.values(found.schema, self.schemas)
            failed: dict[int, BaseException] = {}
            for place, row in enumerate(rows):
                if values[place] is not None and (active is None or active[row]):
                    try:
                        values[place] = found.changed(values[place], change)
                    except Exception as error:
                        failed[row] = error
            try:
                made = encoder.column(values, found.schema)
            except DataError:
                before = found.column.values(found.schema, self.schemas)
                for place, row in enumerate(rows):
                    try:
                        encoder.column([values[place]], found.schema)
                    except DataError as error:
                        failed[row], values[place] = error, before[place]
                made = encoder.column(values, found.schema)
            block.column = found.put(made)
            for row, reason in failed.items():
                told = of_row(reason).copy() if isinstance(reason, DataError) else of_row(reason)
                for name in reversed(path):
                    told.in_field(name)
                self.fail(row, told)

    def _side(self, side: str) -> Union:
        """The union of a side, with blocks of its own that may be changed."""
        if side not in ("key", "value"):
            raise ValueError(f"a side is 'key' or 'value', not {side!r}")
        name = "keys" if side == "key" else "values"
        union: Union = getattr(self, name)
        own = Union(union.tags, [type(block)(block.schema, block.column) for block in union.blocks])
        setattr(self, name, own)
        return own

    # ---- rows

    def cursor(self) -> Iterator[Cursor]:
        """Walks the active rows without making records. The same object comes each time."""
        return Cursor.walk(self)

    def replace_each(self, replace: Callable[[Record], Any]) -> None:
        """Has each active row replaced: by a record, by several, or by ``None``, which drops it.

        What ``replace`` raises is the failure of its row, and so is a record that no batch can carry. Columns that no
        row has looked at stay as they are.
        """
        reader = Reader(self)
        rebuilt = _Rebuilt(self, reader)
        active = self.active()
        # Most rows become one record: these lists are the new rows, without a call for each.
        parents, rows = rebuilt.parents, rebuilt.rows
        for row in range(self.rows):
            if active is not None and not active[row]:
                rebuilt.keep(row)
                continue
            record = reader.record(row)
            try:
                result = replace(record)
                if result is record:
                    parents.append(row)
                    rows.append(record)
                elif result is None:
                    rebuilt.filtered.append(rebuilt.keep(row))
                elif isinstance(result, Record):
                    rebuilt.push(row, result)
                else:
                    self._expand(rebuilt, row, result)
            except Exception as error:
                rebuilt.failed.append((rebuilt.keep(row), error))
        rebuilt.finish()

    @staticmethod
    def _expand(rebuilt: _Rebuilt, row: int, result: Any) -> None:
        if isinstance(result, (str, bytes, dict)) or not isinstance(result, Iterable):
            raise TypeError(f"a record becomes a Record, None or a list of Records, not a {type(result).__name__}")
        several = list(result)
        for one in several:
            if not isinstance(one, Record):
                raise TypeError(f"a record becomes a list of Records, but a {type(one).__name__} is among them")
        if not several:
            rebuilt.filtered.append(rebuilt.keep(row))
        for one in several:
            rebuilt.push(row, one)

    # ---- for the SDK

    def _parts(self) -> list[Any]:
        parts: list[Any] = [self.rows]
        for role, column in self.envelope.items():
            parts += [role, column]
        for union in (self.keys, self.values):
            parts.append(union.tags)
            for block in union.blocks:
                parts += [block.schema, block.column]
        return parts

    @property
    def changed(self) -> bool:
        """Whether anything is different from what came in."""
        now = self._parts()
        return len(now) != len(self._before) or any(a is not b and a != b for a, b in zip(now, self._before))

    def replace_all(self, table: Table, parents: Sequence[int]) -> None:
        """For the SDK: the records are those of another batch, of which these were the rows."""
        self.descend(parents)
        known = self.get(Role.ORIGIN)
        multiplied = table.rows != self.rows
        self.rows, self.envelope, self.schemas = table.rows, table.envelope, table.schemas
        self.keys, self.values = table.keys, table.values
        if known is not None:
            self.set(Role.ORIGIN, known.take(parents))
        if known is not None or multiplied:
            _number_children(self, parents)

    def descend(self, parents: Sequence[int]) -> None:
        """For the SDK: each row of the records is to be what became of this one."""
        if self._inputs is not None or list(parents) != list(range(self.rows)):
            self._inputs = [self.input_of(parent) for parent in parents]
        if self._only is not None:
            self._only = bytes([self._only[parent] for parent in parents])

    def input_of(self, row: int) -> int:
        """Row of the batch that was passed in."""
        return row if self._inputs is None else self._inputs[row]

    def limit(self, only: bytes | None, link: int) -> None:
        """Limits the work to rows of a bitmap (a byte each), for a link of a chain."""
        self._only, self._link = only, link


class _Rebuilt:
    """The batch that records became, row by row."""

    def __init__(self, records: Records, reader: Reader) -> None:
        self.old = records
        self.reader = reader
        #: Old row of each new one. Each old row has at least one.
        self.parents: list[int] = []
        #: The record of each new row; ``None`` leaves the old row as it is.
        self.rows: list[Record | None] = []
        self.filtered: list[int] = []
        self.failed: list[tuple[int, BaseException]] = []

    def keep(self, row: int) -> int:
        self.parents.append(row)
        self.rows.append(None)
        return len(self.rows) - 1

    def push(self, row: int, record: Record) -> None:
        if type(record) is RowRecord and record.__dict__.get("_reader") is not self.reader:
            # A row of another batch: what it has not read is not in this one.
            record = Record(**{name: getattr(record, name) for name in NAMES})
        self.parents.append(row)
        self.rows.append(record)

    def finish(self) -> None:
        try:
            made = self._made()
        except DataError:
            self._find_failures()
            made = self._made()
        old, parents = self.old, self.parents
        multiplied = len(parents) != old.rows
        old.descend(parents)
        if multiplied:
            for role, column in list(old.envelope.items()):
                old.envelope[role] = column.take(parents)
            old.keys = old.keys.take(parents, old.rows)
            old.values = old.values.take(parents, old.rows)
            old.rows = len(parents)
            _number_children(old, parents)
        for role, column in made["envelope"].items():
            if column is None:
                old.remove(role)
            else:
                old.set(role, column)
        old.keys = made.get("key", old.keys)
        old.values = made.get("value", old.values)
        old.drop(*self.filtered)
        for row, error in self.failed:
            old.fail(row, error)

    def _made(self) -> dict[str, Any]:
        """What was looked at, as columns and unions."""
        encoder = Encoder(self.old.schemas.place_of)
        touched: set[str] = set()
        for record in self.rows:
            if record is not None:
                touched.update(record.__dict__)
        envelope: dict[int, Column | None] = {}
        made: dict[str, Any] = {"envelope": envelope}
        if (topics := self._changed("topic", touched)) is not None:
            envelope[Role.TOPIC] = topic_column(topics)
        if (partitions := self._changed("partition", touched)) is not None:
            envelope[Role.PARTITION] = number_column(Kind.INT32, "partition", partitions)
        if (timestamps := self._changed("timestamp_ms", touched)) is not None:
            envelope[Role.TIMESTAMP] = number_column(Kind.INT64, "timestamp", timestamps)
        if (headers := self._changed("headers", touched)) is not None:
            envelope[Role.HEADERS] = header_column(encoder, headers)
        for side in ("key", "value"):
            values = self._changed(side, touched)
            schemas = self._changed(f"{side}_schema", touched)
            if values is not None or schemas is not None:
                values = self._all(side) if values is None else values
                schemas = self._all(f"{side}_schema") if schemas is None else schemas
                made[side] = self.old.union_of(values, schemas)
        return made

    def _changed(self, name: str, touched: set[str]) -> list[Any] | None:
        """An attribute of all new rows; ``None`` if it is that of the old ones."""
        if name not in touched:
            return None
        new = self._all(name)
        if name in self.reader.read:
            old = self.reader.values(name)
            if all(
                one is old[parent] and not isinstance(one, (dict, list)) for one, parent in zip(new, self.parents)
            ):
                return None
        return new

    def _all(self, name: str) -> list[Any]:
        try:
            return [record.__dict__[name] for record in self.rows]
        except (KeyError, AttributeError):
            old = self.reader.values(name)
        return [
            old[parent] if record is None or name not in record.__dict__ else record.__dict__[name]
            for parent, record in zip(self.parents, self.rows)
        ]

    def _find_failures(self) -> None:
        """Takes back the records that no batch can carry. What was made of one row fails as a whole."""
        refused: dict[int, BaseException] = {}
        for parent, record in zip(self.parents, self.rows):
            if record is not None and parent not in refused:
                alone = _Rebuilt(self.old, self.reader)
                alone.push(parent, record)
                try:
                    alone._made()
                except DataError as error:
                    refused[parent] = error
        parents, rows, moved = self.parents, self.rows, {}
        self.parents, self.rows = [], []
        added: list[tuple[int, BaseException]] = []
        for place, (parent, record) in enumerate(zip(parents, rows)):
            if parent not in refused:
                moved[place] = len(self.rows)
                self.parents.append(parent)
                self.rows.append(record)
            elif not self.parents or self.parents[-1] != parent:
                added.append((self.keep(parent), refused[parent]))
        # Rows that were dropped or have failed have no record that could be refused.
        self.filtered = [moved[place] for place in self.filtered]
        self.failed = [(moved[place], error) for place, error in self.failed] + added


def _number_children(table: Table, parents: Sequence[int]) -> None:
    """Says where each row came from, after rows have become several."""
    known = table.get(Role.ORIGIN)
    origins = list(parents) if known is None else [int(origin or 0) for origin in known.values()]
    children: list[int] = []
    for row, origin in enumerate(origins):
        # Rows of one origin stand together, since every stage keeps the order.
        children.append(children[-1] + 1 if row and origins[row - 1] == origin else 0)
    table.set(Role.ORIGIN, Column.numbers(Kind.INT32, origins))
    table.set(Role.CHILD, Column.numbers(Kind.INT32, children))


class _Field:
    """A field of a block: the column that has it, or the variants around it with the rest of its path."""

    def __init__(self, root: Column, above: Sequence[str], column: Column, schema: Schema | None, rest: Sequence[str]):
        self.root, self.above, self.column, self.schema, self.rest = root, above, column, schema, rest

    @staticmethod
    def find(column: Column, schema: Schema | None, path: Sequence[str]) -> _Field | None:
        column = root = column.written_out()
        for depth, name in enumerate(path):
            if column.kind == Kind.VARIANT:
                return _Field(root, path[:depth], column, schema, path[depth:])
            if column.kind not in (Kind.STRUCT, Kind.OBJECT):
                return None
            child = next((child for child in column.children if child.name == name), None)
            if child is None:
                return None
            column, schema = child.written_out(), schema.field_schemas.get(name) if schema else None
        return _Field(root, path, column, schema, ())

    def changed(self, value: Any, change: Callable[[Any], Any]) -> Any:
        if not self.rest:
            return change(value)
        inside = value
        for name in self.rest[:-1]:
            inside = inside.get(name) if isinstance(inside, dict) else None
        if isinstance(inside, dict) and inside.get(self.rest[-1]) is not None:
            inside[self.rest[-1]] = change(inside[self.rest[-1]])
        return value

    def put(self, made: Column) -> Column:
        column = _replaced(self.root, self.above, lambda _: made)
        assert column is not None, "the column was found at this path"
        return column


def _replaced(column: Column, path: Sequence[str], change: Callable[[Column], Column]) -> Column | None:
    """The column with what stands at the path changed; ``None`` if nothing stands there."""
    if not path:
        changed = change(column)
        if changed.rows != column.rows:
            raise ValueError(f"a column of {changed.rows} rows in the place of one of {column.rows}")
        # A member of a schemaless map stays absent where it was.
        same_shape = changed.constant == column.constant
        presence = column.presence if same_shape else column.written_out().presence
        return changed._with(name=column.name, presence=presence)
    if column.kind not in (Kind.STRUCT, Kind.OBJECT):
        return None
    for place, child in enumerate(column.children):
        if child.name == path[0]:
            inner = _replaced(child, path[1:], change)
            if inner is None:
                return None
            children = list(column.children)
            children[place] = inner
            return column._with(children=children)
    return None
