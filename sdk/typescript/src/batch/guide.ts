/**
 * What numbers without a schema were before a plugin saw them as plain numbers.
 *
 * A record that a transform has changed is written with the value before at its side: a number that stands where a number
 * stood has its type, as long as it fits. So what a plugin left as it was survives exactly.
 */

import type { Schema } from '../schema';
import { Decimal, isPlainObject, KIND_OF_TYPE, Struct, Typed, type Value } from '../values';
import type { Column } from './column';
import { decodeColumn, decodeRow, type Reading } from './decode';
import { Kind, Tag } from './layout';
import { variantTag, type VariantSource } from './variant';

/** For the values of a column that is being made, what stood in their places. */
export interface Guide {
  /** The kind of column that the value before would be in; -1 if there was none. */
  kindAt(row: number): number;
  /** The kind that {@link kindAt} has for every value before that is not null; -1 if that differs, or takes a look at each. */
  readonly uniform: number;
  /** The value before, exactly. */
  at(row: number): Value | undefined;
  /** The guide for members or fields of that name. */
  child(name: string): Guide | null;
  /** The guide for elements of lists, which have so many each; `side` 0 or 1 for the keys and values of maps. */
  elements(lengths: readonly number[], side: number): Guide | null;
  /** Names of members, in their order. */
  names(): readonly string[];
}

const KIND_OF_TAG: Record<number, number> = {
  [Tag.INT8]: Kind.INT8,
  [Tag.INT16]: Kind.INT16,
  [Tag.INT32]: Kind.INT32,
  [Tag.INT64]: Kind.INT64,
  [Tag.FLOAT32]: Kind.FLOAT32,
  [Tag.FLOAT64]: Kind.FLOAT64,
  [Tag.BIG_INTEGER]: Kind.BIG_INTEGER,
  [Tag.INSTANT]: Kind.INSTANT,
};

/** Rows of an older column. */
export class ColumnGuide implements Guide {
  constructor(
    readonly column: Column,
    /** Its schema, which structs inside it need. */
    readonly schema: Schema | null,
    /** Row of the older column for each new value, -1 for none; null for the same rows. */
    readonly rows: ArrayLike<number> | null,
    readonly source: VariantSource,
  ) {}

  get uniform(): number {
    const { kind } = this.column;
    return kind === Kind.VARIANT ? -1 : kind;
  }

  #row(row: number): number {
    const old = this.rows === null ? row : this.rows[row]!;
    return this.column.constant && old >= 0 ? 0 : old;
  }

  kindAt(row: number): number {
    const old = this.#row(row);
    const { column } = this;
    if (old < 0 || column.isNull(old)) return -1;
    if (column.kind !== Kind.VARIANT) return column.kind;
    return KIND_OF_TAG[variantTag(column.bytes(old))] ?? -1;
  }

  at(row: number): Value | undefined {
    const old = this.#row(row);
    return old < 0 ? undefined : decodeRow(this.column, this.schema, { source: this.source, exact: true }, old);
  }

  child(name: string): Guide | null {
    const { column } = this;
    if (column.kind === Kind.VARIANT) return this.#template().child(name);
    if (column.kind !== Kind.OBJECT && column.kind !== Kind.STRUCT) return null;
    const child = column.children.find((other) => other.name === name);
    if (child === undefined) return null;
    const rows = column.constant ? zeros(this.rows) : this.rows;
    return new ColumnGuide(child, this.schema?.field(name)?.schema ?? null, rows, this.source);
  }

  names(): readonly string[] {
    return this.column.kind === Kind.OBJECT ? this.column.children.map((child) => child.name) : [];
  }

  elements(lengths: readonly number[], side: number): Guide | null {
    const { column } = this;
    if (column.kind === Kind.VARIANT) return this.#template().elements(lengths, side);
    if (column.kind !== Kind.LIST && column.kind !== Kind.MAP) return null;
    const { offsets } = column;
    const rows: number[] = [];
    lengths.forEach((length, row) => {
      const old = this.#row(row);
      const begin = old < 0 ? 0 : offsets[old]!;
      const end = old < 0 ? 0 : offsets[old + 1]!;
      for (let at = 0; at < length; at++) rows.push(begin + at < end ? begin + at : -1);
    });
    const schema = side === 0 && column.kind === Kind.MAP ? this.schema?.keySchema : this.schema?.valueSchema;
    return new ColumnGuide(column.children[side] ?? column.children[0]!, schema ?? null, rows, this.source);
  }

  /** The older values, exactly. */
  #template(): Guide {
    const reading: Reading = { source: this.source, exact: true };
    if (this.rows === null) return new ValueGuide(decodeColumn(this.column, this.schema, reading) as Value[]);
    const values: (Value | undefined)[] = [];
    for (let row = 0; row < this.rows.length; row++) values.push(this.rows[row]! < 0 ? undefined : decodeRow(this.column, this.schema, reading, this.rows[row]!));
    return new ValueGuide(values);
  }
}

function zeros(rows: ArrayLike<number> | null): ArrayLike<number> | null {
  return rows === null ? null : Array.from(rows, (row) => (row < 0 ? -1 : 0));
}

/** Older values, read exactly. */
export class ValueGuide implements Guide {
  readonly uniform = -1;

  constructor(readonly values: readonly (Value | undefined)[]) {}

  kindAt(row: number): number {
    const value = this.values[row];
    if (value instanceof Typed) return KIND_OF_TYPE[value.type];
    if (typeof value === 'bigint') return Kind.INT64;
    if (value instanceof Date) return Kind.INSTANT;
    return value instanceof Decimal ? Kind.DECIMAL : -1;
  }

  at(row: number): Value | undefined {
    return this.values[row];
  }

  child(name: string): Guide {
    return new ValueGuide(
      this.values.map((value) => {
        if (value instanceof Struct || isPlainObject(value)) return Object.hasOwn(value, name) ? (value as Record<string, Value>)[name] : undefined;
        return value instanceof Map ? value.get(name) : undefined;
      }),
    );
  }

  names(): readonly string[] {
    return [];
  }

  elements(lengths: readonly number[], side: number): Guide {
    const values: (Value | undefined)[] = [];
    lengths.forEach((length, row) => {
      const value = this.values[row];
      const items = Array.isArray(value) ? value : value instanceof Map ? [...(side === 0 ? value.keys() : value.values())] : [];
      for (let at = 0; at < length; at++) values.push(items[at]);
    });
    return new ValueGuide(values);
  }
}
