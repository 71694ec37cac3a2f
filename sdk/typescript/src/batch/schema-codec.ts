/** Schemas as bytes, as they stand in a batch's schema table. */

import { DataError } from '../errors';
import { type Field, Schema, SCHEMA_TYPES } from '../schema';
import { decodeUtf8 } from '../utf8';
import { setProperty, type Value, type ValueMap } from '../values';
import { ByteWriter, viewOf } from './bytes';
import { MAX_SCHEMA_DEPTH } from './layout';
import { exactly, readVariant, VariantWriter } from './variant';

const OPTIONAL = 1;
const NAME = 2;
const VERSION = 4;
const DOC = 8;
const PARAMETERS = 16;
const DEFAULT = 32;

/** The bytes of a schema. */
export function schemaBytes(schema: Schema): Uint8Array {
  const writer = new ByteWriter(64);
  writeSchema(schema, writer, 0);
  return writer.finish().slice();
}

function writeSchema(schema: Schema, out: ByteWriter, depth: number): void {
  if (depth >= MAX_SCHEMA_DEPTH) throw new DataError(`a schema is nested deeper than ${MAX_SCHEMA_DEPTH} levels`);
  out.u8(SCHEMA_TYPES.indexOf(schema.type));
  const flag = (set: boolean, bit: number) => (set ? bit : 0);
  out.u8(
    flag(schema.optional, OPTIONAL) |
      flag(schema.name !== null, NAME) |
      flag(schema.version !== null, VERSION) |
      flag(schema.doc !== null, DOC) |
      flag(schema.parameters !== null, PARAMETERS) |
      flag(schema.default !== undefined, DEFAULT),
  );
  if (schema.name !== null) out.text(schema.name);
  if (schema.version !== null) out.u32(schema.version >>> 0);
  if (schema.doc !== null) out.text(schema.doc);
  if (schema.parameters !== null) {
    out.u32(schema.parameters.size);
    for (const [key, value] of schema.parameters) {
      out.text(key);
      out.text(value);
    }
  }
  if (schema.default !== undefined) {
    const value = new ByteWriter(32);
    new VariantWriter(value, null, null).write(exactly(schema.default, schema, true));
    out.u32(value.length);
    out.append(value.finish());
  }
  const inner = (part: Schema | null) => {
    out.u8(part === null ? 0 : 1);
    if (part !== null) writeSchema(part, out, depth + 1);
  };
  if (schema.type === 'ARRAY') inner(schema.valueSchema);
  if (schema.type === 'MAP') {
    inner(schema.keySchema);
    inner(schema.valueSchema);
  }
  if (schema.type === 'STRUCT') {
    out.u32(schema.fields.length);
    for (const field of schema.fields) {
      out.text(field.name);
      writeSchema(field.schema, out, depth + 1);
    }
  }
}

/** Reads a schema. Throws a RangeError if the bytes are none. */
export function readSchema(bytes: Uint8Array): Schema {
  const reader = new SchemaReader(bytes);
  const schema = reader.schema(0);
  if (reader.at !== bytes.length) throw new RangeError('bytes are left over behind a schema');
  return schema;
}

class SchemaReader {
  at = 0;
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = viewOf(bytes);
  }

  schema(depth: number): Schema {
    if (depth >= MAX_SCHEMA_DEPTH) throw new RangeError(`a schema is nested deeper than ${MAX_SCHEMA_DEPTH} levels`);
    const number = this.#u8();
    const type = SCHEMA_TYPES[number];
    const flags = this.#u8();
    if (type === undefined || flags > 63) throw new RangeError(`unknown schema type ${number}`);
    const name = (flags & NAME) !== 0 ? this.#text() : null;
    const version = (flags & VERSION) !== 0 ? this.#u32() | 0 : null;
    const doc = (flags & DOC) !== 0 ? this.#text() : null;
    let parameters: Map<string, string> | null = null;
    if ((flags & PARAMETERS) !== 0) {
      parameters = new Map();
      for (let left = this.#u32(); left > 0; left--) parameters.set(this.#text(), this.#text());
    }
    let slots: Uint8Array | null = null;
    if ((flags & DEFAULT) !== 0) slots = this.#take(this.#u32());
    const inner = () => (this.#u8() === 1 ? this.schema(depth + 1) : null);
    const keySchema = type === 'MAP' ? inner() : null;
    const valueSchema = type === 'MAP' || type === 'ARRAY' ? inner() : null;
    const fields: Field[] = [];
    if (type === 'STRUCT') for (let left = this.#u32(); left > 0; left--) fields.push({ name: this.#text(), schema: this.schema(depth + 1) });
    const schema = Schema.of(type, { optional: (flags & OPTIONAL) !== 0, name, version, doc, parameters, keySchema, valueSchema, fields });
    return slots === null ? schema : schema.with({ default: defaultOf(readVariant(slots, null, null, false), schema) });
  }

  #take(count: number): Uint8Array {
    if (this.at + count > this.bytes.length) throw new RangeError('a schema is cut off');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  #u8(): number {
    return this.#take(1)[0]!;
  }

  #u32(): number {
    this.#take(4);
    return this.#view.getUint32(this.at - 4, true);
  }

  #text(): string {
    return decodeUtf8(this.#take(this.#u32()));
  }
}

/** A default as its schema has it: a struct from its slots, numbers natural. */
function defaultOf(value: Value, schema: Schema): Value {
  if (value === null) return null;
  if (schema.type === 'STRUCT' && Array.isArray(value)) {
    const struct: ValueMap = {};
    schema.fields.forEach((field, at) => setProperty(struct, field.name, defaultOf((value as Value[])[at] ?? null, field.schema)));
    return struct;
  }
  if (schema.type === 'ARRAY' && Array.isArray(value)) return value.map((item) => (schema.valueSchema === null ? item : defaultOf(item, schema.valueSchema)));
  if (schema.type === 'MAP' && value instanceof Map) {
    return new Map([...value].map(([key, item]) => [key, schema.valueSchema === null ? item : defaultOf(item, schema.valueSchema)]));
  }
  return value;
}
