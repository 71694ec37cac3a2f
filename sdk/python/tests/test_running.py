"""Chains, predicates and converters: what becomes of rows. And what becomes of exceptions."""

import unittest

from millstream import (
    Converter,
    ConverterRole,
    DataError,
    FatalError,
    Info,
    Predicate,
    Record,
    RetriableError,
    RowConverter,
    RowPredicate,
    RowTransform,
    Transform,
    component,
    records_of,
    table_of,
)
from millstream.batch import Column, Kind, Role, Table, bits
from millstream.errors import RowError, of_call, of_row
from millstream.record import Header
from millstream.converting import ConverterRun
from millstream.running import Chain, Condition, Link, LinkFailed
from millstream.schema import INT32, INT64, STRING, struct
from millstream.testing import applied, converted, held
from millstream.values import Int32


class Double(RowTransform):
    """Doubles numbers, drops zeros, makes three of a nine, and fails for text."""

    info = Info("Double")

    def apply(self, record):
        if record.value == 0:
            return None
        if record.value == 9:
            return [record.copy() for _ in range(3)]
        if not isinstance(record.value, int):
            raise DataError("no number")
        record.value *= 2
        return record


class Refuse(RowTransform):
    """Fails where the value is 9."""

    info = Info("Refuse")

    def apply(self, record):
        if record.value == 9:
            raise DataError("nine")
        return record


class IsEven(RowPredicate):
    """Holds for even numbers, fails for nulls."""

    info = Info("IsEven")

    def test(self, record):
        if record.value is None:
            raise DataError("cannot tell")
        return record.value % 2 == 0


class Nothing(Transform):
    info = Info("Nothing")

    def apply(self, records):
        pass


class Upper(Transform):
    """By columns."""

    info = Info("Upper")

    def apply(self, records):
        records.map_field(str.upper, "name")


def link(name, condition=None):
    return Link(name, {}, None if condition is None else Condition("IsEven", {}, condition))


def numbers(*values):
    return table_of([Record("t", value) for value in values]).write()


class Chains(unittest.TestCase):
    def setUp(self):
        component(Double, Refuse, IsEven, Nothing, Upper)

    def check(self, links, values, only, left, failed):
        chain = Chain(links)
        data = numbers(*values)
        changed, errors = chain.apply(data, None if only is None else bits.pack(bytes(only)))
        table = Table.open(data if changed is None else changed)
        self.assertEqual([record.value for _, record in records_of(table)], left)
        self.assertEqual([(number, error.row) for number, error in errors], failed)
        return table

    def test_links_run_one_after_the_other(self):
        self.check([link("Double"), link("Double")], [1, 0, 2], None, [4, 8], [])

    def test_a_row_that_fails_is_left_out_of_later_links_and_named_once(self):
        self.check([link("Double"), link("Double")], [1, "x", 2], None, [4, 8], [(0, 1)])

    def test_a_condition_limits_a_link_and_can_be_negated(self):
        self.check([link("Double", False)], [1, 2, 0], None, [1, 4], [])
        self.check([link("Double", True)], [1, 2, 0], None, [2, 2, 0], [])
        self.check([link("Double", True), link("Double", False)], [1, 3], None, [4, 12], [])

    def test_a_row_that_the_predicate_cannot_judge_fails_if_it_is_meant(self):
        self.check([link("Double", False)], [2, None], None, [4], [(0, 1)])
        self.check([link("Double", True)], [2, None], None, [2], [(0, 1)])
        self.check([link("Double", False)], [2, None], [1, 0], [4, None], [])

    def test_a_bitmap_limits_the_whole_chain(self):
        self.check([link("Double"), link("Double")], [1, 2, 3], [1, 0, 1], [4, 2, 12], [])
        self.check([link("Double")], [9, 5, "x", 2], [1, 0, 1, 1], [9, 9, 9, 5, 4], [(0, 2)])
        # Rows that became several are meant as the one was that they came from.
        self.check([link("Double"), link("Double")], [9, 1, 2], [1, 1, 0], [9] * 9 + [4, 2], [])

    def test_rows_that_became_several_say_where_they_came_from(self):
        table = self.check([link("Double")], [1, 9, 2], None, [2, 9, 9, 9, 4], [])
        self.assertEqual(table.numbers(Role.ORIGIN), [0, 1, 1, 1, 2])
        self.assertEqual(table.numbers(Role.CHILD), [0, 0, 1, 2, 0])

    def test_a_row_of_which_several_were_made_fails_as_a_whole(self):
        self.check([link("Double"), link("Refuse")], [1, 9, 3], None, [2, 6], [(1, 1)])

    def test_a_chain_that_changes_nothing_returns_nothing(self):
        self.assertEqual(Chain([link("Nothing")]).apply(numbers(1, 2), None), (None, []))

    def test_a_chain_names_the_link_that_cannot_be_made(self):
        with self.assertRaises(LinkFailed) as caught:
            Chain([link("Double"), link("Halve")])
        self.assertEqual(caught.exception.link, 1)
        words = "this component has no class Halve of the kind asked for"
        self.assertEqual(of_call(caught.exception.__cause__).message, words)


class Rows(unittest.TestCase):
    def test_what_is_not_looked_at_stays_as_it_is(self):
        class Retime(RowTransform):
            info = Info("Retime")

            def apply(self, record):
                record.timestamp_ms = 7
                return record

        table = table_of([Record("t", {"a": Int32(1)}, key=Int32(5)), Record("u", 1.5)])
        table.set(99, Column.numbers(Kind.INT8, [1, 2]))  # A role of a later version.
        component(Retime)
        changed, _ = Chain([link("Retime")]).apply(table.write(), None)
        again = Table.open(changed)
        self.assertEqual(again.numbers(Role.TIMESTAMP), [7, 7])
        self.assertEqual(again.numbers(99), [1, 2])
        self.assertIs(type(again.key_values()[0]), Int32)
        self.assertIs(type(again.value_values()[0]["a"]), Int32)
        before, after = Table.open(table.write()), again
        self.assertEqual(bytes(before.values.blocks[0].column.data), bytes(after.values.blocks[0].column.data))

    def test_a_row_that_changes_leaves_the_others_exact(self):
        class First(RowTransform):
            info = Info("First")

            def apply(self, record):
                if record.key == "first":
                    record.value = "changed"
                return record

        records = [Record("t", Int32(1), key="first"), Record("t", Int32(2)), Record("t", {"s": 1}, value_schema=struct({"s": INT32}))]
        left, failed = applied(First, records)
        self.assertEqual([record.value for record in left], ["changed", 2, {"s": 1}])
        self.assertIs(type(left[1].value), Int32)
        self.assertEqual((left[2].value_schema, failed), (struct({"s": INT32}), []))

    def test_everything_of_a_record_can_change(self):
        class All(RowTransform):
            info = Info("All")

            def apply(self, record):
                record.add_header("n", 1, INT64)
                record.headers = [header for header in record.headers if header.key != "old"]
                return record.copy(topic="new", partition=3, key=5, key_schema=INT32, value={"a": 1})

        records = [Record("t", 1, headers=[Header("old", "x")], source_offset={"at": 1}), Record("t")]
        left, _ = applied(All, records)
        expected = Record("new", {"a": 1}, 5, key_schema=INT32, partition=3, headers=[Header("n", 1, INT64)])
        self.assertEqual(left, [expected.copy(source_offset={"at": 1}), expected])

    def test_a_record_that_no_batch_can_carry_fails_alone(self):
        class Bad(RowTransform):
            info = Info("Bad")

            def apply(self, record):
                if record.value == "bad":
                    return [record.copy(), record.copy(value_schema=INT32)]
                if record.value == "set":
                    record.value = {"x": {1, 2}}
                if record.value == "drop":
                    return None
                if record.value == "many":
                    return [record, record.copy(value="more")]
                return record

        values = ["bad", "drop", "many", "set", "good"]
        left, failed = applied(Bad, [Record("t", value) for value in values])
        self.assertEqual([record.value for record in left], ["many", "more", "good"])
        self.assertEqual([(error.row, error.field) for error in failed], [(0, None), (3, "x")])
        self.assertEqual(failed[0].error.message, "expected INT32, found a str")

    def test_what_apply_must_not_return_is_named(self):
        for wrong, words in (("text", "not a str"), (5, "not a int"), ([5], "a int is among them")):

            class Wrong(RowTransform):
                info = Info("Wrong")

                def apply(self, record, wrong=wrong):
                    return wrong

            with self.subTest(words):
                _, failed = applied(Wrong, [Record("t")])
                self.assertIn(words, failed[0].error.message)

    def test_fields_are_changed_by_columns_in_whatever_form_they_are(self):
        class Upper(Transform):
            info = Info("Upper")

            def apply(self, records):
                records.map_field(str.upper, "in", "name")

        inner = struct({"name": STRING.as_optional(), "n": INT64})
        schema = struct({"in": inner.as_optional(), "id": INT64})
        records = [
            Record("t", {"in": {"name": "a", "n": 1}, "id": 1}, value_schema=schema),
            Record("t", {"in": None, "id": 2}, value_schema=schema),
            Record("t", {"in": {"name": "b"}}),
            Record("t", {"in": {}}),
            Record("t", {"in": 5}),
            Record("t", 7),
            Record("t", {"in": {"name": "c"}, 5: 6}),
            Record("t", None),
        ]
        left, failed = applied(Upper, records, only=[1] * 8)
        self.assertEqual(left[0].value, {"in": {"name": "A", "n": 1}, "id": 1})
        self.assertEqual([record.value for record in left[2:]], [
            {"in": {"name": "B"}}, {"in": {}}, {"in": 5}, 7, {"in": {"name": "C"}, 5: 6}, None,
        ])
        self.assertEqual(failed, [])
        _, failed = applied(Upper, [Record("t", {"in": {"name": 5}}), Record("t", {"in": {"name": "x"}})])
        self.assertEqual([(error.row, error.field) for error in failed], [(0, "in.name")])

    def test_a_whole_column_is_replaced_without_a_look_at_rows(self):
        class Zero(Transform):
            info = Info("Zero")

            def apply(self, records):
                records.replace_column(lambda old: Column.numbers(Kind.INT64, [0] * old.rows), "n")

        left, _ = applied(Zero, [Record("t", {"n": 5, "m": 6}), Record("t", {"m": 7})])
        self.assertEqual([record.value for record in left], [{"n": 0, "m": 6}, {"m": 7}])

    def test_a_cursor_walks_rows_and_reads_single_fields(self):
        seen = []

        class Walk(Transform):
            info = Info("Walk")

            def apply(self, records):
                for row in records.cursor():
                    seen.append((row.row, row.topic, row.get("a", "b"), row.get("x", default="none")))
                    if row.get("a", "b") == 2:
                        row.drop()
                    if row.value == 5:
                        row.fail(DataError("five"))

        values = [{"a": {"b": 1}}, {"a": {"b": 2}, "x": None}, 5]
        left, failed = applied(Walk, [Record("t", value) for value in values])
        self.assertEqual(seen, [(0, "t", 1, "none"), (1, "t", 2, None), (2, "t", None, "none")])
        self.assertEqual(([record.value for record in left], [error.row for error in failed]), ([values[0]], [2]))


class Predicates(unittest.TestCase):
    def test_rows_that_cannot_be_judged_are_named(self):
        holds, failed = held(IsEven, [Record("t", value) for value in (1, 2, None)])
        self.assertEqual((holds, [error.row for error in failed]), ([False, True, False], [2]))

    def test_predicates_by_columns(self):
        class Big(Predicate):
            info = Info("Big")

            def test(self, records):
                return [value is not None and value > 5 for value in records.value_values()]

        class Short(Predicate):
            info = Info("Short")

            def test(self, records):
                return []

        self.assertEqual(held(Big, [Record("t", 7), Record("t", 1)])[0], [True, False])
        with self.assertRaisesRegex(ValueError, "test returned 0 answers for 1 rows"):
            held(Short, [Record("t")])


class Converters(unittest.TestCase):
    class Reverse(RowConverter):
        info = Info("Reverse")

        def to_connect(self, subject, data):
            return (None, None) if data is None else (STRING, data.decode()[::-1])

        def from_connect(self, subject, schema, value):
            return value if value is None else f"{subject.topic}{subject.header or ''}{value}".encode()

    def test_keys_and_values(self):
        records = [Record("t", b"ab", key=b"x"), Record("t", None), Record("t", b"\xff"), Record("t", "text")]
        left, failed = converted(self.Reverse, records, to_connect=True)
        self.assertEqual([(one.value, one.value_schema, one.key) for one in left], [("ba", STRING, b"x"), (None, None, None)])
        self.assertEqual([error.row for error in failed], [2, 3])
        self.assertEqual(failed[1].error.message, "expected bytes to convert, found a str")
        left, _ = converted(self.Reverse, [Record("t", 5, key="k")], to_connect=False, role=ConverterRole.KEY)
        self.assertEqual((left[0].key, left[0].value), (b"tk", 5))

    def test_headers_keep_their_keys_and_order(self):
        headers = [Header("a", 1), Header("b", "x"), Header("a", None)]
        records = [Record("t", headers=headers), Record("t")]
        left, _ = converted(self.Reverse, records, to_connect=False, role=ConverterRole.HEADER)
        found = [(header.key, header.value) for header in left[0].headers]
        self.assertEqual(found, [("a", b"ta1"), ("b", b"tbx"), ("a", None)])
        self.assertEqual(left[1].headers, [])

    def test_converters_by_columns(self):
        class Fixed(Converter):
            info = Info("Fixed")

            def to_connect(self, records):
                records.values = records.union_of(["fixed"] * records.rows, STRING)

        component(Fixed)
        changed, failed = ConverterRun("Fixed", {}, ConverterRole.VALUE).to_connect(numbers(b"a", b"b"))
        self.assertEqual(Table.open(changed).value_values(), ["fixed", "fixed"])
        self.assertEqual(failed, [])


class Exceptions(unittest.TestCase):
    def caught(self, work, of=of_call):
        try:
            work()
        except BaseException as error:
            return of(error)

    def test_an_unexpected_exception_tells_where_the_author_was(self):
        def inner():
            return {}["name"]

        def outer():
            try:
                inner()
            except KeyError as error:
                raise ValueError("look up") from error

        error = self.caught(outer)
        self.assertIsInstance(error, FatalError)
        self.assertEqual((error.java_class, error.message), ("python.ValueError", "look up"))
        self.assertTrue(error.causes[0].startswith("at test_running.py:"), error.causes)
        self.assertIn("outer", error.causes[0])
        self.assertIn("python.KeyError: 'name'", error.causes)
        self.assertIsInstance(self.caught(outer, of_row), DataError)

    def test_what_a_plugin_reports_stays_what_it_is(self):
        def work():
            try:
                raise OSError("timed out")
            except OSError as error:
                raise RetriableError("connect to db", java_class="org.example.Own") from error

        error = self.caught(work)
        self.assertEqual((error.kind, error.message, error.java_class), ("retriable", "connect to db", "org.example.Own"))
        self.assertEqual(error.causes[0], "python.OSError: timed out")

    def test_endless_recursion_is_an_error(self):
        def work():
            work()

        error = self.caught(work)
        self.assertEqual(error.java_class, "python.RecursionError")
        self.assertLessEqual(len(error.causes), 21)
        self.assertIn("memory", self.caught(lambda: (_ for _ in ()).throw(MemoryError())).message)

    def test_the_field_of_an_error_is_that_of_its_row(self):
        error = DataError("not a number").in_field("zip").in_field("home.address").in_field("customer")
        self.assertEqual(RowError(3, error).field, "customer.`home.address`.zip")


if __name__ == "__main__":
    unittest.main()
