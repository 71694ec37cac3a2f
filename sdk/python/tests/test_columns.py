"""Work on columns that the host does, against the harness; and the plugin's own metrics."""

import json
import unittest

from millstream import FatalError, Info, Record, RowTransform, component, table_of
from millstream.batch import Role, Table
from millstream.columns import (
    ColumnPredicate,
    ColumnTransform,
    HostTable,
    absent,
    choose,
    coalesce,
    concat,
    constant,
    of_numbers,
    of_texts,
    pack,
)
from millstream.component import describe
from millstream.metrics import Counter, Gauge, end_progress, report_progress
from millstream.running import Chain, Condition, Link, PredicateRun
from millstream.testing import Harness, applied, held


class Tidy(ColumnTransform):
    """Capitals for names, nothing that is for free."""

    info = Info("Tidy")

    def apply(self, table):
        table["value", "name"] = table["value", "name"].trim().upper()
        table.keep(table["value", "price"] > 0)


class Whole(ColumnTransform):
    """Prices as whole numbers, and the words of a text as records."""

    info = Info("Whole")

    def apply(self, table):
        made = table["value", "price"].cast("int64")
        table["value", "price"] = made.column
        table.fail(made.failed)


class Twice(ColumnTransform):
    info = Info("Twice")

    def apply(self, table):
        table.repeat([2] * len(table))


class Cheap(ColumnPredicate):
    info = Info("Cheap")

    def test(self, table):
        price = table["value", "price"]
        table.fail(choose(price == 13, "unlucky", absent()))
        return price < 10


class Stamp(RowTransform):
    info = Info("Stamp")

    def apply(self, record):
        record.topic = "stamped"
        return record


def records(*values):
    return [Record("t", value) for value in values]


class Mixed(unittest.TestCase):
    """A transform that works on columns beside others that do not."""

    def test_values_change_and_rows_go(self):
        values = {"name": " a ", "price": 1}, {"name": "b", "price": 0}, {"price": 2}
        left, failed = applied([Stamp, Tidy, Stamp], records(*values))
        self.assertEqual([record.value for record in left], [{"name": "A", "price": 1}, {"price": 2}])
        self.assertEqual((left[0].topic, failed), ("stamped", []))

    def test_rows_that_fail_are_named(self):
        values = {"price": "5"}, {"price": "x"}, {"price": "7"}
        left, failed = applied([Twice, Whole], records(*values))
        self.assertEqual([record.value["price"] for record in left], [5, 5, 7, 7])
        self.assertEqual([(error.row, error.error.kind) for error in failed], [(1, "data")])

    def test_rows_that_became_several_say_where_they_came_from(self):
        component(Twice, Stamp)
        with Harness():
            chain = Chain([Link("Stamp", {}), Link("Twice", {}), Link("Twice", {})])
            changed, _ = chain.apply(table_of(records({"a": 1}, {"a": 2})).write(), None)
        table = Table.open(changed)
        self.assertEqual(table.numbers(Role.ORIGIN), [0] * 4 + [1] * 4)
        self.assertEqual(table.numbers(Role.CHILD), [0, 1, 2, 3] * 2)

    def test_rows_that_are_not_meant_stay_as_they_are(self):
        values = {"name": "a", "price": 1}, {"name": "b", "price": 0}
        left, _ = applied(Tidy, records(*values), only=[False, True])
        self.assertEqual([record.value for record in left], [values[0]])

    def test_predicates(self):
        holds, failed = held(Cheap, records({"price": 5}, {"price": 20}, {"price": 13}, {}))
        self.assertEqual((holds, [(error.row, error.error.message) for error in failed]), ([True, False, False, False], [(2, "unlucky")]))


class Alone(unittest.TestCase):
    """Chains and predicates of which no bytes come into Python."""

    def setUp(self):
        component(Tidy, Whole, Cheap, Stamp)

    def test_a_description_says_so(self):
        plugins = {plugin["class"]: plugin for plugin in json.loads(describe())["plugins"]}
        self.assertEqual(plugins["Tidy"]["batches"], "columns")
        self.assertNotIn("batches", plugins["Stamp"])

    def test_a_chain_answers_by_the_host(self):
        with Harness() as harness:
            work = harness.column_work
            work.batch = table_of(records({"name": "a", "price": "3"}, {"name": "b", "price": "x"}, {"name": "c", "price": 20}))
            chain = Chain([Link("Whole", {}), Link("Tidy", {}, Condition("Cheap", {}))])
            self.assertEqual(chain.apply(b"", None), (None, []))
            values = [(row, record.value) for row, record in work.answered]
            self.assertEqual(values, [(0, {"name": "A", "price": 3}), (2, {"name": "c", "price": 20})])
            self.assertEqual([(link, row) for link, row, _ in work.failures], [(0, 1)])

    def test_a_predicate_answers_by_the_host(self):
        with Harness() as harness:
            harness.column_work.batch = table_of(records({"price": 5}, {"price": 13}))
            self.assertEqual(PredicateRun("Cheap", {}).test(b""), (b"", []))
            self.assertEqual(harness.column_work.verdict, [True, False])
            self.assertEqual([row for _, row, _ in harness.column_work.failures], [1])


class Operations(unittest.TestCase):
    def test_operators_make_columns(self):
        with Harness():
            numbers = of_numbers([1, None, 3])
            self.assertEqual((numbers + 1).numbers(), [2, None, 4])
            self.assertEqual((numbers * 2 - 1).numbers(), [1, None, 5])
            self.assertEqual(((numbers >= 1) & ~(numbers == 3)).booleans(), [True, None, False])
            self.assertEqual(((numbers != 1) | numbers.is_null()).booleans(), [False, None, True])
            self.assertEqual((numbers <= 1).booleans(), [True, None, False])
            self.assertEqual(coalesce(numbers, 7).numbers(), [1, 7, 3])
            self.assertEqual(len(numbers), 3)
            with self.assertRaisesRegex(TypeError, "not true or false"):
                bool(numbers == 1)

    def test_texts(self):
        with Harness():
            texts = of_texts([" Ab ", None])
            self.assertEqual(texts.trim().lower().texts(), ["ab", None])
            self.assertEqual(concat("<", texts.trim(), ">").texts(), ["<Ab>", None])
            self.assertEqual(texts.contains("A").booleans(), [True, None])
            self.assertEqual(texts.replace("(b)", "$1$1").texts(), [" Abb ", None])
            self.assertEqual(texts.trim().substring(1).texts(), ["b", None])
            self.assertEqual(constant("x").hash().texts()[0][:8], "2d711642")

    def test_a_table_is_made_in_poll(self):
        with Harness() as harness:
            table = HostTable.make(2)
            table["topic"] = "t"
            table["value"] = pack({"n": of_numbers([1, 2])})
            table["header", "h"] = "x"
            table["value", "n"] = table["value", "n"].cast("int64").column
            del table["header", "h"]
            table.rename(("value", "n"), "m")
            self.assertEqual(table.names("value"), ["m"])
            table.answer()
            found = [(record.topic, record.value) for _, record in harness.column_work.answered]
            self.assertEqual(found, [("t", {"m": 1}), ("t", {"m": 2})])

    def test_what_the_harness_cannot_do_is_said(self):
        with Harness() as harness, self.assertRaisesRegex(FatalError, "run the plugin in a worker"):
            harness.column_work("queried")


class Metrics(unittest.TestCase):
    def test_counters_gauges_and_progress(self):
        skipped = Counter("lines_skipped", "Lines that had no value")
        with Harness() as harness:
            skipped.add(2)
            skipped.add()
            Gauge("open_files").set(3)
            report_progress("orders", done=10, total=100, unit="rows")
            report_progress("customers", done=1, unit="rows")
            end_progress("customers")
            self.assertEqual(harness.metrics, {"lines_skipped": 3, "open_files": 3})
            self.assertEqual(harness.progress, {"orders": (10, 100, "rows")})
            for wrong in (lambda: Counter("a-b").add(), lambda: Counter("x_total").add(), lambda: skipped.add(-1)):
                with self.assertRaises(FatalError):
                    wrong()


if __name__ == "__main__":
    unittest.main()
