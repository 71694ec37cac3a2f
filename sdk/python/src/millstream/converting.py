"""Converters at work, called with bytes and plain values."""

from __future__ import annotations

from typing import Any

from .batch import Encoder, Role, Table
from .component import find
from .errors import RowError
from .plugins import Converter, ConverterRole, RowConverter, Subject, bytes_of
from .records import Records
from .running import Entries, made


class ConverterRun:
    """A converter in a role."""

    def __init__(self, class_name: str, config: Entries, role: ConverterRole) -> None:
        self.role = role
        self.converter = made(find(class_name, (Converter, RowConverter)), config, role=role)

    def to_connect(self, data: bytes) -> tuple[bytes | None, list[RowError]]:
        """Bytes become data."""
        return self._run(data, True)

    def from_connect(self, data: bytes) -> tuple[bytes | None, list[RowError]]:
        """Data become bytes."""
        return self._run(data, False)

    def _run(self, data: bytes, to_connect: bool) -> tuple[bytes | None, list[RowError]]:
        records = Records(Table.open(data))
        self.convert(records, to_connect)
        return (records.write() if records.changed else None), [error for _, error in records.errors]

    def convert(self, records: Records, to_connect: bool) -> None:
        """Converts opened records."""
        converter = self.converter
        if isinstance(converter, Converter):
            (converter.to_connect if to_connect else converter.from_connect)(records)
        elif to_connect:
            _convert(records, self.role, lambda subject, _, value: converter.to_connect(subject, bytes_of(value)))
        else:

            def lower(subject: Subject, schema: Any, value: Any) -> tuple[None, bytes | None]:
                data = converter.from_connect(subject, schema, value)
                if not (data is None or isinstance(data, bytes)):
                    raise TypeError(f"from_connect returns bytes or None, not a {type(data).__name__}")
                return None, data

            _convert(records, self.role, lower)


def _convert(records: Records, role: ConverterRole, each: Any) -> None:
    topics = records.topics()
    encoder = Encoder(records.schemas.place_of)
    active = set(records.active_rows())
    failed: list[tuple[int, BaseException]] = []
    if role is ConverterRole.HEADER:
        if records.get(Role.HEADERS) is None:
            return
        headers = records.headers()
        for row, found in enumerate(headers):
            if row not in active:
                continue
            try:
                converted = []
                for key, schema, value in found:
                    schema, value = each(Subject(topics[row] or "", key), schema, value)
                    encoder.headers([[(key, schema, value)]])
                    converted.append((key, schema, value))
                headers[row] = converted
            except Exception as error:
                failed.append((row, error))
        records.set(Role.HEADERS, encoder.headers(headers))
    else:
        side = records.keys if role is ConverterRole.KEY else records.values
        values, schemas = side.values(records.rows, records.schemas), side.schemas(records.rows)
        for row in range(records.rows):
            if row not in active:
                # Rows that are not under way keep their places.
                values[row] = schemas[row] = None
                continue
            try:
                schemas[row], values[row] = each(Subject(topics[row] or ""), schemas[row], values[row])
            except Exception as error:
                failed.append((row, error))
                values[row] = schemas[row] = None
        union = _union(records, values, schemas, failed)
        if role is ConverterRole.KEY:
            records.keys = union
        else:
            records.values = union
    for row, reason in failed:
        records.fail(row, reason)


def _union(records: Records, values: list[Any], schemas: list[Any], failed: list[tuple[int, BaseException]]) -> Any:
    try:
        return records.union_of(values, schemas)
    except Exception:
        before = len(failed)
        for row in range(records.rows):
            try:
                records.union_of([values[row]], [schemas[row]])
            except Exception as error:
                failed.append((row, error))
                values[row] = schemas[row] = None
        if len(failed) == before:
            raise
        return records.union_of(values, schemas)
