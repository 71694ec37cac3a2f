/** A batch on its way through transforms and converters, with the rows that failed on the way. */

import { Batch, encodeUnion, type Side } from './batch/batch';
import { bitsWhere, getBit } from './batch/bits';
import { Column } from './batch/column';
import { readHeaders, headersColumn, writeHeaders, type Header } from './batch/headers';
import { Role } from './batch/layout';
import { nameOf } from './batch/variant';
import { DataError, rowError, type ReportedRowError } from './errors';
import { type ConnectRecord, RecordView } from './record';
import type { Value } from './values';
import type { Schema } from './schema';

/** What became of one record: the record, several, or nothing, which filters it. */
export type Replacement = ConnectRecord | readonly ConnectRecord[] | null | undefined;

/**
 * The records that a transform or converter works on: a batch, and which of its rows are meant.
 *
 * Rows that are not active have to be left as they are: they were filtered or have failed before, or the transform's
 * predicate does not hold for them.
 */
export class Records {
  /** Rows that are meant, beside the selection; all if there is no bitmap. */
  #only: Uint8Array | null = null;
  /** Row of the batch passed to the call, per row; the same if there is no list. */
  #inputs: number[] | null = null;
  #link = 0;
  /** Whether something was changed: set it after changing a column of the batch in place. */
  changed = false;
  readonly errors: ReportedRowError[] = [];

  constructor(
    /** The columns. Change them with {@link set} and {@link setSide}. */
    public batch: Batch,
  ) {}

  get rows(): number {
    return this.batch.rows;
  }

  /** Whether the row is one of those to work on. */
  isActive(row: number): boolean {
    return this.batch.isSelected(row) && (this.#only === null || getBit(this.#only, row));
  }

  /** The rows to work on, ascending. */
  active(): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.rows; row++) if (this.isActive(row)) rows.push(row);
    return rows;
  }

  /**
   * Whether whole columns may be replaced without a look at rows: no predicate limits the work, and rows that were
   * filtered or have failed may look as they like.
   */
  get allMatter(): boolean {
    return this.#only === null;
  }

  /** Sets or replaces the column of a role. */
  set(role: number, column: Column): void {
    this.changed = true;
    this.batch.set(role, column);
  }

  /** Removes the column of a role. */
  remove(role: number): void {
    this.changed = true;
    this.batch.remove(role);
  }

  /** The topic of every active row. */
  setTopic(topic: string): void {
    if (this.allMatter) return this.set(Role.TOPIC, Column.constantText(this.rows, topic));
    const topics: (string | null)[] = [];
    for (let row = 0; row < this.rows; row++) topics.push(this.isActive(row) ? topic : this.batch.topic(row));
    this.set(Role.TOPIC, Column.texts(topics));
  }

  /** Leaves rows out on purpose. They count as ended. */
  filter(rows: Iterable<number>): void {
    const list = [...rows];
    if (list.length === 0) return;
    this.changed = true;
    this.batch.deselect(list);
  }

  /** Names a row that has failed. Other rows go on. A row of which several records were made fails as a whole. */
  fail(row: number, error: unknown): void {
    if (!this.batch.isSelected(row)) return;
    this.changed = true;
    const inputs = this.#inputs;
    if (inputs === null) {
      this.batch.deselect([row]);
      this.errors.push(rowError(row, this.#link, error));
      return;
    }
    const input = inputs[row]!;
    const siblings: number[] = [];
    inputs.forEach((other, at) => {
      if (other === input) siblings.push(at);
    });
    this.batch.deselect(siblings);
    this.errors.push(rowError(input, this.#link, error));
  }

  /** Limits the work to rows of a bitmap, for one link of a chain. */
  limited(only: Uint8Array | null, link: number, work: () => void): void {
    this.#only = only;
    this.#link = link;
    try {
      work();
    } finally {
      this.#only = null;
    }
  }

  /** The rows for which `holds` says so of the row that was passed in. */
  inputsWhere(holds: (input: number) => boolean): Uint8Array {
    return bitsWhere(this.rows, (row) => holds(this.#inputs === null ? row : this.#inputs[row]!));
  }

  /** Goes on with a batch that was made of this one elsewhere; `parents` are the old rows of the new ones, null for the same. */
  continueWith(batch: Batch, parents: readonly number[] | null): void {
    this.changed = true;
    const old = this.batch;
    this.batch = batch;
    if (parents === null) return;
    numberChildren(batch, old, parents);
    this.#inputs = parents.map((parent) => (this.#inputs === null ? parent : this.#inputs[parent]!));
  }

  /**
   * Has each active row replaced as a record. What `replace` throws belongs to its row, and so does a record that no batch
   * can carry. What nobody has touched is not written anew.
   */
  replaceEach(exact: boolean, replace: (record: ConnectRecord) => Replacement): void {
    const { rows } = this;
    const view = new RecordView(this.batch, exact);
    const parents: number[] = [];
    const results: (ConnectRecord | null)[] = [];
    const filtered: number[] = [];
    const failed: [number, unknown][] = [];
    for (let row = 0; row < rows; row++) {
      let made: Replacement = null;
      if (this.isActive(row)) {
        try {
          made = replace(view.record(row));
          if (made === null || made === undefined) filtered.push(results.length);
          else if (Array.isArray(made)) {
            for (const record of made) checkRecord(record);
            if (made.length === 0) filtered.push(results.length);
          } else checkRecord(made);
        } catch (error) {
          failed.push([results.length, error]);
          made = null;
        }
      }
      if (Array.isArray(made) && made.length > 0) {
        for (const record of made) {
          parents.push(row);
          results.push(record);
        }
      } else {
        parents.push(row);
        results.push(made === undefined || Array.isArray(made) ? null : (made as ConnectRecord | null));
      }
    }
    failed.push(...this.#rebuild(view, parents, results));
    view.release();
    this.filter(filtered);
    for (const [row, error] of failed) this.fail(row, error);
  }

  /** Puts the batch together again; rows whose records no batch can carry, with the reason. */
  #rebuild(view: RecordView, parents: number[], results: (ConnectRecord | null)[]): [number, unknown][] {
    const old = this.batch;
    const multiplied = results.length !== old.rows;
    const failed: [number, unknown][] = [];
    const touched = { key: false, value: false, headers: false, topic: false, partition: false, timestamp: false };
    results.forEach((result, at) => {
      if (result !== null) view.compare(parents[at]!, result, touched);
    });
    if (!multiplied && !Object.values(touched).includes(true)) return failed;
    this.changed = true;
    const batch = multiplied ? taken(old, parents) : old;
    for (const side of ['key', 'value'] as const) {
      if (touched[side]) failed.push(...rebuildSide(batch, old, side, view, parents, results));
      else if (multiplied) batch.setSide(side, old.side(side).take(parents, old.rows));
    }
    if (touched.headers) failed.push(...rebuildHeaders(batch, old, view, parents, results));
    if (touched.topic) setIfAny(batch, Role.TOPIC, topicsOf(results.map((result, at) => (result === null ? old.topic(parents[at]!) : result.topic))));
    if (touched.partition) setIfAny(batch, Role.PARTITION, Column.int32s(results.map((result, at) => (result === null ? (old.integer(Role.PARTITION, parents[at]!) as number | null) : (result.partition ?? null)))));
    if (touched.timestamp) setIfAny(batch, Role.TIMESTAMP, Column.int64s(results.map((result, at) => (result === null ? old.integer(Role.TIMESTAMP, parents[at]!) : (result.timestamp ?? null)))));
    if (multiplied) {
      numberChildren(batch, old, parents);
      this.#inputs = parents.map((parent) => (this.#inputs === null ? parent : this.#inputs[parent]!));
    }
    this.batch = batch;
    return failed;
  }
}

function setIfAny(batch: Batch, role: number, column: Column): void {
  if (column.rows > 0 && column.valid !== null && column.valid.every((bits) => bits === 0)) batch.remove(role);
  else batch.set(role, column);
}

/** Topics of rows, once if all have the same. */
function topicsOf(topics: (string | null)[]): Column {
  const [first] = topics;
  return typeof first === 'string' && topics.every((topic) => topic === first) ? Column.constantText(topics.length, first) : Column.texts(topics);
}

/** The envelope of an older batch for rows that became several; keys and values follow. */
function taken(old: Batch, parents: number[]): Batch {
  const batch = new Batch(parents.length);
  batch.schemas = old.schemas;
  for (const [role, column] of old.envelope) batch.set(role, column.take(parents));
  return batch;
}

/** Says where each row came from, after rows have become several. */
function numberChildren(batch: Batch, old: Batch, parents: readonly number[]): void {
  const before = old.get(Role.ORIGIN);
  const origins = parents.map((parent) => (before === undefined ? parent : Number(before.number(parent))));
  const children: number[] = [];
  // Rows of one origin stand together, since every stage keeps the order.
  origins.forEach((origin, row) => children.push(row > 0 && origins[row - 1] === origin ? children[row - 1]! + 1 : 0));
  batch.set(Role.ORIGIN, Column.int32s(origins));
  batch.set(Role.CHILD, Column.int32s(children));
}

function checkRecord(record: unknown): void {
  const isObject = typeof record === 'object' && record !== null && typeof (record as { then?: unknown }).then !== 'function';
  if (!isObject) throw new TypeError(`a transform returns a record, an array of records or null, not ${nameOf(record)}`);
  const { topic } = record as Partial<ConnectRecord>;
  if (typeof topic !== 'string') throw new TypeError(`a record has a topic, which is text: this one's is ${nameOf(topic)}`);
}

function rebuildSide(batch: Batch, old: Batch, side: Side, view: RecordView, parents: number[], results: (ConnectRecord | null)[]): [number, unknown][] {
  const schemas: (Schema | null)[] = [];
  const values: Value[] = [];
  results.forEach((result, at) => {
    const row = parents[at]!;
    schemas.push((result === null ? view.schema(side, row) : side === 'key' ? result.keySchema : result.valueSchema) ?? null);
    values.push((result === null ? view.value(side, row) : side === 'key' ? result.key : result.value) ?? null);
  });
  return encodeRows(schemas, values, parents, (someSchemas, someValues, someParents, keep) => {
    const union = encodeUnion(someSchemas, someValues, { batch: old, side, parents: someParents }, old.schemas);
    if (keep) batch.setSide(side, union);
  });
}

function rebuildHeaders(batch: Batch, old: Batch, view: RecordView, parents: number[], results: (ConnectRecord | null)[]): [number, unknown][] {
  const column = old.get(Role.HEADERS);
  const failed: [number, unknown][] = [];
  const rows = results.map((result, at) => {
    const parent = parents[at]!;
    if (result === null || view.sameHeaders(parent, result)) return column?.bytes(parent) ?? new Uint8Array(0);
    try {
      const before = column === undefined ? null : readHeaders(column, parent, old.schemas, true);
      return writeHeaders(checkedHeaders(result.headers), before, old.schemas);
    } catch (error) {
      failed.push([at, error]);
      return new Uint8Array(0);
    }
  });
  const headers = headersColumn(rows);
  if (headers === null) batch.remove(Role.HEADERS);
  else batch.set(Role.HEADERS, headers);
  return failed;
}

function checkedHeaders(headers: unknown): readonly Header[] {
  if (headers === undefined || headers === null) return [];
  if (!Array.isArray(headers)) throw new TypeError(`headers are an array of { key, value }, not ${nameOf(headers)}`);
  for (const header of headers) if (typeof header?.key !== 'string') throw new TypeError('a header has a key, which is text');
  return headers as Header[];
}

/**
 * Makes columns of all rows at once. If one of them cannot be in a batch, each is tried by itself, those that cannot are
 * named, and nulls stand in their places.
 */
export function encodeRows(
  schemas: (Schema | null)[],
  values: Value[],
  parents: number[],
  encode: (schemas: (Schema | null)[], values: Value[], parents: number[], keep: boolean) => void,
): [number, unknown][] {
  try {
    encode(schemas, values, parents, true);
    return [];
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
  }
  const failed: [number, unknown][] = [];
  values.forEach((value, at) => {
    try {
      encode([schemas[at]!], [value], [parents[at]!], false);
    } catch (error) {
      failed.push([at, error]);
      values[at] = null;
      schemas[at] = null;
    }
  });
  encode(schemas, values, parents, true);
  return failed;
}
