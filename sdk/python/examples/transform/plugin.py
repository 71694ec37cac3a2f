"""Transforms: one that changes records, one that makes several of one, and one that works on whole columns."""

from collections.abc import Iterable

from millstream import Config, DataError, Info, Record, Records, RowTransform, Transform, component, string


class Shout(RowTransform):
    """Capitals for text; nulls are dropped."""

    info = Info("org.example.Shout", version="1")

    def apply(self, record: Record) -> Record | None:
        if record.value is None:
            return None
        if not isinstance(record.value, str):
            raise DataError(f"expected text, found a {type(record.value).__name__}")
        record.value = record.value.upper()
        return record


class SplitWords(RowTransform):
    """A record for each word."""

    info = Info("org.example.SplitWords", version="1")

    def apply(self, record: Record) -> Record | Iterable[Record]:
        if not isinstance(record.value, str):
            return record
        return [record.copy(value=word) for word in record.value.split()]


class RetopicConfig(Config):
    """The configuration of Retopic."""

    topic = string("topic", required=True, non_empty=True, doc="The topic.")


class Retopic(Transform[RetopicConfig]):
    """One topic for all."""

    info = Info("org.example.Retopic", version="1")

    def apply(self, records: Records) -> None:
        # Rows need not be looked at: the column of topics is replaced. Where a predicate limits the transform, the other
        # rows keep their topics.
        records.set_topics(self.config.topic)


Plugin = component(Shout, SplitWords, Retopic)
