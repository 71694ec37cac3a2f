"""A converter: structs and maps as text of the form ``a=1;b=2``."""

from typing import Any

from millstream import Config, DataError, Info, RowConverter, Schema, Subject, component, string, value_text


class __TYPE__Config(Config):
    """What users configure."""

    separator = string("separator", default=";", non_empty=True, doc="What stands between two pairs.")


class __TYPE__(RowConverter[__TYPE__Config]):
    """Structs and maps as `a=1;b=2`."""

    info = Info("__CLASS__", version="0.1.0")

    def to_connect(self, subject: Subject, data: bytes | None) -> tuple[Schema | None, Any]:
        if data is None:
            return None, None
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise DataError("read pairs") from error
        found = {}
        for pair in filter(None, text.split(self.config.separator)):
            key, equals, value = pair.partition("=")
            if not equals:
                raise DataError(f"expected a pair with '=', found '{pair}'")
            found[key] = value
        return None, found

    def from_connect(self, subject: Subject, schema: Schema | None, value: Any) -> bytes | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise DataError(f"expected a struct or a map, found a {type(value).__name__}")
        # Fields that a struct does not have set are null.
        names = [name for name, _ in schema.fields] if schema is not None and schema.fields else list(value)
        pairs = [f"{value_text(name)}={value_text(value.get(name))}" for name in names]
        return self.config.separator.join(pairs).encode()


Plugin = component(__TYPE__)
