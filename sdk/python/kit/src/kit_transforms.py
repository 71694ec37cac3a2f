"""The transforms and the predicate."""

from dataclasses import replace
from typing import Any

from kit import Actions, do_key, failure, own, panic_on_purpose
from millstream import (
    Config,
    DataError,
    Header,
    Info,
    Record,
    Records,
    RowPredicate,
    RowTransform,
    Transform,
    string,
)
from millstream.schema import INT32, INT64, STRING, SchemaType


def _info(name: str) -> Info:
    return Info(f"org.millstream.kit.{name}", version="1.0.0", doc="Kit transform.")


class _Acting(Config):
    def ready(self) -> None:
        self.actions = Actions(self.parsed["do"] or "")
        self.actions.run_all("configure")


class ActionsOnly(_Acting):
    """The configuration of those that have actions only."""

    do = do_key()


class Echo(RowTransform[ActionsOnly]):
    """Takes records apart and makes new ones of the parts."""

    info = _info("Echo")

    def apply(self, record: Record) -> Record:
        self.config.actions.run_all("apply")
        return Record(
            record.topic,
            record.value,
            record.key,
            value_schema=record.value_schema,
            key_schema=record.key_schema,
            partition=record.partition,
            timestamp_ms=record.timestamp_ms,
            headers=[Header(header.key, header.value, header.schema) for header in record.headers],
        )


class StampConfig(_Acting):
    """The configuration of Stamp."""

    topic = string("topic", required=True, non_empty=True)
    do = do_key()


class Stamp(Transform[StampConfig]):
    """Sends records to another topic, without a look at what is in them."""

    info = _info("Stamp")

    def apply(self, records: Records) -> None:
        self.config.actions.run_all("apply")
        records.set_topics(self.config.topic)


class SetFieldConfig(_Acting):
    """The configuration of SetField."""

    field = string("field", required=True, non_empty=True)
    value = string("value", default="set")
    do = do_key()


class SetField(RowTransform[SetFieldConfig]):
    """Sets a field of maps and structs."""

    info = _info("SetField")

    def apply(self, record: Record) -> Record:
        self.config.actions.run_all("apply")
        name, schema = self.config.field, record.value_schema
        if record.value is None:
            return record
        if not isinstance(record.value, dict):
            raise DataError("expected a map or a struct", field=name)
        if schema is not None and schema.type == SchemaType.STRUCT:
            known = schema.field_schemas.get(name)
            if known is None:
                record.value_schema = replace(schema, fields=(*schema.fields, (name, STRING.as_optional())))
            elif known.type != SchemaType.STRING:
                raise DataError(f"field {name} is no text", field=name)
        record.value[name] = self.config.value
        return record


class Split(RowTransform[ActionsOnly]):
    """Makes a record of each word."""

    info = _info("Split")

    def apply(self, record: Record) -> Any:
        self.config.actions.run_all("apply")
        if not isinstance(record.value, str):
            return record
        return [record.copy(value=word) for word in record.value.split(" ") if word]


class Odd(RowTransform[ActionsOnly]):
    """Does with a record what its value says."""

    info = _info("Odd")

    def apply(self, record: Record) -> Record | None:
        self.config.actions.run_all("apply")
        match record.value:
            case "drop":
                return None
            case "own":
                raise own()
            case "panic":
                panic_on_purpose()
            case "bad":
                record.value_schema = INT32
            case str(text) if text.startswith("fail "):
                raise failure(text.removeprefix("fail "), "record")
        return record


class Count(RowTransform[ActionsOnly]):
    """Numbers records."""

    info = _info("Count")

    def configure(self) -> None:
        self.next = 0

    def apply(self, record: Record) -> Record:
        self.config.actions.run_all("apply")
        record.add_header("count", self.next, INT64)
        self.next += 1
        return record


class HasTextConfig(_Acting):
    """The configuration of HasText."""

    text = string("text", required=True, non_empty=True)
    do = do_key()


class HasText(RowPredicate[HasTextConfig]):
    """Holds for values that contain a text."""

    info = Info("org.millstream.kit.HasText", version="1.0.0", doc="Kit predicate.")

    def test(self, record: Record) -> bool:
        self.config.actions.run_all("test")
        if record.value == "fail data":
            raise failure("data", "record")
        return isinstance(record.value, str) and self.config.text in record.value
