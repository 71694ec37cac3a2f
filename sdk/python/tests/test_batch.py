"""The batch format: against the golden files of the host, and there and back."""

import datetime
import math
import struct
import unittest
from decimal import Decimal
from pathlib import Path

from millstream import DataError, FatalError, Record, Schema, records_of, table_of
from millstream.batch import Column, Kind, Role, Table, bits
from millstream.record import Header
from millstream.schema import (
    BOOLEAN,
    BYTES,
    DATE,
    FLOAT32,
    INT8,
    INT16,
    INT32,
    INT64,
    STRING,
    TIME,
    TIMESTAMP,
    array,
    decimal,
    mapping,
)
from millstream.schema import struct as struct_schema
from millstream.values import BigInteger, Entries, Float32, Instant, Int8, Int16, Int32, Struct

GOLDEN = Path(__file__).parents[3] / "host" / "record" / "tests" / "golden"
UTC = datetime.timezone.utc


def golden(name: str) -> Table:
    return Table.open((GOLDEN / f"{name}.batch").read_bytes())


def typed(value):
    """A value with the types of all that is in it, so that 1 differs from True and from Int32(1)."""
    if isinstance(value, dict):
        return type(value), [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    return type(value), str(value) if isinstance(value, (Decimal, float)) else value


class GoldenFiles(unittest.TestCase):
    def test_lines(self):
        table = golden("lines")
        self.assertEqual(table.topics(), ["lines"] * 3)
        self.assertEqual(table.value_values(), ["first", "", "drei: ä漢😀"])
        self.assertEqual(table.key_values(), [None] * 3)
        self.assertEqual(table.column_values(Role.SOURCE_PARTITION), [{"filename": "/in.txt"}] * 3)
        self.assertEqual(table.column_values(Role.SOURCE_OFFSET), [{"position": at} for at in (6, 7, 27)])

    def test_schemas(self):
        table = golden("schemas")
        first, tombstone, second, text = table.value_values()
        self.assertEqual(first["i16"], -300)
        self.assertIs(type(first["i8"]), int)
        self.assertEqual(first["decimal"], Decimal("3.00"))
        self.assertEqual(str(first["decimal"]), "3.00")
        self.assertEqual(first["date"], datetime.date(1970, 1, 2))
        self.assertEqual(first["timestamp"], datetime.datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC))
        self.assertEqual(first["inner"], {"x": 9})
        self.assertEqual((second["i64"], second["inner"], second["timestamp"]), (None, None, None))
        self.assertEqual((tombstone, text), (None, "other"))
        schema, none, same, optional = table.values.schemas(4)
        self.assertIs(schema, same)
        self.assertIsNone(none)
        self.assertEqual(optional, STRING.as_optional())
        note = schema.field("string")
        self.assertEqual((note.name, note.version, note.doc, note.default), ("org.example.Note", 7, "a note", "none"))
        self.assertEqual(note.parameters, (("unit", "piece"),))
        self.assertEqual(schema.field("decimal"), decimal(2))
        self.assertEqual(schema.field("map"), mapping(STRING, INT8))

    def test_shredded_maps(self):
        values = golden("shredded").value_values()
        self.assertEqual(values[0], {"id": 1, "name": "a", "in": {"deep": 5}, "tags": ["x"]})
        self.assertEqual(values[2], {"id": None, "name": None, "in": {}, "tags": None})
        self.assertEqual(values[3], {})

    def test_variants(self):
        values = golden("variants").value_values()
        self.assertEqual([type(value) for value in values[2:6]], [Int8, Int16, Int32, int])
        self.assertIs(type(values[6]), Float32)
        self.assertEqual(str(values[10]), "-1E+1")
        self.assertEqual(values[11], 1 << 64)
        self.assertEqual(values[14], {1: "one", None: "none"})
        self.assertIsInstance(values[16][0], Struct)
        self.assertEqual(values[16][0], {"n": 7})

    def test_the_envelope(self):
        table = golden("envelope")
        self.assertEqual(table.topics(), ["one", "two", "two", "one"])
        self.assertEqual(table.numbers(Role.TIMESTAMP), [1_700_000_000_000, None, -1, 0])
        self.assertEqual(list(table.selected_rows()), [0, 1, 2])
        keys = [(key, schema, value) for key, schema, value in table.headers()[0]]
        self.assertEqual(keys, [("trace", STRING, "abc"), ("trace", None, {"n": 1})])
        self.assertEqual(table.headers()[1], [])
        record = records_of(table)[1][1]
        self.assertEqual((record.kafka.original_topic, record.kafka.original_offset), ("before", 7))

    def test_what_was_read_is_written_as_it_was(self):
        for name in ("empty", "lines", "schemas", "shredded", "variants", "envelope"):
            with self.subTest(name):
                table = golden(name)
                again = Table.open(table.write())
                for side in ("key_values", "value_values"):
                    self.assertEqual(typed(getattr(again, side)()), typed(getattr(table, side)()))
                self.assertEqual(again.envelope.keys(), table.envelope.keys())
                for role, column in table.envelope.items():
                    other = again.envelope[role]
                    self.assertEqual((other.kind, bytes(other.data)), (column.kind, bytes(column.data)))
                self.assertEqual(again.schemas.entries, table.schemas.entries)


class ThereAndBack(unittest.TestCase):
    def back(self, values, schema=None):
        table = Table(len(values))
        table.values = table.union_of(values, schema)
        return Table.open(table.write()).value_values()

    def test_schemaless_values_keep_their_types(self):
        day = datetime.datetime(2024, 2, 29, 1, 2, 3, 4000, tzinfo=UTC)
        for values in (
            [None, None],
            [1, None, -(1 << 63)],
            [1 << 63, -5],
            [Int8(-1), Int8(3)],
            [Int16(1), Int32(1), 1, True, 1.0, Float32(1.0), BigInteger(1), Decimal("1.00")],
            ["a", "", None, "ü😀", "\0"],
            [b"", b"\xff", None],
            [True, False, None],
            [0.1, -0.0, None, 1e308],
            [Decimal("1E+3"), Decimal("-0.001"), Decimal(0), None, Decimal("123456789012345678901234567890.12")],
            [day, None],
            [Instant(1 << 60), Instant(-(1 << 60))],
            [{"a": 1}, {"b": None}, None, {}],
            [{"a": {"b": [1, {"c": "d"}]}}, {"a": None}],
            [{"b": 1}, {"a": 1, "b": 2}],
            [[1, 2], [], None],
            [[], [[]], [None]],
            [{1: "one", None: 2}, {"x": 1}],
            [Entries([([1], "a"), ([1], "b")])],
            [Entries([(Int32(1), "a"), (1, "b")])],
            [{f"k{n}": n for n in range(300)}],
            [Struct(struct_schema({"n": INT8}), {"n": 7}), 1],
        ):
            with self.subTest(values):
                self.assertEqual(typed(self.back(values)), typed(values))

    def test_any_text_can_be_the_name_of_a_field(self):
        names = ["a'b", 'c"d', "\\", "\n", "é", "class", "}: 1, {", "x" * 300]
        value = dict.fromkeys(names, 1)
        self.assertEqual(self.back([value, value]), [value, value])
        self.assertEqual(self.back([value], struct_schema(dict.fromkeys(names, INT8))), [value])
        wide = {f"f{n}": n % 100 for n in range(250)}
        self.assertEqual(self.back([wide], struct_schema(dict.fromkeys(wide, INT8))), [wide])

    def test_nan_stays(self):
        self.assertTrue(math.isnan(self.back([float("nan")])[0]))

    def test_values_with_a_schema(self):
        inner = struct_schema({"x": INT32, "y": STRING.as_optional()})
        schema = struct_schema(
            {
                "required": INT16,
                "inner": inner.as_optional(),
                "list": array(inner),
                "map": mapping(INT32, BYTES.as_optional()),
                "date": DATE,
                "time": TIME,
                "ts": TIMESTAMP.as_optional(),
                "dec": decimal(2),
                "f": FLOAT32,
                "b": BOOLEAN,
            }
        )
        row = {
            "required": -7,
            "inner": None,
            "list": [{"x": 1, "y": None}, {"x": 2, "y": "z"}],
            "map": {1: b"a", 2: None},
            "date": datetime.date(1, 1, 1),
            "time": datetime.time(23, 59, 59, 999000),
            "ts": None,
            "dec": Decimal("-1.50"),
            "f": 0.5,
            "b": True,
        }
        other = row | {"inner": {"x": 5, "y": "k"}, "list": [], "map": {}}
        self.assertEqual(typed(self.back([row, other, row], schema)), typed([row, other, row]))

    def test_a_struct_that_is_null_needs_no_required_fields(self):
        schema = struct_schema({"n": INT32, "in": struct_schema({"s": STRING})}).as_optional()
        values = [None, {"n": 1, "in": {"s": "x"}}, None, {"n": 2, "in": {"s": "y"}}]
        self.assertEqual(self.back(values, schema), values)
        self.assertEqual(self.back([None, None], schema), [None, None])

    def test_a_missing_value_becomes_the_default_and_a_missing_optional_one_null(self):
        schema = struct_schema({"d": INT32.with_default(5), "o": INT32.as_optional().with_default(6)})
        self.assertEqual(self.back([{}], schema), [{"d": 5, "o": None}])

    def test_a_decimal_gets_the_scale_of_its_schema_where_no_digit_is_lost(self):
        values = self.back([Decimal("1.5"), 2, Decimal("1.234")], decimal(2))
        self.assertEqual([str(value) for value in values], ["1.50", "2.00", "1.234"])

    def test_what_does_not_fit_is_named_with_its_field(self):
        schema = struct_schema({"a": struct_schema({"n": INT8}), "s": STRING})
        for value, field, words in (
            ({"a": {"n": 200}, "s": ""}, "a.n", "200 does not fit an INT8"),
            ({"a": {"n": "x"}, "s": ""}, "a.n", "expected INT8, found a str"),
            ({"a": {"n": True}, "s": ""}, "a.n", "expected INT8, found a bool"),
            ({"a": {}, "s": ""}, "a.n", "null in a place that requires a value of type INT8"),
            ({"a": {"n": 1}, "s": 5}, "s", "expected STRING, found a int"),
            ({"a": {"n": 1, "z": 1}, "s": ""}, "a", "STRUCT has no field z"),
            ({"a": 1, "s": ""}, "a", "expected STRUCT, found a int"),
        ):
            with self.subTest(value), self.assertRaises(DataError) as caught:
                self.back([value], schema)
            self.assertEqual((caught.exception.field, caught.exception.message), (field, words))

    def test_what_has_no_form_in_connect_is_refused(self):
        class Odd:
            pass

        deep = []
        for _ in range(1100):
            deep = [deep]
        endless = []
        endless.append(endless)
        for value in (Odd(), {1, 2}, Decimal("NaN"), datetime.datetime(2024, 1, 1), deep, endless, "\ud800", 1j):
            with self.subTest(str(type(value))), self.assertRaises(DataError):
                self.back([value, 1])

    def test_keys_of_every_row_keep_their_schemas(self):
        table = Table(5)
        schemas = [STRING, None, INT64, STRING, None]
        table.keys = table.union_of(["a", None, 5, "b", 1.5], schemas)
        again = Table.open(table.write())
        self.assertEqual(again.key_values(), ["a", None, 5, "b", 1.5])
        self.assertEqual(again.keys.schemas(5), schemas)

    def test_equal_schemas_are_one_schema_of_a_batch(self):
        table = Table(3)
        union = table.union_of([{"a": 1}, "x", {"a": 2}], [struct_schema({"a": INT8}), STRING, struct_schema({"a": INT8})])
        self.assertEqual((union.tags, len(union.blocks), len(table.schemas)), (b"\0\1\0", 2, 0))
        table.values = union
        self.assertEqual(len(Table.open(table.write()).schemas), 2)

    def test_too_many_schemas_in_a_batch_are_refused(self):
        schemas = [STRING.with_name(f"s{n}") for n in range(256)]
        with self.assertRaisesRegex(DataError, "more than 255 different schemas"):
            Table(256).union_of([""] * 256, schemas)

    def test_bytes_that_are_no_batch_are_refused(self):
        for data in (b"", b"MSB2" + bytes(28), b"MSB1" + bytes(28)):
            with self.assertRaises(FatalError):
                Table.open(data)


class Columns(unittest.TestCase):
    def test_bitmaps(self):
        flags = bytes([1, 0, 0, 1, 1, 0, 1, 0, 1])
        self.assertEqual(bits.pack(flags), b"\x59\x01")
        self.assertEqual(bits.unpack(bits.pack(flags), 9), flags)
        self.assertEqual(bits.pack([]), b"")
        self.assertTrue(bits.get(b"\x59\x01", 8))

    def test_a_constant_stands_for_all_rows_and_each_has_an_object_of_its_own(self):
        table = Table(3)
        column = table.union_of([{"a": [1]}], None).blocks[0].column.repeated(3)
        first, second, _ = column.values()
        self.assertEqual(first, second)
        self.assertIsNot(first, second)
        self.assertEqual(column.written_out().values(), column.values())
        self.assertEqual(column.take([0, 2]).rows, 2)

    def test_rows_can_be_taken_of_every_kind(self):
        rows = [2, 0, 0]
        samples = [
            [1, None, 3],
            ["a", None, "ccc"],
            [b"", b"x", None],
            [True, None, False],
            [Decimal("1.0"), None, Decimal("22")],
            [[1], [], [2, 3]],
            [{"a": 1}, {"b": None}, {}],
            [{1: 2}, {3: 4}, {}],
            [1, "x", None],
            [Float32(0.5), Float32(-1.0), None],
        ]
        for values in samples:
            with self.subTest(values):
                column = Table(3).union_of(values, None).blocks[0].column
                self.assertEqual(typed(column.take(rows).values()), typed([values[row] for row in rows]))

    def test_text_becomes_capitals_as_a_whole(self):
        for values in (["a", None, "bC"], ["ß", "ü", ""], [None], [], ["", ""]):
            column = Column.texts(values)
            expected = [None if value is None else value.upper() for value in values]
            self.assertEqual(column.upper().values(), expected)
        self.assertEqual(Column.constant_text(3, "aB").lower().values(), ["ab"] * 3)
        self.assertEqual(Column.nulls(2).upper().values(), [None, None])
        with self.assertRaises(DataError):
            Column.numbers(Kind.INT8, [1]).upper()

    def test_numbers_that_do_not_fit_are_refused(self):
        with self.assertRaises(struct.error):
            Column.numbers(Kind.INT8, [128])


class Records(unittest.TestCase):
    def test_records_come_out_as_they_went_in(self):
        schema = struct_schema({"n": INT32.as_optional(), "s": STRING.as_optional()})
        partition = {"file": "a"}
        records = [
            Record(
                "t",
                {"n": 1, "s": None},
                key=4,
                value_schema=schema,
                key_schema=INT8,
                partition=3,
                timestamp_ms=5,
                headers=[Header("h", "x"), Header("h", 1, INT8)],
                source_partition=partition,
                source_offset={"at": 1},
            ),
            Record("u"),
            Record("t", {"a": [1.5]}, key="k", source_partition=partition),
        ]
        table = table_of(records)
        again = [record for _, record in records_of(Table.open(table.write()))]
        self.assertEqual(again, records)
        self.assertEqual([type(header.value) for header in again[0].headers], [str, int])

    def test_a_record_that_no_batch_can_carry_is_named_by_its_number(self):
        with self.assertRaises(DataError) as caught:
            table_of([Record("t", 1), Record("t", {"deep": {"x": object()}})])
        self.assertEqual(caught.exception.field, "deep.x")
        self.assertTrue(caught.exception.message.startswith("record 1 of 2: a object has no form in Connect"))
        for bad, words in (
            (Record(5), "the topic of a record is text"),
            (Record("t", partition="x"), "the partition of a record is a whole number"),
            (Record("t", partition=1 << 31), "does not fit 32 bits"),
            (Record("t", headers=[("a", 1)]), "are Header objects"),
            (Record("t", source_offset=[1]), "the source offset of a record is a dict"),
            (Record("t", value_schema="STRING"), "the value_schema of a record is a Schema"),
            ("text", "is a str, not a Record"),
        ):
            with self.subTest(words), self.assertRaisesRegex(DataError, words):
                table_of([bad])

    def test_copies_have_values_of_their_own_whether_read_or_not(self):
        table = Table.open(table_of([Record("t", {"a": 1}), Record("t", {"a": 2})]).write())
        for _, record in records_of(table):
            for read in (False, True):
                before = dict(record.value) if read else None
                first, second = record.copy(topic="x"), record.copy()
                first.value["a"] = 5
                self.assertEqual(second.value, record.value)
                self.assertNotEqual(second.value, first.value)
                self.assertIn(before, (None, record.value))
                self.assertEqual((first.topic, second.topic), ("x", "t"))
        plain = Record("t", {"a": [1]})
        plain.copy().value["a"].append(2)
        self.assertEqual(plain.value, {"a": [1]})
        for one in (record, plain):
            with self.assertRaises(TypeError):
                one.copy(colour="red")

    def test_schemas_are_equal_by_what_they_say(self):
        self.assertEqual(struct_schema({"a": INT8}), struct_schema([("a", INT8)]))
        self.assertNotEqual(INT8, INT8.as_optional())
        for fields in ([("a", INT8), ("a", INT8)], {"": INT8}):
            with self.assertRaises(ValueError):
                struct_schema(fields)
        self.assertIsInstance(STRING, Schema)


if __name__ == "__main__":
    unittest.main()
