/** Connect's schemas. */

import { DataError } from './errors';
import type { Value } from './values';

/** Types of schemas. */
export type SchemaType =
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FLOAT32'
  | 'FLOAT64'
  | 'BOOLEAN'
  | 'STRING'
  | 'BYTES'
  | 'ARRAY'
  | 'MAP'
  | 'STRUCT';

/** In the order of their numbers in the batch format. */
export const SCHEMA_TYPES: readonly SchemaType[] = [
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FLOAT32',
  'FLOAT64',
  'BOOLEAN',
  'STRING',
  'BYTES',
  'ARRAY',
  'MAP',
  'STRUCT',
];

/** Names of the logical types, by which alone they are known. */
export const logicalNames = {
  decimal: 'org.apache.kafka.connect.data.Decimal',
  date: 'org.apache.kafka.connect.data.Date',
  time: 'org.apache.kafka.connect.data.Time',
  timestamp: 'org.apache.kafka.connect.data.Timestamp',
} as const;

/** A field of a struct. */
export interface Field {
  readonly name: string;
  readonly schema: Schema;
}

interface Attributes {
  type: SchemaType;
  optional: boolean;
  /** `undefined` for no default. */
  default: Value | undefined;
  name: string | null;
  version: number | null;
  doc: string | null;
  parameters: ReadonlyMap<string, string> | null;
  fields: readonly Field[];
  keySchema: Schema | null;
  valueSchema: Schema | null;
}

/** Anything that stands for a schema where one is built: a schema. */
type Fields = Readonly<Record<string, Schema>>;

/**
 * A schema with all its attributes. It never changes; functions that change something return another.
 *
 * ```ts
 * const order = Schema.struct({ id: Schema.int64, note: Schema.string.asOptional() }).named('org.example.Order');
 * ```
 */
export class Schema {
  readonly type: SchemaType;
  /** Whether null is allowed. */
  readonly optional: boolean;
  /** What null is read as; `undefined` for no default. */
  readonly default: Value | undefined;
  /** Name; logical types are known by it. */
  readonly name: string | null;
  readonly version: number | null;
  readonly doc: string | null;
  /** In the order they were set. */
  readonly parameters: ReadonlyMap<string, string> | null;
  /** Fields of a STRUCT, in order; none of other types. */
  readonly fields: readonly Field[];
  /** Of a MAP's keys; null where it is not known. */
  readonly keySchema: Schema | null;
  /** Of a MAP's values or an ARRAY's elements; null where it is not known. */
  readonly valueSchema: Schema | null;
  /** Its bytes in a batch, as a text, once they were made: equal schemas have equal ones. */
  encoded: string | null = null;
  #index: Map<string, Field> | null = null;

  private constructor(attributes: Attributes) {
    this.type = attributes.type;
    this.optional = attributes.optional;
    this.default = attributes.default;
    this.name = attributes.name;
    this.version = attributes.version;
    this.doc = attributes.doc;
    this.parameters = attributes.parameters;
    this.fields = attributes.fields;
    this.keySchema = attributes.keySchema;
    this.valueSchema = attributes.valueSchema;
  }

  /** A schema from its attributes; what is not said has its usual value. */
  static of(type: SchemaType, attributes: Partial<Omit<Attributes, 'type'>> = {}): Schema {
    const fields = attributes.fields ?? [];
    const names = new Set<string>();
    for (const { name } of fields) {
      if (name === '') throw new DataError('fieldName cannot be null.', { className: SCHEMA_BUILDER });
      if (names.has(name)) throw new DataError(`Cannot create field because of field name duplication ${name}`, { className: SCHEMA_BUILDER });
      names.add(name);
    }
    return new Schema({
      type,
      optional: attributes.optional ?? false,
      default: attributes.default,
      name: attributes.name ?? null,
      version: attributes.version ?? null,
      doc: attributes.doc ?? null,
      parameters: attributes.parameters ?? null,
      fields,
      keySchema: attributes.keySchema ?? null,
      valueSchema: attributes.valueSchema ?? null,
    });
  }

  static readonly int8 = Schema.of('INT8');
  static readonly int16 = Schema.of('INT16');
  static readonly int32 = Schema.of('INT32');
  static readonly int64 = Schema.of('INT64');
  static readonly float32 = Schema.of('FLOAT32');
  static readonly float64 = Schema.of('FLOAT64');
  static readonly boolean = Schema.of('BOOLEAN');
  static readonly string = Schema.of('STRING');
  static readonly bytes = Schema.of('BYTES');
  /** Days since the epoch; values are Dates. */
  static readonly date = Schema.of('INT32', { name: logicalNames.date, version: 1 });
  /** Milliseconds since midnight; values are Dates on 1970-01-01. */
  static readonly time = Schema.of('INT32', { name: logicalNames.time, version: 1 });
  /** Milliseconds since the epoch; values are Dates. */
  static readonly timestamp = Schema.of('INT64', { name: logicalNames.timestamp, version: 1 });

  /** Decimals with so many places. */
  static decimal(scale: number): Schema {
    return Schema.of('BYTES', { name: logicalNames.decimal, version: 1, parameters: new Map([['scale', String(scale)]]) });
  }

  /** Lists whose elements have this schema. */
  static array(elements: Schema | null): Schema {
    return Schema.of('ARRAY', { valueSchema: elements });
  }

  /** Maps whose keys and values have these schemas. */
  static map(keys: Schema | null, values: Schema | null): Schema {
    return Schema.of('MAP', { keySchema: keys, valueSchema: values });
  }

  /** Structs of these fields: an object, or a list where a name is none that an object keeps in order. */
  static struct(fields: Fields | readonly Field[]): Schema {
    const list = Array.isArray(fields) ? (fields as readonly Field[]) : Object.entries(fields as Fields).map(([name, schema]) => ({ name, schema }));
    return Schema.of('STRUCT', { fields: list });
  }

  /** The same schema with some attributes changed. */
  with(changes: Partial<Attributes>): Schema {
    const { type, optional, name, version, doc, parameters, fields, keySchema, valueSchema } = this;
    const { type: newType = type, ...rest } = changes;
    return Schema.of(newType, { optional, default: this.default, name, version, doc, parameters, fields, keySchema, valueSchema, ...rest });
  }

  /** The same schema, allowing null. */
  asOptional(): Schema {
    return this.optional ? this : this.with({ optional: true });
  }

  /** The same schema under a name. */
  named(name: string, version?: number): Schema {
    return this.with(version === undefined ? { name } : { name, version });
  }

  /** The same schema with this value in place of null. */
  withDefault(value: Value): Schema {
    return this.with({ default: value });
  }

  /** The same schema with a documentation text. */
  documented(doc: string): Schema {
    return this.with({ doc });
  }

  /** The same schema with one parameter more. */
  withParameter(key: string, value: string): Schema {
    return this.with({ parameters: new Map([...(this.parameters ?? []), [key, value]]) });
  }

  /** The same struct with a field more at its end, or with another schema for one that is there. */
  withField(name: string, schema: Schema): Schema {
    const there = this.field(name) !== undefined;
    const fields = there ? this.fields.map((field) => (field.name === name ? { name, schema } : field)) : [...this.fields, { name, schema }];
    return this.with({ fields });
  }

  /** The field of that name. */
  field(name: string): Field | undefined {
    this.#index ??= new Map(this.fields.map((field) => [field.name, field]));
    return this.#index.get(name);
  }

  /** Whether values are {@link Decimal}s. */
  get isDecimal(): boolean {
    return this.name === logicalNames.decimal;
  }

  /** Whether values are Dates. */
  get isInstant(): boolean {
    return this.name === logicalNames.date || this.name === logicalNames.time || this.name === logicalNames.timestamp;
  }

  /** As in Connect's messages: `Schema{INT32}`, `Schema{org.example.Order:STRUCT}`. */
  toString(): string {
    return this.name === null ? `Schema{${this.type}}` : `Schema{${this.name}:${this.type}}`;
  }
}

const SCHEMA_BUILDER = 'org.apache.kafka.connect.errors.SchemaBuilderException';
