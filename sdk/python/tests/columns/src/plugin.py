"""Plugins that have the host work on columns, for the scenarios beside: alone, and in chains with others."""

from millstream import Info, RowTransform, SourceConnector, SourceTask, component
from millstream.columns import (
    ColumnPredicate,
    ColumnTransform,
    HostTable,
    absent,
    choose,
    coalesce,
    concat,
    of_numbers,
    of_values,
    pack,
)
from millstream.metrics import Counter, Gauge, end_progress, report_progress

seen = Counter("seen", "Rows that were seen")
gauge = Gauge("rows_now")


class Tidy(ColumnTransform):
    info = Info("t.Tidy", version="1")

    def apply(self, table):
        seen.add(len(table))
        table["value", "name"] = table["value", "name"].trim().upper()
        table["header", "size"] = choose(table["value", "price"] > 1000, "large", "small")
        table.keep(table["value", "price"].is_present())


class Whole(ColumnTransform):
    info = Info("t.Whole", version="1")

    def apply(self, table):
        made = table["value", "price"].cast("int32")
        table["value", "price"] = made.column
        table.fail(made.failed)


class Cheap(ColumnPredicate):
    info = Info("t.Cheap", version="1")

    def test(self, table):
        price = table["value", "price"]
        table.fail(choose(price == 13, "unlucky", absent()))
        return price < 10


class Twice(ColumnTransform):
    info = Info("t.Twice", version="1")

    def apply(self, table):
        table.repeat([2] * len(table))


class Stamp(RowTransform):
    info = Info("t.Stamp", version="1")

    def apply(self, record):
        record.topic = "stamped"
        return record


class Numbers(ColumnTransform):
    info = Info("t.Numbers", version="1")

    def apply(self, table):
        n = table["value", "n"]
        table["value", "a"] = (n + 1) * 2
        table["value", "b"] = n.replaced([None if v is None else v * 10 for v in n.values()]).column
        table["value", "c"] = concat("<", n.cast("string").column, ">")
        table["value", "d"] = coalesce(n, 7)
        table["topic"] = "numbers"
        gauge.set(len(n))
class Task(SourceTask):
    def start(self):
        self.done = False
    def poll(self, limits):
        if self.done:
            return None
        self.done = True
        report_progress("all", done=1, total=2, unit="rows")
        table = HostTable.make(2)
        table["topic"] = "made"
        table["value"] = pack({"n": of_numbers([1, 2]).cast("int64").column}, "Made")
        table["source-partition"] = of_values([{"p": 1}, {"p": 1}]).column
        table["source-offset"] = of_values([{"o": 1}, {"o": 2}]).column
        table.answer()
        end_progress("all")
        return None


class Source(SourceConnector):
    info = Info("t.SourceConnector", version="1")
    task = Task


Plugin = component(Tidy, Whole, Cheap, Twice, Stamp, Numbers, Source)
