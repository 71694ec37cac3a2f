"""A converter: maps as text of the form ``a=1;b=2``."""

from typing import Any

from millstream import DataError, Info, RowConverter, Schema, SchemaType, Subject, component, value_text


class PairsConverter(RowConverter):
    """Maps as `a=1;b=2`."""

    info = Info("org.example.PairsConverter", version="1")

    def to_connect(self, subject: Subject, data: bytes | None) -> tuple[Schema | None, Any]:
        if data is None:
            return None, None
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise DataError("read pairs") from error
        found = {}
        for pair in text.split(";"):
            key, equals, value = pair.partition("=")
            if pair and not equals:
                raise DataError(f"expected a pair with '=', found '{pair}'")
            if pair:
                found[key] = value
        return None, found

    def from_connect(self, subject: Subject, schema: Schema | None, value: Any) -> bytes | None:
        if value is None:
            return None
        if not isinstance(value, dict) or (schema is not None and schema.type is SchemaType.STRUCT):
            raise DataError(f"expected a map, found a {schema.type.name if schema else type(value).__name__}")
        return ";".join([f"{value_text(key)}={value_text(item)}" for key, item in value.items()]).encode()


Plugin = component(PairsConverter)
