"""The exported interface ``converter-api``."""

from typing import Any, Self

from millstream.converting import ConverterRun
from millstream.plugins import ConverterRole
from millstream_exports import called, outcome
from wit_world.exports import converter_api

_ROLES = {
    converter_api.Role.KEY: ConverterRole.KEY,
    converter_api.Role.VALUE: ConverterRole.VALUE,
    converter_api.Role.HEADER: ConverterRole.HEADER,
}


class Converter(converter_api.Converter):
    """A converter as the host holds it."""

    def __init__(self, converter: ConverterRun) -> None:
        self.converter = converter

    @classmethod
    def create(cls, class_: str, config: list[tuple[str, str | None]], role: converter_api.Role) -> Self:
        return cls(called(ConverterRun, class_, dict(config), _ROLES[role]))

    def to_connect(self, records: bytes) -> Any:
        changed, failed = called(self.converter.to_connect, records)
        return outcome(changed, [(0, error) for error in failed])

    def from_connect(self, records: bytes) -> Any:
        changed, failed = called(self.converter.from_connect, records)
        return outcome(changed, [(0, error) for error in failed])
