"""The converters: everything as text."""

from typing import Any

from kit import Actions, do_key, failure
from millstream import Config, DataError, Info, RowConverter, Schema, Subject, string
from millstream.schema import STRING
from show import show

_TEXT = STRING.as_optional()


class KitConverterConfig(Config):
    """The configuration of both."""

    prefix = string("prefix", default="")
    do = do_key()

    def ready(self) -> None:
        self.actions = Actions(self.do or "")
        self.actions.run_all("configure")


class KitConverter(RowConverter[KitConverterConfig]):
    """Of keys and values."""

    info = Info("org.millstream.kit.KitConverter", version="1.0.0", doc="Kit converter.")

    def to_connect(self, subject: Subject, data: bytes | None) -> tuple[Schema | None, Any]:
        self.config.actions.run_all("to-connect")
        if data is None:
            return _TEXT, None
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise DataError("not UTF-8") from error
        prefix = self.config.prefix
        if not text.startswith(prefix):
            raise DataError(f"expected the prefix {prefix}")
        return _TEXT, text.removeprefix(prefix)

    def from_connect(self, subject: Subject, schema: Schema | None, value: Any) -> bytes | None:
        self.config.actions.run_all("from-connect")
        if value is None:
            return None
        if value == "fail data":
            raise failure("data", "record")
        return f"{self.config.prefix}{show(value, schema)}".encode()


class KitHeaderConverter(KitConverter):
    """Of headers."""

    kind = "header_converter"
    info = Info("org.millstream.kit.KitHeaderConverter", version="1.0.0", doc="Kit converter.")
