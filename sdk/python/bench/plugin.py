"""The same transform on every level: capitals for the field `itemid` of the orders of the connector Datagen."""

from millstream import Info, Record, Records, RowTransform, Transform, component
from millstream.batch import Column


class ByRecord(RowTransform):
    """Record by record, with the value as a dict."""

    info = Info("bench.ByRecord", version="1")

    def apply(self, record: Record) -> Record:
        record.value["itemid"] = record.value["itemid"].upper()
        return record


class ByTopic(RowTransform):
    """Record by record, without a look at the value."""

    info = Info("bench.ByTopic", version="1")

    def apply(self, record: Record) -> Record:
        record.topic = record.topic.upper()
        return record


class ByField(Transform):
    """The values of one field, each by itself."""

    info = Info("bench.ByField", version="1")

    def apply(self, records: Records) -> None:
        records.map_field(str.upper, "itemid")


class ByColumn(Transform):
    """The column as a whole."""

    info = Info("bench.ByColumn", version="1")

    def apply(self, records: Records) -> None:
        records.replace_column(Column.upper, "itemid")


class Nothing(Transform):
    """Opens the batch and leaves it as it is."""

    info = Info("bench.Nothing", version="1")

    def apply(self, records: Records) -> None:
        pass


Plugin = component(ByRecord, ByTopic, ByField, ByColumn, Nothing)
