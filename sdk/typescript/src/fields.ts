/** Fields of keys and values as columns: reading and changing them without a look at anything else. */

import type { Batch, Block, Side } from './batch/batch';
import { bitsWhere } from './batch/bits';
import { Column } from './batch/column';
import { ABSENT, decodeColumn, decodeRow } from './batch/decode';
import { encodeColumn } from './batch/encode';
import { ColumnGuide } from './batch/guide';
import { Kind } from './batch/layout';
import type { Records } from './records';
import type { Schema } from './schema';
import { isPlainObject, setProperty, Struct, type Int64, type Value, type ValueMap } from './values';

/** Where a path leads in a block: a column, or a column of variants and the rest of the path within them. */
interface Leaf {
  column: Column;
  schema: Schema | null;
  /** The path behind variants. */
  rest: readonly string[];
  /** Whether one row of the column stands for all. */
  fixed: boolean;
  /** Columns of maps and structs above it, outermost first: a null there is a null here. */
  above: readonly Column[];
}

function leafOf(batch: Batch, block: Block, path: readonly string[]): Leaf | null {
  let { column } = block;
  let schema = batch.schemaOf(block);
  let fixed = false;
  const above: Column[] = [];
  for (let at = 0; at < path.length; at++) {
    if (column.kind === Kind.VARIANT) return { column, schema, rest: path.slice(at), fixed, above };
    if (column.kind !== Kind.STRUCT && column.kind !== Kind.OBJECT) return null;
    const name = path[at]!;
    const child = column.children.find((other) => other.name === name);
    if (child === undefined) return null;
    above.push(column);
    fixed ||= column.constant;
    schema = schema?.field(name)?.schema ?? null;
    column = child;
  }
  return { column, schema, rest: [], fixed, above };
}

/** What a path within a value leads to; `undefined` for nothing. */
export function valueAt(value: Value | undefined, path: readonly string[]): Value | undefined {
  let found: Value | undefined = value;
  for (const name of path) {
    if (found instanceof Map) found = found.get(name);
    else if ((isPlainObject(found) || found instanceof Struct) && Object.hasOwn(found, name)) found = (found as ValueMap)[name];
    else return undefined;
  }
  return found;
}

/** Walks over rows without making objects of them. Made by {@link cursor}. */
export class Cursor {
  /** The row that the cursor stands at; -1 before the first. */
  row = -1;
  readonly #fields: FieldCursor[] = [];

  constructor(
    readonly batch: Batch,
    readonly isMeant: (row: number) => boolean,
  ) {}

  /** Goes to the next row that is meant. False at the end. */
  next(): boolean {
    do this.row++;
    while (this.row < this.batch.rows && !this.isMeant(this.row));
    return this.row < this.batch.rows;
  }

  /** The topic of the row. */
  get topic(): string {
    return this.batch.topic(this.row) ?? '';
  }

  /** What a path within the values leads to, in the row that the cursor stands at. */
  value(...path: string[]): FieldCursor {
    return this.#field('value', path);
  }

  /** What a path within the keys leads to. */
  key(...path: string[]): FieldCursor {
    return this.#field('key', path);
  }

  #field(side: Side, path: string[]): FieldCursor {
    const field = new FieldCursor(this, side, path);
    this.#fields.push(field);
    return field;
  }
}

/** A field of keys or values, in the row that its cursor stands at. */
export class FieldCursor {
  readonly #leaves: (Leaf | null)[];
  readonly #places: { blocks: Int32Array; rows: Int32Array };

  constructor(
    readonly cursor: Cursor,
    side: Side,
    path: readonly string[],
  ) {
    const { batch } = cursor;
    const union = batch.side(side);
    this.#places = union.places(batch.rows);
    this.#leaves = union.blocks.map((block) => leafOf(batch, block, path));
  }

  #at(): { leaf: Leaf; row: number } | null {
    const { row } = this.cursor;
    const block = this.#places.blocks[row]!;
    const leaf = block < 0 ? null : this.#leaves[block]!;
    if (leaf === null) return null;
    const inner = leaf.fixed ? 0 : this.#places.rows[row]!;
    for (const column of leaf.above) if (column.isNull(inner)) return null;
    return leaf.column.isNull(inner) ? null : { leaf, row: inner };
  }

  /** Whether there is nothing, or null. */
  get isNull(): boolean {
    const place = this.#at();
    return place === null || (place.leaf.rest.length > 0 && (this.get() ?? null) === null);
  }

  /** The value; null where there is none. */
  get(): Value {
    const place = this.#at();
    if (place === null) return null;
    const { leaf, row } = place;
    const value = decodeRow(leaf.column, leaf.schema, { source: this.cursor.batch.schemas, exact: false }, row);
    return valueAt(value, leaf.rest) ?? null;
  }

  /** The value if it is text, else null. */
  text(): string | null {
    const place = this.#at();
    if (place === null) return null;
    if (place.leaf.column.kind === Kind.STRING) return place.leaf.column.text(place.row);
    const value = this.get();
    return typeof value === 'string' ? value : null;
  }

  /** The value if it is a number, else null. */
  number(): Int64 | null {
    const place = this.#at();
    if (place === null) return null;
    const { kind } = place.leaf.column;
    if (kind >= Kind.INT8 && kind <= Kind.FLOAT64) return place.leaf.column.number(place.row);
    const value = this.get();
    return typeof value === 'number' || typeof value === 'bigint' ? value : null;
  }

  /** The value if it is true or false, else null. */
  boolean(): boolean | null {
    const place = this.#at();
    if (place === null) return null;
    if (place.leaf.column.kind === Kind.BOOL) return place.leaf.column.boolean(place.row);
    const value = this.get();
    return typeof value === 'boolean' ? value : null;
  }
}

/** A cursor over the active rows of records, or over the selected rows of a batch. */
export function cursor(over: Records | Batch): Cursor {
  if ('isActive' in over) return new Cursor(over.batch, (row) => over.isActive(row));
  return new Cursor(over, (row) => over.isSelected(row));
}

/**
 * Changes one field of the values (or with `side` of the keys) of all active rows, a whole column at a time. `change` gets
 * each value that is neither missing nor null, with its row and schema, and returns the new one; what it throws fails its row. An empty path is the
 * whole value. Fields with a schema keep it.
 */
export function mapField(records: Records, path: readonly string[], change: (value: any, row: number, schema: Schema | null) => Value, side: Side = 'value'): void {
  const { batch } = records;
  const union = batch.side(side);
  const failed: [number, unknown][] = [];
  union.blocks.forEach((block, number) => {
    const rows: number[] = [];
    for (let row = 0; row < batch.rows; row++) if (union.tags === null || union.tags[row] === number) rows.push(row);
    const each: Each = (value, at, schema) => {
      const row = rows[at]!;
      if (value === null || value === undefined || value === ABSENT || !records.isActive(row)) return value;
      try {
        return change(value, row, schema);
      } catch (error) {
        failed.push([row, error]);
        return value;
      }
    };
    const column = mapColumn(batch, block.column.expanded(), batch.schemaOf(block), path, each);
    if (column === null) return;
    block.column = column;
    records.changed = true;
  });
  for (const [row, error] of failed) records.fail(row, error);
}

type Each = (value: Value | typeof ABSENT | undefined, at: number, schema: Schema | null) => Value | typeof ABSENT | undefined;

/** The column with what a path leads to changed; null if it leads nowhere. */
function mapColumn(batch: Batch, column: Column, schema: Schema | null, path: readonly string[], each: Each): Column | null {
  const inside = path.length > 0 && (column.kind === Kind.STRUCT || column.kind === Kind.OBJECT);
  if (inside) {
    const at = column.children.findIndex((child) => child.name === path[0]);
    if (at < 0) return null;
    const within: Each = (value, row, own) => (column.isNull(row) ? value : each(value, row, own));
    const child = mapColumn(batch, column.children[at]!.expanded(), schema?.field(path[0]!)?.schema ?? null, path.slice(1), within);
    if (child === null) return null;
    const children = column.children.map((other, place) => (place === at ? child.named(path[0]!) : other));
    return withBitmaps(new Column(column.kind, column.rows, column.data).withChildren(children), column);
  }
  if (path.length > 0 && column.kind !== Kind.VARIANT) return null;
  const values = decodeColumn(column, schema, { source: batch.schemas, exact: false });
  const changed = values.map((value, row) => {
    if (path.length === 0) return each(value, row, schema);
    const inner = valueAt(value as Value, path);
    if (inner !== undefined && value !== ABSENT) {
      const parent = valueAt(value as Value, path.slice(0, -1));
      const name = path[path.length - 1]!;
      const next = each(inner, row, null) as Value;
      if (parent instanceof Map) parent.set(name, next);
      else setProperty(parent as object, name, next);
    }
    return value;
  });
  const guide = new ColumnGuide(column, schema, null, batch.schemas);
  return encodeColumn(changed, schema, guide, batch.schemas).named(column.name);
}

function withBitmaps(column: Column, like: Column): Column {
  column.name = like.name;
  column.valid = like.valid;
  column.present = like.present;
  return column;
}

/** A bitmap of the rows of a batch for which something holds, for {@link Verdict} and the like. */
export function rowsWhere(batch: Batch, holds: (row: number) => boolean): Uint8Array {
  return bitsWhere(batch.rows, holds);
}
