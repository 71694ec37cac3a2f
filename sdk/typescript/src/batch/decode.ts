/** Columns as values, all rows at once. */

import type { Schema } from '../schema';
import { setProperty, Typed, type NumberType, type Value, type ValueMap } from '../values';
import { getBit } from './bits';
import type { Column } from './column';
import { Kind } from './layout';
import { dateOf, readVariant, type VariantSource } from './variant';

/** How values are read. */
export interface Reading {
  /** Schemas that variants name. */
  source: VariantSource;
  /** Whether numbers say their type: see {@link readVariant}. */
  exact: boolean;
}

/** What stands for a map without the member. */
export const ABSENT: unique symbol = Symbol('absent');

/** The values of all rows. A member that a map does not have is {@link ABSENT}. */
export function decodeColumn(column: Column, schema: Schema | null, reading: Reading): (Value | typeof ABSENT)[] {
  const { rows } = column;
  if (column.constant) {
    const values = new Array<Value | typeof ABSENT>(rows);
    let value = decodeRows(column, schema, reading)[0]!;
    for (let row = 0; row < rows; row++) {
      // Values that can be changed must not be shared by rows.
      if (row > 0 && typeof value === 'object' && value !== null) value = decodeRows(column, schema, reading)[0]!;
      values[row] = value;
    }
    return values;
  }
  return decodeRows(column, schema, reading);
}

/** The value of one row. */
export function decodeRow(column: Column, schema: Schema | null, reading: Reading, row: number): Value {
  return decodeRows(column.take([column.constant ? 0 : row]), schema, reading)[0] as Value;
}

function decodeRows(column: Column, schema: Schema | null, reading: Reading): (Value | typeof ABSENT)[] {
  const values = decodeFull(column, schema, reading);
  const { valid, present } = column;
  if (valid !== null) for (let row = 0; row < values.length; row++) if (!getBit(valid, row)) values[row] = null;
  if (present !== null) for (let row = 0; row < values.length; row++) if (!getBit(present, row)) values[row] = ABSENT;
  return values;
}

const TYPES: Record<number, NumberType> = {
  [Kind.INT8]: 'INT8',
  [Kind.INT16]: 'INT16',
  [Kind.INT32]: 'INT32',
  [Kind.FLOAT32]: 'FLOAT32',
  [Kind.FLOAT64]: 'FLOAT64',
};

/** The values without regard to the column's own bitmaps. */
function decodeFull(column: Column, schema: Schema | null, reading: Reading): (Value | typeof ABSENT)[] {
  const rows = column.physicalRows;
  const values = new Array<Value | typeof ABSENT>(rows);
  switch (column.kind) {
    case Kind.NULL:
      return values.fill(null);
    case Kind.BOOL:
      for (let row = 0; row < rows; row++) values[row] = getBit(column.data, row);
      return values;
    case Kind.INT8:
    case Kind.INT16:
    case Kind.INT32:
    case Kind.FLOAT32:
    case Kind.FLOAT64: {
      const numbers = numbersOf(column);
      if (reading.exact && schema === null) {
        const type = TYPES[column.kind]!;
        for (let row = 0; row < rows; row++) values[row] = new Typed(type, numbers[row]!);
        return values;
      }
      for (let row = 0; row < rows; row++) values[row] = numbers[row]!;
      return values;
    }
    case Kind.INT64:
      if (reading.exact) {
        const numbers = column.typed(BigInt64Array);
        for (let row = 0; row < rows; row++) values[row] = numbers[row]!;
      } else decodeInt64s(column, values as Value[]);
      return values;
    case Kind.INSTANT:
      for (let row = 0; row < rows; row++) values[row] = dateOf(column.number(row));
      return values;
    case Kind.STRING:
    case Kind.DICTIONARY: {
      const texts = column.texts();
      for (let row = 0; row < rows; row++) values[row] = texts[row]!;
      return values;
    }
    case Kind.BYTES:
      for (let row = 0; row < rows; row++) values[row] = column.bytes(row).slice();
      return values;
    case Kind.DECIMAL:
      for (let row = 0; row < rows; row++) values[row] = column.isNull(row) ? null : column.decimal(row);
      return values;
    case Kind.LIST:
      return decodeLists(column, schema, reading, values as Value[]);
    case Kind.MAP:
      return decodeMaps(column, schema, reading, values as Value[]);
    case Kind.STRUCT:
    case Kind.OBJECT:
      return decodeObjects(column, schema, reading, values as Value[]);
    case Kind.VARIANT: {
      const names = column.children[0]!.texts();
      for (let row = 0; row < rows; row++) values[row] = column.isNull(row) ? null : readVariant(column.bytes(row), names, reading.source, reading.exact);
      return values;
    }
  }
  throw new RangeError(`a column has the unknown kind ${column.kind}`);
}

function numbersOf(column: Column): ArrayLike<number> {
  switch (column.kind) {
    case Kind.INT8:
      return column.typed(Int8Array);
    case Kind.INT16:
      return column.typed(Int16Array);
    case Kind.INT32:
      return column.typed(Int32Array);
    case Kind.FLOAT32:
      return column.typed(Float32Array);
    default:
      return column.typed(Float64Array);
  }
}

/** 64-bit integers as numbers where that is exact. */
function decodeInt64s(column: Column, values: Value[]): void {
  const numbers = column.typed(BigInt64Array);
  const halves = new Int32Array(numbers.buffer, numbers.byteOffset, values.length * 2);
  for (let row = 0; row < values.length; row++) {
    const high = halves[row * 2 + 1]!;
    const low = halves[row * 2]!;
    if (high === 0 && low >= 0) values[row] = low;
    else if (high >= -0x1fffff && high < 0x200000) values[row] = high * 0x100000000 + (low >>> 0);
    else values[row] = column.number(row);
  }
}

function decodeLists(column: Column, schema: Schema | null, reading: Reading, values: Value[]): Value[] {
  const elements = decodeColumn(column.children[0]!, schema?.valueSchema ?? null, reading) as Value[];
  const { offsets } = column;
  for (let row = 0; row < values.length; row++) values[row] = elements.slice(offsets[row], offsets[row + 1]);
  return values;
}

function decodeMaps(column: Column, schema: Schema | null, reading: Reading, values: Value[]): Value[] {
  const keys = decodeColumn(column.children[0]!, schema?.keySchema ?? null, reading) as Value[];
  const items = decodeColumn(column.children[1]!, schema?.valueSchema ?? null, reading) as Value[];
  const texts = schema?.keySchema?.type === 'STRING' && !schema.keySchema.optional;
  const { offsets } = column;
  for (let row = 0; row < values.length; row++) {
    const begin = offsets[row]!;
    const end = offsets[row + 1]!;
    if (texts && keys.slice(begin, end).every((key) => typeof key === 'string')) {
      const object: ValueMap = {};
      for (let at = begin; at < end; at++) setProperty(object, keys[at] as string, items[at]);
      values[row] = object;
    } else {
      const map = new Map<Value, Value>();
      for (let at = begin; at < end; at++) map.set(keys[at]!, items[at]!);
      values[row] = map;
    }
  }
  return values;
}

function decodeObjects(column: Column, schema: Schema | null, reading: Reading, values: Value[]): Value[] {
  const rows = values.length;
  for (let row = 0; row < rows; row++) values[row] = {};
  const fields = column.kind === Kind.STRUCT ? (schema?.fields ?? []) : null;
  column.children.forEach((child, at) => {
    const items = decodeColumn(child, fields === null ? null : (fields[at]?.schema ?? null), reading);
    const name = fields === null ? child.name : (fields[at]?.name ?? child.name);
    const whole = child.present === null && name !== '__proto__';
    if (whole) for (let row = 0; row < rows; row++) (values[row] as ValueMap)[name] = items[row] as Value;
    else {
      for (let row = 0; row < rows; row++) {
        const item = items[row]!;
        if (item !== ABSENT) setProperty(values[row] as object, name, item);
      }
    }
  });
  return values;
}
