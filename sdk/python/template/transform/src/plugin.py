"""A transform that writes text in capitals."""

from typing import Any

from millstream import Config, DataError, Info, Record, RowTransform, component, string


class __TYPE__Config(Config):
    """What users configure."""

    field = string("field", default="", doc="The field of the value; the whole value if it is empty.")


class __TYPE__(RowTransform[__TYPE__Config]):
    """Capitals for text: in a field of the value, or in the whole value."""

    info = Info("__CLASS__", version="0.1.0")

    def apply(self, record: Record) -> Record:
        # What this raises is the failure of this record alone.
        field = self.config.field
        if not field:
            record.value = capitals(record.value)
        elif isinstance(record.value, dict) and record.value.get(field) is not None:
            try:
                record.value[field] = capitals(record.value[field])
            except DataError as error:
                raise error.in_field(field)
        return record


def capitals(value: Any) -> Any:
    """Text in capitals; null as it is."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"expected text, found a {type(value).__name__}")
    return value.upper()


Plugin = component(__TYPE__)
