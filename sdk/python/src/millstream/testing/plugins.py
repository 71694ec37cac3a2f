"""Transforms, predicates and converters under test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .. import host as hosts
from ..batch import Table
from ..converting import ConverterRun
from ..errors import RowError
from ..plugins import ConverterRole, Plugin
from ..record import Record, records_of, table_of
from ..records import Records
from ..running import Chain, judge, made
from .harness import Harness



@contextmanager
def some_host() -> Iterator[None]:
    """A harness, where the test has entered none."""
    if hosts.is_there():
        yield
    else:
        with Harness():
            yield


TaskConfig = Mapping[str, str | None]
Linked = type[Plugin[Any]] | tuple[type[Plugin[Any]], TaskConfig]


def applied(
    transforms: Linked | Sequence[Linked], records: Iterable[Record], *, only: Sequence[object] | None = None
) -> tuple[list[Record], list[RowError]]:
    """Runs transforms over records, one after the other, as a component does.

    A transform is a class, or a class with its configuration. ``only`` has something true for each record that is meant.
    Returns the records that are left, and the failures with the numbers of the records that were passed in.
    """
    links = [transforms] if isinstance(transforms, (type, tuple)) else list(transforms)
    chain = Chain([])
    with some_host():
        for link in links:
            plugin, config = link if isinstance(link, tuple) else (link, {})
            chain.links.append((made(plugin, config), None, False))
        done = chain.run(_table(records), None if only is None else bytes(map(bool, only)))
    left = [record for _, record in records_of(Table.open(done.write()))]
    return left, [error for _, error in done.errors]


def held(predicate: Linked, records: Iterable[Record]) -> tuple[list[bool], list[RowError]]:
    """For which records a predicate holds, and which of them it could not judge."""
    plugin, config = predicate if isinstance(predicate, tuple) else (predicate, {})
    found = Records(_table(records))
    with some_host():
        return list(map(bool, judge(made(plugin, config), found))), [error for _, error in found.errors]


def converted(
    converter: Linked,
    records: Iterable[Record],
    *,
    to_connect: bool,
    role: ConverterRole = ConverterRole.VALUE,
) -> tuple[list[Record], list[RowError]]:
    """Runs a converter over records: bytes to data, or with ``to_connect=False`` data to bytes."""
    plugin, config = converter if isinstance(converter, tuple) else (converter, {})
    found = Records(_table(records))
    with some_host():
        run = ConverterRun.__new__(ConverterRun)
        run.role, run.converter = role, made(plugin, config, role=role)
        run.convert(found, to_connect)
    left = [record for _, record in records_of(Table.open(found.write()))]
    return left, [error for _, error in found.errors]


def _table(records: Iterable[Record]) -> Table:
    table = table_of(records)
    return Table.open((Table(0) if table is None else table).write())
