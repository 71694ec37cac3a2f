/**
 * Values of Connect's data model as values of JavaScript.
 *
 * | Connect | JavaScript |
 * |---|---|
 * | INT8, INT16, INT32, FLOAT32, FLOAT64 | number |
 * | INT64 | number where it is exact, else bigint |
 * | BOOLEAN, STRING, null | boolean, string, null |
 * | BYTES | Uint8Array |
 * | Decimal | {@link Decimal} |
 * | Date, Time, Timestamp, instants | Date |
 * | ARRAY | array |
 * | MAP with text keys | plain object |
 * | other MAPs | Map |
 * | STRUCT | plain object, beside its schema; {@link Struct} inside data that has no schema |
 * | big integers | bigint |
 *
 * Data without a schema has types of its own: a number there is INT64 if it is whole, else FLOAT64, unless the record had
 * another type at the same place, which then stays. {@link Typed} says it exactly.
 */

import { Kind } from './batch/layout';
import type { Schema } from './schema';

/** Any value. */
export type Value = null | boolean | number | bigint | string | Uint8Array | Date | Decimal | Typed | Struct | Value[] | Map<Value, Value> | ValueMap;

/** A map with text keys. */
export interface ValueMap {
  [name: string]: Value;
}

/** A 64-bit integer: a number where that is exact, else a bigint. */
export type Int64 = number | bigint;

/** A decimal number: `unscaled × 10^-scale`. */
export class Decimal {
  constructor(
    readonly unscaled: bigint,
    /** Decimal places; may be negative. */
    readonly scale: number,
  ) {}

  /** Reads `-12.50`. Throws a RangeError for anything else. */
  static parse(text: string): Decimal {
    const found = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text);
    if (found === null) throw new RangeError(`${JSON.stringify(text)} is no decimal number such as -12.50`);
    const decimals = found[3] ?? '';
    const digits = BigInt(found[2]! + decimals);
    return new Decimal(found[1] === '-' ? -digits : digits, decimals.length);
  }

  /** Plain digits, all of the scale's: `-12.50`. */
  toString(): string {
    const negative = this.unscaled < 0n;
    let digits = (negative ? -this.unscaled : this.unscaled).toString();
    if (this.scale <= 0) digits = this.unscaled === 0n ? '0' : digits + '0'.repeat(-this.scale);
    else {
      digits = digits.padStart(this.scale + 1, '0');
      digits = `${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`;
    }
    return negative ? `-${digits}` : digits;
  }

  /** The nearest number. */
  toNumber(): number {
    return Number(this.toString());
  }
}

/** Types that a number, a big integer or an instant without a schema can have. */
export type NumberType = 'INT8' | 'INT16' | 'INT32' | 'INT64' | 'FLOAT32' | 'FLOAT64' | 'BIG_INTEGER' | 'INSTANT';

/** A number whose type is said: for data without a schema. `new Typed('FLOAT64', 2)` is Java's `2.0`. */
export class Typed {
  constructor(
    readonly type: NumberType,
    /** Integers of 64 bits and more may be a bigint; an instant is in milliseconds. */
    readonly value: number | bigint,
  ) {}

  valueOf(): number | bigint {
    return this.value;
  }

  toString(): string {
    return valueText(this);
  }
}

/** A value of type FLOAT64 though it may be whole. */
export const float64 = (value: number): Typed => new Typed('FLOAT64', value);
/** A value of type FLOAT32. */
export const float32 = (value: number): Typed => new Typed('FLOAT32', value);
/** A value of type INT32. */
export const int32 = (value: number): Typed => new Typed('INT32', value);
/** A value of type INT16. */
export const int16 = (value: number): Typed => new Typed('INT16', value);
/** A value of type INT8. */
export const int8 = (value: number): Typed => new Typed('INT8', value);

const schemaOfStruct = Symbol('schema');

/** A struct inside data that has no schema of its own: its fields are properties. */
export class Struct {
  [field: string]: Value;

  constructor(schema: Schema, fields: ValueMap) {
    Object.defineProperty(this, schemaOfStruct, { value: schema });
    for (const field of schema.fields) setProperty(this, field.name, fields[field.name] ?? null);
  }

  /** The schema of a struct. */
  static schemaOf(struct: Struct): Schema {
    return (struct as unknown as Record<symbol, Schema>)[schemaOfStruct]!;
  }
}

/** Sets a property, be its name even `__proto__`. */
export function setProperty(object: object, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else (object as Record<string, unknown>)[name] = value;
}

/** Whether an object is a map with text keys: made by braces, or without a prototype. */
export function isPlainObject(value: unknown): value is ValueMap {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Two's complement, big-endian, as few bytes as it takes and at least one. */
export function bytesOfBigint(value: bigint): Uint8Array {
  let length = 1;
  while (BigInt.asIntN(length * 8, value) !== value) length = length < 16 ? length + 1 : length * 2;
  while (length > 1 && BigInt.asIntN((length - 1) * 8, value) === value) length--;
  const hex = BigInt.asUintN(length * 8, value).toString(16).padStart(length * 2, '0');
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = parseInt(hex.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

/** The number of big-endian two's complement of at least one byte. */
export function bigintOfBytes(bytes: Uint8Array): bigint {
  let hex = '0x';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return BigInt.asIntN(bytes.length * 8, BigInt(hex));
}

/** A bigint as a number where that is exact. */
export function narrowed(value: bigint): Int64 {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

/** What a value is in messages: the Java class that users of Connect know, as `java.lang.Long`. */
export function javaClass(value: unknown, schema: Schema | null | undefined = null): string {
  switch (typeof value) {
    case 'boolean':
      return 'java.lang.Boolean';
    case 'string':
      return 'java.lang.String';
    case 'number':
      if (schema) return JAVA_NUMBERS[schema.type] ?? 'java.lang.Double';
      return Number.isInteger(value) && !Object.is(value, -0) ? 'java.lang.Long' : 'java.lang.Double';
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? 'java.lang.Long' : 'java.math.BigInteger';
  }
  if (value === null || value === undefined) return 'null';
  if (value instanceof Uint8Array) return '[B';
  if (value instanceof Date) return 'java.util.Date';
  if (value instanceof Decimal) return 'java.math.BigDecimal';
  if (value instanceof Typed) return JAVA_NUMBERS[value.type]!;
  if (Array.isArray(value)) return 'java.util.ArrayList';
  if (value instanceof Struct || schema?.type === 'STRUCT') return 'org.apache.kafka.connect.data.Struct';
  if (value instanceof Map || isPlainObject(value)) return 'java.util.HashMap';
  return (value as object).constructor?.name ?? typeof value;
}

const JAVA_NUMBERS: Record<string, string> = {
  INT8: 'java.lang.Byte',
  INT16: 'java.lang.Short',
  INT32: 'java.lang.Integer',
  INT64: 'java.lang.Long',
  FLOAT32: 'java.lang.Float',
  FLOAT64: 'java.lang.Double',
  BIG_INTEGER: 'java.math.BigInteger',
  INSTANT: 'java.util.Date',
};

/**
 * A value as Java's `toString` shows it, as StringConverter and FileStreamSink write it: `1`, `1.0`, `{a=1}`, `[1, 2]`,
 * `Struct{a=1}` with set fields only. A schema tells `1` and `1.0`, maps and structs apart; without one a whole number is
 * an integer. Instants are written in the worker's time zone only by the host's own converters; here they are in UTC.
 */
export function valueText(value: unknown, schema: Schema | null | undefined = null): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number': {
      const type = schema?.type ?? (Number.isInteger(value) && !Object.is(value, -0) ? 'INT64' : 'FLOAT64');
      return type === 'FLOAT64' || type === 'FLOAT32' ? floatText(value, type === 'FLOAT32') : String(value);
    }
    case 'bigint':
    case 'boolean':
      return String(value);
  }
  if (value === null || value === undefined) return 'null';
  if (value instanceof Uint8Array) return '[B@0';
  if (value instanceof Date) return dateText(value);
  if (value instanceof Decimal) return decimalText(value);
  if (value instanceof Typed) {
    if (value.type === 'FLOAT32' || value.type === 'FLOAT64') return floatText(Number(value.value), value.type === 'FLOAT32');
    return value.type === 'INSTANT' ? dateText(new Date(Number(value.value))) : String(value.value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => valueText(item, schema?.valueSchema ?? null)).join(', ')}]`;
  const structSchema = value instanceof Struct ? Struct.schemaOf(value) : schema?.type === 'STRUCT' ? schema : null;
  if (structSchema !== null) {
    const fields = structSchema.fields.filter((field) => ((value as ValueMap)[field.name] ?? null) !== null);
    return `Struct{${fields.map((field) => `${field.name}=${valueText((value as ValueMap)[field.name], field.schema)}`).join(',')}}`;
  }
  const entries: Iterable<[unknown, unknown]> = value instanceof Map ? value.entries() : Object.entries(value as ValueMap);
  const texts: string[] = [];
  for (const [key, item] of entries) texts.push(`${valueText(key, schema?.keySchema ?? null)}=${valueText(item, schema?.valueSchema ?? null)}`);
  return `{${texts.join(', ')}}`;
}

/** `Double.toString` and `Float.toString`: `1.0`, `1.0E7`, `NaN`. */
function floatText(value: number, single: boolean): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa, power] = (single ? shortestFloat(Math.abs(value)) : Math.abs(value).toExponential()).split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const exponent = Number(power);
  const sign = value < 0 ? '-' : '';
  if (exponent < -3 || exponent >= 7) return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${exponent}`;
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}

/** The shortest text that reads back as the same 32-bit float. */
function shortestFloat(value: number): string {
  for (let places = 0; places < 9; places++) {
    const text = value.toExponential(places);
    if (Math.fround(Number(text)) === value) return places === 0 ? text : text.replace(/\.?0+e/, 'e');
  }
  return value.toExponential();
}

/** `BigDecimal.toString`: plain digits, or an exponent where the scale is negative or the number very small. */
function decimalText(value: Decimal): string {
  const negative = value.unscaled < 0n;
  const digits = (negative ? -value.unscaled : value.unscaled).toString();
  const exponent = digits.length - 1 - value.scale;
  if (value.scale >= 0 && exponent >= -6) return value.toString();
  const mantissa = digits.length === 1 ? digits : `${digits[0]}.${digits.slice(1)}`;
  const sign = negative ? '-' : '';
  return exponent === 0 ? `${sign}${mantissa}` : `${sign}${mantissa}E${exponent < 0 ? '' : '+'}${exponent}`;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `java.util.Date.toString` in UTC. */
function dateText(date: Date): string {
  const two = (number: number) => String(number).padStart(2, '0');
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${two(date.getUTCDate())} ${time} UTC ${date.getUTCFullYear()}`;
}

/** Kinds of columns that hold numbers of a type. */
export const KIND_OF_TYPE: Record<NumberType, number> = {
  INT8: Kind.INT8,
  INT16: Kind.INT16,
  INT32: Kind.INT32,
  INT64: Kind.INT64,
  FLOAT32: Kind.FLOAT32,
  FLOAT64: Kind.FLOAT64,
  BIG_INTEGER: Kind.BIG_INTEGER,
  INSTANT: Kind.INSTANT,
};
