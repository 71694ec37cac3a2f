/** Self-describing values: what no column can hold. A value is a tag byte and its payload. */

import { DataError } from '../errors';
import type { Schema } from '../schema';
import { decodeUtf8, encodeUtf8 } from '../utf8';
import { bigintOfBytes, bytesOfBigint, Decimal, isPlainObject, type NumberType, setProperty, Struct, Typed, type Value, type ValueMap } from '../values';
import { type ByteWriter, int64At, setInt64, viewOf } from './bytes';
import { MAX_VARIANT_DEPTH, MAX_VARIANT_NAMES, NO_SCHEMA_16, Tag } from './layout';

/** Names that variants of one column refer to. */
export class Names {
  readonly list: string[] = [];
  readonly #ids = new Map<string, number>();

  /** The number of a name; `undefined` if there is no room for one more. */
  id(name: string): number | undefined {
    let id = this.#ids.get(name);
    if (id === undefined && this.list.length < MAX_VARIANT_NAMES) {
      id = this.list.length;
      this.list.push(name);
      this.#ids.set(name, id);
    }
    return id;
  }
}

/** What gives the place of a schema in a batch's table. */
export interface SchemaPlaces {
  place(schema: Schema): number;
}

/** Writes variants. */
export class VariantWriter {
  constructor(
    readonly out: ByteWriter,
    /** Where names stand; null has them all inline. */
    readonly names: Names | null,
    /** Where schemas of structs stand; null refuses structs. */
    readonly schemas: SchemaPlaces | null,
  ) {}

  /** Writes a value, whose numbers have the type that they say or have by themselves. */
  write(value: Value, depth = 0): void {
    const { out } = this;
    switch (typeof value) {
      case 'boolean':
        return out.u8(value ? Tag.TRUE : Tag.FALSE);
      case 'number':
        return isInteger(value) ? this.#int64(Tag.INT64, value) : this.#float64(value);
      case 'bigint':
        if (BigInt.asIntN(64, value) === value) return this.#int64(Tag.INT64, value);
        return this.#sized(Tag.BIG_INTEGER, bytesOfBigint(value));
      case 'string':
        return this.#sized(Tag.STRING, encodeUtf8(value));
    }
    if (value === null || value === undefined) return out.u8(Tag.NULL);
    if (value instanceof Typed) return this.#typed(value);
    if (value instanceof Uint8Array) return this.#sized(Tag.BYTES, value);
    if (value instanceof Date) return this.#int64(Tag.INSTANT, instantOf(value));
    if (value instanceof Decimal) {
      const unscaled = bytesOfBigint(value.unscaled);
      out.u8(Tag.DECIMAL);
      out.u32(unscaled.length + 4);
      out.u32(value.scale >>> 0);
      return out.append(unscaled);
    }
    if (depth >= MAX_VARIANT_DEPTH) throw new DataError(`the value is nested deeper than ${MAX_VARIANT_DEPTH} levels`);
    if (Array.isArray(value)) {
      const end = this.#open(Tag.LIST, value.length);
      for (const item of value) this.write(item, depth + 1);
      return this.#close(end);
    }
    if (value instanceof Struct) return this.#struct(value, depth);
    if (value instanceof Map) return this.#map(value, depth);
    if (isPlainObject(value)) return this.#object(value, depth);
    throw new DataError(`a record cannot hold ${nameOf(value)}`);
  }

  #int64(tag: number, value: number | bigint): void {
    this.out.u8(tag);
    const at = this.out.room(8);
    setInt64(this.out.view, at, value);
  }

  #float64(value: number): void {
    this.out.u8(Tag.FLOAT64);
    const at = this.out.room(8);
    this.out.view.setFloat64(at, value, true);
  }

  #typed(value: Typed): void {
    const { out } = this;
    const number = Number(value.value);
    switch (value.type) {
      case 'INT8':
        out.u8(Tag.INT8);
        return out.u8(number & 0xff);
      case 'INT16':
        out.u8(Tag.INT16);
        return out.u16(number & 0xffff);
      case 'INT32':
        out.u8(Tag.INT32);
        return out.u32(number >>> 0);
      case 'FLOAT32': {
        out.u8(Tag.FLOAT32);
        const at = out.room(4);
        return out.view.setFloat32(at, number, true);
      }
      case 'FLOAT64':
        return this.#float64(number);
      case 'INT64':
        return this.#int64(Tag.INT64, value.value);
      case 'INSTANT':
        return this.#int64(Tag.INSTANT, value.value);
      case 'BIG_INTEGER':
        return this.#sized(Tag.BIG_INTEGER, bytesOfBigint(BigInt(value.value)));
    }
  }

  #sized(tag: number, bytes: Uint8Array): void {
    this.out.u8(tag);
    this.out.u32(bytes.length);
    this.out.append(bytes);
  }

  #open(tag: number, count: number): number {
    this.out.u8(tag);
    const at = this.out.room(4);
    this.out.u32(count);
    return at;
  }

  /** Fills in the length of a container. */
  #close(at: number): void {
    this.out.view.setUint32(at, this.out.length - at - 4, true);
  }

  #name(name: string): void {
    const id = this.names?.id(name);
    if (id !== undefined) return this.out.u16(id);
    this.out.u16(NO_SCHEMA_16);
    this.out.text(name);
  }

  #object(value: ValueMap, depth: number): void {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    const end = this.#open(Tag.OBJECT, entries.length);
    for (const [name, item] of entries) {
      this.#name(name);
      this.write(item, depth + 1);
    }
    this.#close(end);
  }

  #map(value: Map<Value, Value>, depth: number): void {
    let texts = true;
    for (const key of value.keys()) texts &&= typeof key === 'string';
    const end = this.#open(texts ? Tag.OBJECT : Tag.MAP, value.size);
    for (const [key, item] of value) {
      if (texts) this.#name(key as string);
      else this.write(key, depth + 1);
      this.write(item, depth + 1);
    }
    this.#close(end);
  }

  #struct(value: Struct, depth: number): void {
    const schema = Struct.schemaOf(value);
    if (this.schemas === null) throw new DataError('a struct cannot stand in the default of a schema that does not say so');
    const place = this.schemas.place(schema);
    const end = this.#open(Tag.STRUCT, schema.fields.length);
    this.out.u16(place);
    for (const field of schema.fields) this.write(exactly(value[field.name] ?? null, field.schema), depth + 1);
    this.#close(end);
  }
}

/** Whether a number without a type counts as an integer of 64 bits. */
export function isInteger(value: number): boolean {
  return Number.isInteger(value) && value >= -0x8000000000000000 && value < 0x8000000000000000 && !(value === 0 && Object.is(value, -0));
}

/** What something that is no value of a record is called. */
export function nameOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return `a ${typeof value}`;
  const name = (value as object).constructor?.name;
  if (typeof (value as { then?: unknown }).then === 'function') return 'a Promise (functions of plugins are not async)';
  return name ? `a ${name}` : 'such an object';
}

/** Milliseconds of a Date. */
export function instantOf(value: Date): number {
  const ms = value.getTime();
  if (Number.isNaN(ms)) throw new DataError('an invalid Date stands for no moment');
  return ms;
}

/** A value with the types that its schema gives to numbers. Structs are {@link Struct}s, or the lists of their slots. */
export function exactly(value: Value, schema: Schema | null, slots = false): Value {
  if (schema === null || value === null || value === undefined) return value ?? null;
  switch (schema.type) {
    case 'INT8':
    case 'INT16':
    case 'INT32':
    case 'FLOAT32':
    case 'FLOAT64':
      return typeof value === 'number' && fits(value, schema.type) ? new Typed(schema.type, value) : value;
    case 'ARRAY':
      return Array.isArray(value) && schema.valueSchema !== null ? value.map((item) => exactly(item, schema.valueSchema, slots)) : value;
    case 'MAP': {
      const entries = value instanceof Map ? [...value] : isPlainObject(value) ? Object.entries(value) : null;
      if (entries === null) return value;
      return new Map(entries.map(([key, item]) => [exactly(key as Value, schema.keySchema, slots), exactly(item as Value, schema.valueSchema, slots)]));
    }
    case 'STRUCT':
      if (value instanceof Struct || !isPlainObject(value)) return value;
      if (slots) return schema.fields.map((field) => exactly(value[field.name] ?? null, field.schema, slots));
      return new Struct(schema, value);
    default:
      return value;
  }
}

/** Whether a number can be of a type without a change. */
export function fits(value: number | bigint, type: NumberType): boolean {
  if (typeof value === 'bigint') {
    if (type === 'BIG_INTEGER') return true;
    if (type === 'FLOAT32' || type === 'FLOAT64') return false;
    const bits = { INT8: 8, INT16: 16, INT32: 32, INT64: 64, INSTANT: 64 }[type];
    return BigInt.asIntN(bits, value) === value;
  }
  switch (type) {
    case 'INT8':
      return (value << 24) >> 24 === value && !Object.is(value, -0);
    case 'INT16':
      return (value << 16) >> 16 === value && !Object.is(value, -0);
    case 'INT32':
      return (value | 0) === value && !Object.is(value, -0);
    case 'INT64':
    case 'INSTANT':
      return isInteger(value);
    case 'FLOAT32':
      return Math.fround(value) === value || Number.isNaN(value);
    case 'FLOAT64':
      return true;
    case 'BIG_INTEGER':
      return Number.isInteger(value);
  }
}

/** Reads names and schemas that variants refer to. */
export interface VariantSource {
  schema(place: number): Schema;
}

/**
 * Reads a variant. With `exact`, numbers say their type: INT64 is a bigint, others are {@link Typed}. Without, they are
 * plain, except for what a plain value could not say.
 */
export function readVariant(bytes: Uint8Array, names: readonly string[] | null, source: VariantSource | null, exact: boolean): Value {
  return new VariantReader(bytes, names, source, exact).value();
}

/** The tag of a variant. */
export function variantTag(bytes: Uint8Array): number {
  return bytes[0]!;
}

class VariantReader {
  #at = 0;
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly names: readonly string[] | null,
    readonly source: VariantSource | null,
    readonly exact: boolean,
  ) {
    this.#view = viewOf(bytes);
  }

  value(): Value {
    const tag = this.bytes[this.#at++];
    const view = this.#view;
    const at = this.#at;
    switch (tag) {
      case Tag.NULL:
        return null;
      case Tag.FALSE:
        return false;
      case Tag.TRUE:
        return true;
      case Tag.INT8:
        return this.#number('INT8', view.getInt8(at), 1);
      case Tag.INT16:
        return this.#number('INT16', view.getInt16(at, true), 2);
      case Tag.INT32:
        return this.#number('INT32', view.getInt32(at, true), 4);
      case Tag.INT64:
        this.#at += 8;
        return this.exact ? view.getBigInt64(at, true) : int64At(view, at);
      case Tag.FLOAT32:
        return this.#number('FLOAT32', view.getFloat32(at, true), 4);
      case Tag.FLOAT64:
        return this.#number('FLOAT64', view.getFloat64(at, true), 8);
      case Tag.STRING:
        return decodeUtf8(this.#sized());
      case Tag.BYTES:
        return this.#sized().slice();
      case Tag.DECIMAL: {
        const sized = this.#sized();
        return new Decimal(bigintOfBytes(sized.subarray(4)), viewOf(sized).getInt32(0, true));
      }
      case Tag.BIG_INTEGER: {
        const value = bigintOfBytes(this.#sized());
        return this.exact ? new Typed('BIG_INTEGER', value) : value;
      }
      case Tag.INSTANT:
        this.#at += 8;
        return dateOf(int64At(view, at));
      case Tag.LIST:
        return this.#list();
      case Tag.MAP:
        return this.#map();
      case Tag.OBJECT:
        return this.#object();
      case Tag.STRUCT:
        return this.#struct();
    }
    throw new RangeError(`a variant has the unknown tag ${tag}`);
  }

  #number(type: NumberType, value: number, width: number): Value {
    this.#at += width;
    return this.exact ? new Typed(type, value) : value;
  }

  #u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }

  #u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  #sized(): Uint8Array {
    const length = this.#u32();
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  #count(): number {
    this.#at += 4;
    return this.#u32();
  }

  #list(): Value {
    const list: Value[] = [];
    for (let left = this.#count(); left > 0; left--) list.push(this.value());
    return list;
  }

  #map(): Value {
    const map = new Map<Value, Value>();
    for (let left = this.#count(); left > 0; left--) {
      const begin = this.#at;
      let key = this.value();
      // Keys that differ in their type alone are the same number here: the second one says its type.
      if (map.has(key)) key = new VariantReader(this.bytes.subarray(begin), this.names, this.source, true).value();
      map.set(key, this.value());
    }
    return map;
  }

  #object(): Value {
    const object: ValueMap = {};
    for (let left = this.#count(); left > 0; left--) {
      const id = this.#u16();
      const name = id === NO_SCHEMA_16 ? decodeUtf8(this.#sized()) : this.names![id]!;
      setProperty(object, name, this.value());
    }
    return object;
  }

  #struct(): Value {
    const count = this.#count();
    const schema = this.source!.schema(this.#u16());
    const fields: ValueMap = {};
    for (let at = 0; at < count; at++) setProperty(fields, schema.fields[at]!.name, this.value());
    return new Struct(schema, fields);
  }
}

/** A moment as a Date, or what is outside of what a Date can say as it is. */
export function dateOf(ms: number | bigint): Date | Typed {
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? new Typed('INSTANT', ms) : date;
}

