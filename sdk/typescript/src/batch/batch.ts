/** A batch opened: its columns as a tree that is read, edited and written again. */

import { DataError, FatalError } from '../errors';
import type { Schema } from '../schema';
import type { Int64, Value } from '../values';
import { filledBits, setBit } from './bits';
import { Column } from './column';
import { decodeColumn } from './decode';
import { encodeColumn } from './encode';
import { ColumnGuide, type Guide, ValueGuide } from './guide';
import * as layout from './layout';
import { Kind, Role } from './layout';
import { readBatch } from './read';
import { readSchema, schemaBytes } from './schema-codec';
import type { SchemaPlaces, VariantSource } from './variant';
import { writeBatch } from './write';

/** Keys or values. */
export type Side = 'key' | 'value';

/** All rows of one side that share a schema. */
export interface Block {
  /** Place of the schema in the batch's table; null for data without one. */
  schema: number | null;
  /** The rows, densely, in batch order. */
  column: Column;
}

/** The keys or the values of a batch. */
export class Union {
  constructor(
    /** Block of each row; null if all are in the first. Without blocks every row is null and has no schema. */
    public tags: Uint8Array | null = null,
    public blocks: Block[] = [],
  ) {}

  /** The block of each row and its row there; -1 where there is no block. */
  places(rows: number): { blocks: Int32Array; rows: Int32Array } {
    const places = { blocks: new Int32Array(rows), rows: new Int32Array(rows) };
    if (this.blocks.length === 0) {
      places.blocks.fill(-1);
    } else if (this.tags === null) {
      for (let row = 0; row < rows; row++) places.rows[row] = row;
    } else {
      const next = new Int32Array(256);
      for (let row = 0; row < rows; row++) {
        const block = this.tags[row]!;
        places.blocks[row] = block;
        places.rows[row] = next[block]!++;
      }
    }
    return places;
  }

  /** The chosen rows of the batch, in that order. */
  take(chosen: ArrayLike<number>, rows: number): Union {
    const places = this.places(rows);
    const inner: number[][] = this.blocks.map(() => []);
    const tags = new Uint8Array(chosen.length);
    for (let at = 0; at < chosen.length; at++) {
      const block = places.blocks[chosen[at]!]!;
      if (block < 0) continue;
      tags[at] = block;
      inner[block]!.push(places.rows[chosen[at]!]!);
    }
    const blocks = this.blocks.map(({ schema, column }, block) => ({ schema, column: column.take(inner[block]!) }));
    return new Union(this.tags === null ? null : tags, blocks);
  }
}

interface SchemaEntry {
  /** The host's name for it, 0 if it is ours. */
  number: number;
  bytes: Uint8Array;
  key: string | null;
}

/** Schemas by their bytes, so that the same schema is the same object from batch to batch. */
const known = new Map<string, Schema>();
const MOST_KNOWN = 1000;

function keyOfBytes(bytes: Uint8Array): string {
  let key = '';
  for (let at = 0; at < bytes.length; at += 4096) key += String.fromCharCode.apply(null, bytes.subarray(at, at + 4096) as unknown as number[]);
  return key;
}

function encodedSchema(schema: Schema): string {
  if (schema.encoded === null) {
    schema.encoded = keyOfBytes(schemaBytes(schema));
    remember(schema.encoded, schema);
  }
  return schema.encoded;
}

function remember(key: string, schema: Schema): void {
  if (known.has(key)) return;
  if (known.size === MOST_KNOWN) known.clear();
  known.set(key, schema);
}

/** The schemas that a batch refers to. */
export class SchemaTable implements SchemaPlaces, VariantSource {
  readonly entries: SchemaEntry[] = [];
  #places: Map<string, number> | null = null;

  push(number: number, bytes: Uint8Array): void {
    this.entries.push({ number, bytes, key: null });
  }

  #key(entry: SchemaEntry): string {
    return (entry.key ??= keyOfBytes(entry.bytes));
  }

  schema(place: number): Schema {
    const key = this.#key(this.entries[place]!);
    let schema = known.get(key);
    if (schema === undefined) {
      schema = readSchema(this.entries[place]!.bytes);
      schema.encoded = key;
      remember(key, schema);
    }
    return schema;
  }

  place(schema: Schema): number {
    const key = encodedSchema(schema);
    if (this.#places === null) {
      this.#places = new Map();
      this.entries.forEach((entry, at) => this.#places!.set(this.#key(entry), at));
    }
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.entries.length;
      if (place >= layout.NO_SCHEMA_16 - 1) throw new DataError('the batch has too many different schemas');
      const bytes = new Uint8Array(key.length);
      for (let at = 0; at < key.length; at++) bytes[at] = key.charCodeAt(at);
      this.entries.push({ number: 0, bytes, key });
      this.#places.set(key, place);
    }
    return place;
  }
}

/** A batch of records in columns. */
export class Batch {
  /** Schemas that blocks, variants and headers refer to. */
  schemas = new SchemaTable();
  /** Columns with a role, but for keys and values; unknown roles included. */
  envelope = new Map<number, Column>();
  keys = new Union();
  values = new Union();

  /** So many rows without anything. */
  constructor(readonly rows: number) {}

  /** Opens what the host has handed over. Columns share its bytes. */
  static open(bytes: Uint8Array): Batch {
    return readBatch(bytes, (rows) => new Batch(rows));
  }

  side(side: Side): Union {
    return side === 'key' ? this.keys : this.values;
  }

  setSide(side: Side, union: Union): void {
    if (side === 'key') this.keys = union;
    else this.values = union;
  }

  /** The column of a role ({@link Role}) of the envelope. */
  get(role: number): Column | undefined {
    return this.envelope.get(role);
  }

  /** Sets or replaces the column of a role. It must have as many rows as the batch. */
  set(role: number, column: Column): void {
    if (column.rows !== this.rows) throw new FatalError(`a column of ${column.rows} rows was set in a batch of ${this.rows}`);
    this.envelope.set(role, column);
  }

  remove(role: number): void {
    this.envelope.delete(role);
  }

  /** Whether the row is still under way: neither filtered nor failed. */
  isSelected(row: number): boolean {
    const selection = this.envelope.get(Role.SELECTION);
    return selection === undefined || selection.boolean(row);
  }

  /** Takes rows out of the selection. */
  deselect(rows: Iterable<number>): void {
    const old = this.envelope.get(Role.SELECTION);
    let bits: Uint8Array;
    if (old === undefined) bits = filledBits(this.rows, true);
    else bits = old.constant ? filledBits(this.rows, old.boolean(0)) : old.data.slice();
    for (const row of rows) setBit(bits, row, false);
    this.envelope.set(Role.SELECTION, new Column(Kind.BOOL, this.rows, bits));
  }

  /** The topic of a row; null if it has none. */
  topic(row: number): string | null {
    const topics = this.envelope.get(Role.TOPIC);
    return topics === undefined || topics.isNull(row) ? null : topics.text(row);
  }

  /** A nullable integer of the envelope: partition, timestamp, offset. */
  integer(role: number, row: number): Int64 | null {
    const column = this.envelope.get(role);
    return column === undefined || column.isNull(row) ? null : column.number(row);
  }

  /** The schema of a block. */
  schemaOf(block: Block): Schema | null {
    return block.schema === null ? null : this.schemas.schema(block.schema);
  }

  /** Schemas and values of one side, row by row. With `exact`, numbers without a schema say their type. */
  read(side: Side, exact = false): { schemas: (Schema | null)[]; values: Value[] } {
    const union = this.side(side);
    const schemas = new Array<Schema | null>(this.rows).fill(null);
    const blocks = union.blocks.map((block) => decodeColumn(block.column, this.schemaOf(block), { source: this.schemas, exact }) as Value[]);
    const blockSchemas = union.blocks.map((block) => this.schemaOf(block));
    if (blocks.length === 0) return { schemas, values: new Array<Value>(this.rows).fill(null) };
    if (union.tags === null) return { schemas: schemas.fill(blockSchemas[0]!), values: blocks[0]! };
    const values = new Array<Value>(this.rows);
    const places = union.places(this.rows);
    for (let row = 0; row < this.rows; row++) {
      const block = places.blocks[row]!;
      values[row] = blocks[block]![places.rows[row]!]!;
      schemas[row] = blockSchemas[block]!;
    }
    return { schemas, values };
  }

  /** The bytes of the batch. */
  write(): Uint8Array {
    return writeBatch(this);
  }
}

/** Where the rows of a side that is being made came from. */
export interface Origin {
  batch: Batch;
  side: Side;
  /** Row of that batch for each new one; null for the same rows. */
  parents: ArrayLike<number> | null;
}

/** Keys or values from a schema and a value per row. */
export function encodeUnion(schemas: readonly (Schema | null)[], values: readonly (Value | undefined)[], origin: Origin | null, table: SchemaTable): Union {
  const shared = schemas[0];
  if (shared !== undefined && schemas.every((schema) => schema === shared)) {
    const guide = origin === null ? null : new Guides(origin).of(null);
    return new Union(null, [{ schema: shared === null ? null : table.place(shared), column: encodeColumn(values, shared, guide, table) }]);
  }
  const numbers = new Map<Schema | null, number>();
  const places = new Map<number, number>();
  const blocks: { schema: number | null; of: Schema | null; rows: number[] }[] = [];
  const tags = new Uint8Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const schema = schemas[row]!;
    let block = numbers.get(schema);
    if (block === undefined) {
      const place = schema === null ? -1 : table.place(schema);
      block = places.get(place);
      if (block === undefined) {
        block = blocks.length;
        if (block === layout.MAX_BLOCKS) throw new DataError('the batch has too many different schemas: end it earlier');
        blocks.push({ schema: place < 0 ? null : place, of: schema, rows: [] });
        places.set(place, block);
      }
      numbers.set(schema, block);
    }
    tags[row] = block;
    blocks[block]!.rows.push(row);
  }
  const guides = origin === null ? null : new Guides(origin);
  const encoded = blocks.map(({ schema, of, rows }) => {
    const cells = blocks.length === 1 ? values : rows.map((row) => values[row]);
    return { schema, column: encodeColumn(cells, of, guides?.of(rows) ?? null, table) };
  });
  return new Union(blocks.length > 1 ? tags : null, encoded);
}

/** Guides for blocks that are made of rows of an older batch. */
class Guides {
  readonly #places: { blocks: Int32Array; rows: Int32Array };
  readonly #union: Union;

  constructor(readonly origin: Origin) {
    this.#union = origin.batch.side(origin.side);
    this.#places = this.#union.places(origin.batch.rows);
  }

  /** The guide for these of the new rows; null stands for all. */
  of(rows: readonly number[] | null): Guide | null {
    const { batch, parents } = this.origin;
    const { blocks } = this.#union;
    if (blocks.length === 0) return null;
    if (blocks.length === 1) {
      const block = blocks[0]!;
      let inner = rows === null ? parents : rows;
      if (rows !== null && parents !== null) inner = rows.map((row) => parents[row]!);
      return new ColumnGuide(block.column, batch.schemaOf(block), inner, batch.schemas);
    }
    const olds = rows === null ? Array.from(parents ?? this.#places.rows.keys()) : rows.map((row) => (parents === null ? row : parents[row]!));
    const from = new Set(olds.map((old) => this.#places.blocks[old]!));
    if (from.size === 1) {
      const block = blocks[[...from][0]!]!;
      const inner = olds.map((old) => this.#places.rows[old]!);
      return new ColumnGuide(block.column, batch.schemaOf(block), inner, batch.schemas);
    }
    const { values } = batch.read(this.origin.side, true);
    return new ValueGuide(olds.map((old) => values[old]));
  }
}
