/** Records by themselves: comfort for plugins that look at one record at a time. */

import type { Batch, Side, Union } from './batch/batch';
import { decodeColumn } from './batch/decode';
import { type Header, readHeaders } from './batch/headers';
import { Kind, Role } from './batch/layout';
import type { Schema } from './schema';
import type { Int64, Value } from './values';

export type { Header };

/** What every record has. `any` stands for what a plugin knows about its data: say it by a type of its own. */
export interface ConnectRecord<V = any, K = any> {
  topic: string;
  /** Null lets the producer choose one by the key. */
  partition?: number | null;
  /** Milliseconds since the epoch; null lets the producer set it. */
  timestamp?: Int64 | null;
  key?: K;
  /** Null for data without a schema. */
  keySchema?: Schema | null;
  /** Null is a tombstone. */
  value: V;
  valueSchema?: Schema | null;
  /** In order; several may share a key. */
  headers?: Header[];
}

/** A record that a source makes. */
export interface SourceRecord<V = any, K = any> extends ConnectRecord<V, K> {
  /** What the record came from: `{ filename: 'a.txt' }`. */
  sourcePartition?: { [name: string]: Value } | null;
  /** Where to go on behind this record: `{ position: 42 }`. */
  sourceOffset?: { [name: string]: Value } | null;
}

/** A record as transforms and predicates get it. */
export interface TransformRecord<V = any, K = any> extends ConnectRecord<V, K> {
  partition: number | null;
  timestamp: Int64 | null;
  key: K;
  keySchema: Schema | null;
  valueSchema: Schema | null;
  headers: Header[];
}

/** A record as sinks get it. */
export interface SinkRecord<V = any, K = any> extends TransformRecord<V, K> {
  /** Row of the batch, for reports. */
  readonly row: number;
  readonly partition: number;
  /** Its offset in its topic: a bigint beyond 2^53. */
  readonly offset: Int64;
  readonly timestampType: 'none' | 'create' | 'log-append';
  /** Topic, partition and offset before any transform changed them. */
  readonly originalTopic: string;
  readonly originalPartition: number;
  readonly originalOffset: Int64;
}

/** What of records may differ from what they were made of. */
export interface Touched {
  key: boolean;
  value: boolean;
  headers: boolean;
  topic: boolean;
  partition: boolean;
  timestamp: boolean;
}

const UNSEEN = 0;
const SEEN = 1;
const SET = 2;

/** A part of records that is read when it is first asked for. */
interface Part {
  values: any[];
  /** Per row whether somebody has looked at it, or set another value. */
  state: Uint8Array;
}

/** Reads rows of a batch as records: keys, values and headers when they are first asked for. */
export class RecordView {
  readonly batch: Batch;
  readonly exact: boolean;
  keys: Part | null = null;
  values: Part | null = null;
  headers: Part | null = null;
  readonly topics: readonly string[];
  readonly partitions: readonly (number | null)[] | null;
  readonly timestamps: readonly (Int64 | null)[] | null;
  readonly keySchemas: readonly (Schema | null)[];
  readonly valueSchemas: readonly (Schema | null)[];
  readonly #noHeaders: boolean;
  readonly #lazyKeys: boolean;
  readonly #lazyValues: boolean;
  readonly #records: (TransformRecord | undefined)[] = [];

  constructor(batch: Batch, exact: boolean) {
    this.batch = batch;
    this.exact = exact;
    const topics = batch.get(Role.TOPIC);
    const topicOf = topics === undefined ? null : (decodeColumn(topics, null, { source: batch.schemas, exact: false }) as (string | null)[]);
    this.topics = topicOf === null ? new Array<string>(batch.rows).fill('') : topicOf.map((topic) => topic ?? '');
    this.partitions = numbersOf(batch, Role.PARTITION) as (number | null)[] | null;
    this.timestamps = numbersOf(batch, Role.TIMESTAMP);
    this.keySchemas = schemasOf(batch, 'key');
    this.valueSchemas = schemasOf(batch, 'value');
    this.#noHeaders = batch.get(Role.HEADERS) === undefined;
    this.#lazyKeys = canChangeInPlace(batch.keys);
    this.#lazyValues = this.#lazyKeys || !this.#noHeaders || canChangeInPlace(batch.values);
  }

  /** Lets go of the records, which know the view: so nobody has to look for what is not needed any more. */
  release(): void {
    this.#records.length = 0;
  }

  /** Reads the keys or values of all rows. */
  read(side: Side): Part {
    const known = side === 'key' ? this.keys : this.values;
    if (known !== null) return known;
    const part = { values: this.batch.read(side, this.exact).values, state: new Uint8Array(this.batch.rows) };
    if (side === 'key') this.keys = part;
    else this.values = part;
    return part;
  }

  /** The headers of one row. */
  headersOf(row: number): Header[] {
    const part = (this.headers ??= { values: [], state: new Uint8Array(this.batch.rows) });
    const known = part.values[row] as Header[] | undefined;
    if (known !== undefined) return known;
    const column = this.batch.get(Role.HEADERS);
    return (part.values[row] = column === undefined ? [] : readHeaders(column, row, this.batch.schemas, this.exact));
  }

  value(side: Side, row: number): Value {
    return this.read(side).values[row] as Value;
  }

  schema(side: Side, row: number): Schema | null {
    return (side === 'key' ? this.keySchemas : this.valueSchemas)[row]!;
  }

  /**
   * A row as a record. Parts that can be changed in place are read when they are asked for, so that it is known who has seen
   * them; spreading a record copies all of them.
   */
  record(row: number): TransformRecord {
    const record = this.#lazyKeys || !this.#noHeaders ? this.#lazyRecord(row) : this.#lazyValues ? this.#recordWithValue(row) : this.#plainRecord(row);
    this.#records[row] = record;
    return record;
  }

  #plainRecord(row: number): TransformRecord {
    const { partitions, timestamps } = this;
    return {
      topic: this.topics[row]!,
      partition: partitions === null ? null : partitions[row]!,
      timestamp: timestamps === null ? null : timestamps[row]!,
      key: (this.keys ?? this.read('key')).values[row],
      keySchema: this.keySchemas[row]!,
      value: (this.values ?? this.read('value')).values[row],
      valueSchema: this.valueSchemas[row]!,
      headers: [],
    };
  }

  #recordWithValue(row: number): TransformRecord {
    const view = this;
    const { partitions, timestamps } = view;
    return {
      topic: view.topics[row]!,
      partition: partitions === null ? null : partitions[row]!,
      timestamp: timestamps === null ? null : timestamps[row]!,
      key: (view.keys ?? view.read('key')).values[row],
      keySchema: view.keySchemas[row]!,
      get value() {
        return view.see('value', row);
      },
      set value(value) {
        view.put('value', row, value);
      },
      valueSchema: view.valueSchemas[row]!,
      headers: [],
    };
  }

  #lazyRecord(row: number): TransformRecord {
    const view = this;
    const { partitions, timestamps } = view;
    return {
      topic: view.topics[row]!,
      partition: partitions === null ? null : partitions[row]!,
      timestamp: timestamps === null ? null : timestamps[row]!,
      get key() {
        return view.see('key', row);
      },
      set key(value) {
        view.put('key', row, value);
      },
      keySchema: view.keySchemas[row]!,
      get value() {
        return view.see('value', row);
      },
      set value(value) {
        view.put('value', row, value);
      },
      valueSchema: view.valueSchemas[row]!,
      get headers() {
        return view.headersOf(row);
      },
      set headers(value) {
        view.headersOf(row);
        view.headers!.values[row] = value;
        view.headers!.state[row] = SET;
      },
    };
  }

  /** Somebody looks at a key or value. */
  see(side: Side, row: number): any {
    const part = (side === 'key' ? this.keys : this.values) ?? this.read(side);
    if (part.state[row] === UNSEEN) part.state[row] = SEEN;
    return part.values[row];
  }

  /** Somebody sets a key or value. */
  put(side: Side, row: number, value: unknown): void {
    const part = (side === 'key' ? this.keys : this.values) ?? this.read(side);
    part.state[row] = SET;
    part.values[row] = value;
  }

  /** A row as a record of a sink. */
  sinkRecord(row: number): SinkRecord {
    const { batch } = this;
    const record = this.record(row) as TransformRecord & Record<string, unknown>;
    const offset = batch.integer(Role.OFFSET, row) ?? 0;
    const originals = batch.get(Role.ORIGINAL_TOPIC);
    record['row'] = row;
    record['offset'] = offset;
    record['timestampType'] = (['none', 'create', 'log-append'] as const)[Number(batch.integer(Role.TIMESTAMP_TYPE, row) ?? 0)];
    record['originalTopic'] = originals === undefined || originals.isNull(row) ? record.topic : originals.texts()[originals.constant ? 0 : row];
    record['originalPartition'] = batch.integer(Role.ORIGINAL_PARTITION, row) ?? record.partition ?? 0;
    record['originalOffset'] = batch.integer(Role.ORIGINAL_OFFSET, row) ?? offset;
    return record as unknown as SinkRecord;
  }

  /** Whether the record certainly has the headers of the row. */
  sameHeaders(row: number, record: ConnectRecord): boolean {
    if (this.#noHeaders) return isEmpty(record.headers);
    // Nobody has seen the row's headers, so that they are what they were.
    return this.#records[row] === record && this.headers?.values[row] === undefined;
  }

  /** Notes what of a record may differ from its row. What can be changed in place counts as changed when it was seen. */
  compare(row: number, record: ConnectRecord, touched: Touched): void {
    if (record.topic !== this.topics[row]) touched.topic = true;
    if ((record.partition ?? null) !== (this.partitions === null ? null : this.partitions[row])) touched.partition = true;
    if ((record.timestamp ?? null) !== (this.timestamps === null ? null : this.timestamps[row])) touched.timestamp = true;
    const own = this.#records[row] === record;
    if (!touched.key) touched.key = (record.keySchema ?? null) !== this.keySchemas[row] || this.#differs('key', this.#lazyKeys && own, row, record);
    if (!touched.value) touched.value = (record.valueSchema ?? null) !== this.valueSchemas[row] || this.#differs('value', this.#lazyValues && own, row, record);
    if (!touched.headers) touched.headers = !this.sameHeaders(row, record);
  }

  /** `watched` says that the record's part is read through {@link see}. */
  #differs(side: Side, watched: boolean, row: number, record: ConnectRecord): boolean {
    const part = side === 'key' ? this.keys : this.values;
    if (watched && (part === null || part.state[row] === UNSEEN)) return false;
    if (part !== null && part.state[row] === SET) return true;
    const now = side === 'key' ? record.key : record.value;
    if (typeof now === 'object' && now !== null) return true;
    return !Object.is(now ?? null, this.value(side, row));
  }
}

/** Whether there are values that are objects. */
function canChangeInPlace(union: Union): boolean {
  return union.blocks.some(({ column: { kind } }) => kind >= Kind.BYTES);
}

function isEmpty(headers: readonly Header[] | null | undefined): boolean {
  return headers === undefined || headers === null || headers.length === 0;
}

function numbersOf(batch: Batch, role: number): (Int64 | null)[] | null {
  const column = batch.get(role);
  return column === undefined ? null : (decodeColumn(column, null, { source: batch.schemas, exact: false }) as (Int64 | null)[]);
}

function schemasOf(batch: Batch, side: Side): (Schema | null)[] {
  const union = batch.side(side);
  const blocks = union.blocks.map((block) => batch.schemaOf(block));
  if (union.tags === null) return new Array<Schema | null>(batch.rows).fill(blocks[0] ?? null);
  return Array.from(union.tags, (tag) => blocks[tag]!);
}

/** The rows of a batch that are still under way, as records. */
export function sinkRecords(batch: Batch, exact: boolean): SinkRecord[] {
  const view = new RecordView(batch, exact);
  const records: SinkRecord[] = [];
  for (let row = 0; row < batch.rows; row++) if (batch.isSelected(row)) records.push(view.sinkRecord(row));
  view.release();
  return records;
}
