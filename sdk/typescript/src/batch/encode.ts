/** Values as columns, all rows at once. Data without a schema takes the shape of what is there. */

import { DataError, PluginError } from '../errors';
import type { Schema } from '../schema';
import { Decimal, bytesOfBigint, isPlainObject, KIND_OF_TYPE, type NumberType, Struct, Typed, type Value, type ValueMap } from '../values';
import { bytesFor, setBit } from './bits';
import { ByteWriter, viewOf } from './bytes';
import { Column, heapData, setNumber, textData } from './column';
import { ABSENT } from './decode';
import type { Guide } from './guide';
import { Kind, MAX_MEMBERS, MAX_NESTING, WIDTH } from './layout';
import { exactly, fits, instantOf, isInteger, nameOf, Names, type SchemaPlaces, VariantWriter } from './variant';

type Cell = Value | undefined | typeof ABSENT;

/** The kind of column that holds values of a schema. */
export function kindOfSchema(schema: Schema): number {
  if (schema.isDecimal) return Kind.DECIMAL;
  if (schema.isInstant) return Kind.INSTANT;
  return KIND_OF_SCHEMA_TYPE[schema.type];
}

const KIND_OF_SCHEMA_TYPE = {
  INT8: Kind.INT8,
  INT16: Kind.INT16,
  INT32: Kind.INT32,
  INT64: Kind.INT64,
  FLOAT32: Kind.FLOAT32,
  FLOAT64: Kind.FLOAT64,
  BOOLEAN: Kind.BOOL,
  STRING: Kind.STRING,
  BYTES: Kind.BYTES,
  ARRAY: Kind.LIST,
  MAP: Kind.MAP,
  STRUCT: Kind.STRUCT,
} as const;

const TYPE_OF_KIND: Record<number, NumberType> = {
  [Kind.INT8]: 'INT8',
  [Kind.INT16]: 'INT16',
  [Kind.INT32]: 'INT32',
  [Kind.INT64]: 'INT64',
  [Kind.FLOAT32]: 'FLOAT32',
  [Kind.FLOAT64]: 'FLOAT64',
  [Kind.BIG_INTEGER]: 'BIG_INTEGER',
};

/**
 * A column of these values. A value that does not fit its schema is written as it is, so that whoever reads it says so.
 *
 * Throws a DataError, with the path of the field, for what no batch can carry.
 */
export function encodeColumn(values: readonly Cell[], schema: Schema | null, guide: Guide | null, places: SchemaPlaces, depth = 0): Column {
  const bitmaps = bitmapsOf(values);
  const kind = schema === null ? sharedKind(values, guide) : kindOfSchema(schema);
  let column: Column | null = null;
  const nested = kind === Kind.LIST || kind === Kind.MAP || kind === Kind.STRUCT || kind === Kind.OBJECT;
  if (kind !== Kind.VARIANT && !(nested && depth >= MAX_NESTING)) column = encodeKind(kind, values, schema, guide, places, depth);
  column ??= encodeVariants(values, schema, guide, places);
  if (column.kind !== Kind.NULL) column.valid = bitmaps.valid;
  column.present = bitmaps.present;
  return column;
}

function isNone(value: Cell): boolean {
  return value === null || value === undefined || value === ABSENT;
}

function bitmapsOf(values: readonly Cell[]): { valid: Uint8Array | null; present: Uint8Array | null } {
  let valid: Uint8Array | null = null;
  let present: Uint8Array | null = null;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === null || value === undefined) setBit((valid ??= allSet(values.length)), row, false);
    else if (value === ABSENT) setBit((present ??= allSet(values.length)), row, false);
  }
  return { valid, present };
}

function allSet(rows: number): Uint8Array {
  const bits = new Uint8Array(bytesFor(rows)).fill(0xff);
  if ((rows & 7) !== 0) bits[bits.length - 1] = 0xff >> (8 - (rows & 7));
  return bits;
}

/** The kind that a value without a schema has by itself, or that the value before had. */
function kindOfValue(value: Value | undefined, guided: number): number {
  switch (typeof value) {
    case 'string':
      return Kind.STRING;
    case 'number': {
      const type = TYPE_OF_KIND[guided];
      if (type !== undefined && fits(value, type)) return guided;
      return isInteger(value) ? Kind.INT64 : Kind.FLOAT64;
    }
    case 'boolean':
      return Kind.BOOL;
    case 'bigint':
      return guided === Kind.BIG_INTEGER || BigInt.asIntN(64, value) !== value ? Kind.BIG_INTEGER : Kind.INT64;
  }
  if (Array.isArray(value)) return Kind.LIST;
  if (isPlainObject(value)) return Kind.OBJECT;
  if (value instanceof Uint8Array) return Kind.BYTES;
  if (value instanceof Date) return Kind.INSTANT;
  if (value instanceof Typed) return KIND_OF_TYPE[value.type];
  if (value instanceof Decimal) return Kind.DECIMAL;
  if (value instanceof Map) return hasTextKeys(value) ? Kind.OBJECT : Kind.MAP;
  if ((value as unknown) instanceof Struct) return Kind.STRUCT;
  throw new DataError(`a record cannot hold ${nameOf(value)}`);
}

function hasTextKeys(map: Map<Value, Value>): boolean {
  for (const key of map.keys()) if (typeof key !== 'string') return false;
  return true;
}

/** The kind that all values have, `VARIANT` if they have several, `NULL` if there is none. */
function sharedKind(values: readonly Cell[], guide: Guide | null): number {
  let shared: number = Kind.NULL;
  let first: string | null = null;
  const uniform = guide === null ? -1 : guide.uniform;
  const needsLook = guide !== null && uniform < 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === null || value === undefined || value === ABSENT) continue;
    const type = typeof value;
    // Texts and booleans have one kind each.
    if (type === first) continue;
    let kind: number;
    if (type === 'string') kind = Kind.STRING;
    // Small whole numbers, which are most.
    else if (type === 'number' && (uniform < 0 || uniform === Kind.INT64) && !needsLook && isSmall(value as number)) kind = Kind.INT64;
    else if (type === 'boolean') kind = Kind.BOOL;
    else kind = kindOfValue(value as Value, needsLook ? guide.kindAt(row) : uniform);
    if (shared === Kind.NULL) {
      shared = kind;
      if (type === 'string' || type === 'boolean') first = type;
    } else if (shared !== kind) {
      // A number that does not fit the type that was there before has it no more, though others may.
      return Kind.VARIANT;
    }
  }
  // Without a schema, structs, maps of other keys and big integers are variants.
  return shared === Kind.STRUCT || shared === Kind.MAP || shared === Kind.BIG_INTEGER ? Kind.VARIANT : shared;
}

/** The column of one kind; null if a value does not fit. */
function encodeKind(kind: number, values: readonly Cell[], schema: Schema | null, guide: Guide | null, places: SchemaPlaces, depth: number): Column | null {
  switch (kind) {
    case Kind.NULL:
      return Column.nulls(values.length);
    case Kind.BOOL:
      return encodeBooleans(values);
    case Kind.STRING:
      return encodeTexts(values);
    case Kind.BYTES:
      return encodeHeap(kind, values, (value) => (value instanceof Uint8Array ? value : null));
    case Kind.DECIMAL:
      return encodeHeap(kind, values, (value) => (value instanceof Decimal ? decimalBytes(value) : null));
    case Kind.LIST:
      return encodeLists(values, schema, guide, places, depth);
    case Kind.MAP:
      return encodeMaps(values, schema!, guide, places, depth);
    case Kind.STRUCT:
      return encodeStructs(values, schema!, guide, places, depth);
    case Kind.OBJECT:
      return encodeObjects(values, guide, places, depth);
    default:
      return encodeNumbers(kind, values);
  }
}

function encodeBooleans(values: readonly Cell[]): Column | null {
  const data = new Uint8Array(bytesFor(values.length));
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === true) setBit(data, row, true);
    else if (value !== false && !isNone(value)) return null;
  }
  return new Column(Kind.BOOL, values.length, data);
}

function encodeTexts(values: readonly Cell[]): Column | null {
  const texts = new Array<string>(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (typeof value === 'string') texts[row] = value;
    else if (isNone(value)) texts[row] = '';
    else return null;
  }
  return new Column(Kind.STRING, texts.length, textData(texts));
}

function encodeHeap(kind: number, values: readonly Cell[], bytesOf: (value: Cell) => Uint8Array | null): Column | null {
  const parts: Uint8Array[] = [];
  for (const value of values) {
    const bytes = isNone(value) ? NOTHING : bytesOf(value);
    if (bytes === null) return null;
    parts.push(bytes);
  }
  return new Column(kind, values.length, heapData(parts));
}

const NOTHING = new Uint8Array(0);

function decimalBytes(value: Decimal): Uint8Array {
  const unscaled = bytesOfBigint(value.unscaled);
  const bytes = new Uint8Array(unscaled.length + 4);
  viewOf(bytes).setInt32(0, value.scale, true);
  bytes.set(unscaled, 4);
  return bytes;
}

/** Whether a number is a whole one of 32 bits, and not -0. */
function isSmall(value: number): boolean {
  return (value | 0) === value && (value !== 0 || 1 / value > 0);
}

function encodeNumbers(kind: number, values: readonly Cell[]): Column | null {
  const width = WIDTH[kind]!;
  const data = new Uint8Array(values.length * width);
  const view = viewOf(data);
  const type = TYPE_OF_KIND[kind] ?? 'INSTANT';
  const halves = kind === Kind.INT64 ? new Int32Array(data.buffer) : null;
  const doubles = kind === Kind.FLOAT64 ? new Float64Array(data.buffer) : null;
  for (let row = 0; row < values.length; row++) {
    let value = values[row];
    if (typeof value === 'number') {
      // The two most usual kinds without detours.
      if (doubles !== null) {
        doubles[row] = value;
        continue;
      }
      if (halves !== null && isSmall(value)) {
        halves[row * 2] = value;
        if (value < 0) halves[row * 2 + 1] = -1;
        continue;
      }
    } else if (value === null || value === undefined || value === ABSENT) continue;
    if (value instanceof Typed) {
      if (value.type !== type) return null;
      value = value.value;
    } else if (kind === Kind.INSTANT) {
      if (!(value instanceof Date)) return null;
      value = instantOf(value);
    }
    if (kind === Kind.FLOAT32 ? typeof value !== 'number' : !((typeof value === 'number' || typeof value === 'bigint') && fits(value, type))) return null;
    setNumber(view, kind, row * width, value as number | bigint);
  }
  return new Column(kind, values.length, data);
}

function offsetsData(lengths: readonly number[]): Uint8Array {
  const offsets = new Uint32Array(lengths.length + 1);
  let end = 0;
  for (let row = 0; row < lengths.length; row++) offsets[row + 1] = end += lengths[row]!;
  return new Uint8Array(offsets.buffer);
}

function encodeLists(values: readonly Cell[], schema: Schema | null, guide: Guide | null, places: SchemaPlaces, depth: number): Column | null {
  const lengths: number[] = [];
  const elements: Cell[] = [];
  for (const value of values) {
    if (Array.isArray(value)) {
      for (let at = 0; at < value.length; at++) elements.push(value[at]);
      lengths.push(value.length);
    } else if (isNone(value)) lengths.push(0);
    else return null;
  }
  const child = encodeColumn(elements, schema?.valueSchema ?? null, guide?.elements(lengths, 0) ?? null, places, depth + 1);
  return new Column(Kind.LIST, values.length, offsetsData(lengths)).withChildren([child]);
}

function encodeMaps(values: readonly Cell[], schema: Schema, guide: Guide | null, places: SchemaPlaces, depth: number): Column | null {
  const lengths: number[] = [];
  const keys: Cell[] = [];
  const items: Cell[] = [];
  for (const value of values) {
    const before = keys.length;
    if (value instanceof Map) {
      for (const [key, item] of value) {
        keys.push(key);
        items.push(item);
      }
    } else if (isPlainObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        if (item === undefined) continue;
        keys.push(key);
        items.push(item);
      }
    } else if (!isNone(value)) return null;
    lengths.push(keys.length - before);
  }
  const children = [
    encodeColumn(keys, schema.keySchema, guide?.elements(lengths, 0) ?? null, places, depth + 1),
    encodeColumn(items, schema.valueSchema, guide?.elements(lengths, 1) ?? null, places, depth + 1),
  ];
  return new Column(Kind.MAP, values.length, offsetsData(lengths)).withChildren(children);
}

function encodeStructs(values: readonly Cell[], schema: Schema, guide: Guide | null, places: SchemaPlaces, depth: number): Column | null {
  const { fields } = schema;
  const cells = fields.map(() => new Array<Cell>(values.length).fill(null));
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === null || value === undefined || value === ABSENT) continue;
    if (!isPlainObject(value)) {
      const isSame = (value as unknown) instanceof Struct && places.place(Struct.schemaOf(value as unknown as Struct)) === places.place(schema);
      if (!isSame) return null;
    } else checkFields(value, schema);
    for (let at = 0; at < fields.length; at++) cells[at]![row] = (value as ValueMap)[fields[at]!.name] ?? null;
  }
  const children = fields.map(({ name, schema: own }, at) => encodeChild(name, () => encodeColumn(cells[at]!, own, guide?.child(name) ?? null, places, depth + 1)));
  return new Column(Kind.STRUCT, values.length, NOTHING).withChildren(children);
}

/** Refuses what would be lost: properties that the schema does not have. */
function checkFields(value: ValueMap, schema: Schema): void {
  const names = Object.keys(value);
  for (let at = 0; at < names.length; at++) {
    const name = names[at]!;
    // Mostly they stand in the schema's order.
    if (schema.fields[at]?.name === name || schema.field(name) !== undefined) continue;
    throw new DataError(`${schema} has no field ${JSON.stringify(name)}: add it to the schema (withField), or leave it out`).inField(name);
  }
}

/** Cells that rows may leave empty beside some for each member that they have; where there are more, variants are cheaper. */
const EMPTY_CELLS = 16_384;
const EMPTY_FOR_EACH = 32;

function encodeObjects(values: readonly Cell[], guide: Guide | null, places: SchemaPlaces, depth: number): Column | null {
  const names: string[] = [];
  const cells: Cell[][] = [];
  const index = new Map<string, number>();
  let filled = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === null || value === undefined || value === ABSENT) continue;
    const isMap = value instanceof Map;
    const keys = isMap ? ([...value.keys()] as string[]) : Object.keys(value as ValueMap);
    for (let at = 0; at < keys.length; at++) {
      const name = keys[at]!;
      const item = isMap ? value.get(name) : (value as ValueMap)[name];
      if (item === undefined) continue;
      // Mostly rows have the same members in the same order.
      let member = names[at] === name ? at : index.get(name);
      if (member === undefined) {
        if (names.length === MAX_MEMBERS) return null;
        member = names.length;
        names.push(name);
        index.set(name, member);
        cells.push(new Array<Cell>(values.length).fill(ABSENT));
      }
      cells[member]![row] = item;
      filled++;
    }
  }
  if (names.length * values.length - filled > EMPTY_CELLS + EMPTY_FOR_EACH * filled) return null;
  const members = names.map((name, at) => ({ name, cells: cells[at]! }));
  // Members keep the order that they had.
  const order = guide?.names() ?? [];
  if (order.length > 0) members.sort((a, b) => place(order, a.name) - place(order, b.name));
  const children = members.map(({ name, cells: own }) => encodeChild(name, () => encodeColumn(own, null, guide?.child(name) ?? null, places, depth + 1)));
  return new Column(Kind.OBJECT, values.length, NOTHING).withChildren(children);
}

function place(order: readonly string[], name: string): number {
  const at = order.indexOf(name);
  return at < 0 ? order.length : at;
}

function encodeChild(name: string, encode: () => Column): Column {
  try {
    return encode().named(name);
  } catch (error) {
    throw error instanceof PluginError ? error.inField(name) : error;
  }
}

function encodeVariants(values: readonly Cell[], schema: Schema | null, guide: Guide | null, places: SchemaPlaces): Column {
  const heap = new ByteWriter(values.length * 16);
  const names = new Names();
  const writer = new VariantWriter(heap, names, places);
  const offsets = new Uint32Array(values.length + 1);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (!isNone(value)) writer.write(retyped(exactly(value as Value, schema), guide?.at(row)));
    offsets[row + 1] = heap.length;
  }
  const data = new Uint8Array(offsets.byteLength + heap.length);
  data.set(new Uint8Array(offsets.buffer));
  data.set(heap.finish(), offsets.byteLength);
  return new Column(Kind.VARIANT, values.length, data).withChildren([Column.texts(names.list)]);
}

/** A value whose numbers have the types of those that stood in their places before. */
export function retyped(value: Value, before: Value | undefined): Value {
  if (before === undefined || before === null) return value;
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return before instanceof Typed && before.type !== 'INSTANT' && fits(value, before.type) ? new Typed(before.type, value) : value;
    case 'object':
      break;
    default:
      return value;
  }
  if (Array.isArray(value)) return Array.isArray(before) ? value.map((item, at) => retyped(item, before[at])) : value;
  if (value instanceof Map) {
    if (!(before instanceof Map)) return value;
    const old = [...before];
    return new Map([...value].map(([key, item], at) => [retyped(key, old[at]?.[0]), retyped(item, old[at]?.[1])]));
  }
  if (isPlainObject(value) && isPlainObject(before)) {
    return new Map(Object.entries(value).filter(([, item]) => item !== undefined).map(([name, item]) => [name, retyped(item, before[name])]));
  }
  return value;
}
