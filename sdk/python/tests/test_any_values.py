"""Batches of values made up by chance, from fixed seeds: what comes out is what went in, types included."""

import datetime
import random
import unittest
from decimal import Decimal

from millstream.batch import Column, Role, Table
from millstream.schema import (
    BOOLEAN,
    BYTES,
    DATE,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    STRING,
    TIMESTAMP,
    SchemaType,
    array,
    decimal,
    mapping,
    struct,
)
from millstream.values import EPOCH, BigInteger, Float32, Instant, Int8, Int16, Int32
from test_batch import typed

SCALARS = (INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES, decimal(2), DATE, TIMESTAMP)


class Made:
    """Values and schemas of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def text(self) -> str:
        return "".join(self.random.choices('abü😀\n\0"', k=self.random.randrange(5)))

    def several(self, make, most: int = 4) -> list:
        return [make() for _ in range(self.random.randrange(most))]

    def free(self, depth: int = 0):
        """A value without a schema."""
        chance = self.random
        scalars = (
            None,
            chance.random() < 0.5,
            chance.randrange(-(2**63), 2**63),
            chance.choice([0.5, -0.0, 1e300, float("inf"), Float32(0.25)]),
            self.text(),
            chance.randbytes(chance.randrange(4)),
            Decimal(chance.randrange(-(10**30), 10**30)).scaleb(chance.randrange(-12, 5)),
            chance.choice([Int8(-128), Int16(-300), Int32(7), BigInteger(3), 2**70, -(2**200)]),
            EPOCH + datetime.timedelta(milliseconds=chance.randrange(-(10**13), 10**14)),
            Instant(chance.choice([-(2**62), 2**62])),
        )
        kind = chance.randrange(len(scalars) + 4)
        if kind < len(scalars) or depth > 3:
            return scalars[kind % len(scalars)]
        if kind == len(scalars):
            return self.several(lambda: self.free(depth + 1))
        if kind == len(scalars) + 1:
            return {number: self.free(depth + 1) for number in range(chance.randrange(3))}
        name = self.text if kind == len(scalars) + 2 else lambda: chance.choice("abc")
        return {name(): self.free(depth + 1) for _ in range(chance.randrange(4))}

    def schema(self, depth: int = 0):
        kind = self.random.randrange(len(SCALARS) + 3)
        if kind < len(SCALARS) or depth > 3:
            made = SCALARS[kind % len(SCALARS)]
        elif kind == len(SCALARS):
            made = array(self.schema(depth + 1))
        elif kind == len(SCALARS) + 1:
            made = mapping(self.random.choice([STRING, INT32]), self.schema(depth + 1))
        else:
            made = struct({f"f{number}": self.schema(depth + 1) for number in range(self.random.randrange(5))})
        return made.as_optional(self.random.random() < 0.5)

    def fitting(self, schema):
        """A value with a schema."""
        chance = self.random
        if schema.optional and chance.random() < 0.3:
            return None
        if schema.logical:
            made = {
                DATE.name: lambda: datetime.date(2000, 1, 1) + datetime.timedelta(days=chance.randrange(9999)),
                TIMESTAMP.name: lambda: EPOCH + datetime.timedelta(milliseconds=chance.randrange(10**13)),
            }
            return made.get(schema.name, lambda: Decimal(chance.randrange(-(10**6), 10**6)).scaleb(-2))()
        if schema.type <= SchemaType.INT64:
            bits = (8 << schema.type) - 1
            return chance.randrange(-(2**bits), 2**bits)
        if schema.type == SchemaType.ARRAY:
            return self.several(lambda: self.fitting(schema.element))
        if schema.type == SchemaType.MAP:
            return {key: self.fitting(schema.element) for key in self.several(lambda: self.fitting(schema.key))}
        if schema.type == SchemaType.STRUCT:
            return {name: self.fitting(field) for name, field in schema.fields}
        others = {SchemaType.BOOLEAN: True, SchemaType.STRING: self.text(), SchemaType.BYTES: b"\0\xff"}
        return others.get(schema.type, chance.choice([0.5, -1.25]))


class AnyValues(unittest.TestCase):
    def test_what_comes_out_is_what_went_in(self):
        for seed in range(300):
            made = Made(seed)
            rows = made.random.randrange(1, 12)
            two = [made.random.choice([None, made.schema()]) for _ in range(2)]
            schemas = [made.random.choice(two) for _ in range(rows)]
            values = [made.free() if schema is None else made.fitting(schema) for schema in schemas]
            table = Table(rows)
            table.set(Role.TOPIC, Column.constant_text(rows, "t"))
            table.values = table.union_of(values, schemas)
            again = Table.open(table.write())
            with self.subTest(seed=seed):
                self.assertEqual(typed(again.value_values()), typed(values))
                if any(value is not None for value in values):
                    self.assertEqual(again.values.schemas(rows), schemas)
                picked = [made.random.randrange(rows) for _ in range(made.random.randrange(1, 8))]
                some = Table(len(picked))
                some.schemas, some.values = again.schemas, again.values.take(picked, rows)
                taken = Table.open(some.write()).value_values()
                self.assertEqual(typed(taken), typed([values[row] for row in picked]))


if __name__ == "__main__":
    unittest.main()
