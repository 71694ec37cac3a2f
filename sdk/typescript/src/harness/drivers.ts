/** Plugins as the host drives them: through the contract's exports, with records for batches. */

import { Batch, encodeUnion } from '../batch/batch';
import { checkedBatch } from '../batch/check';
import { Column } from '../batch/column';
import { readHeaders } from '../batch/headers';
import { Role } from '../batch/layout';
import { batchOf } from '../collect';
import { exportsOf, type WitConfig } from '../component';
import type { OffsetMap, TopicOffset, TopicPartition } from '../context';
import { type PluginError, raised, type ReportedError, type ReportedRowError } from '../errors';
import { joinExact, split } from '../host';
import { toJson } from '../json';
import { type CommittedRow, type ConverterRole, type Datum, type Plugin, Plugins, plugins, type PollLimits, type Support } from '../plugins';
import type { ConnectRecord, Header, SinkRecord, SourceRecord } from '../record';
import type { Schema } from '../schema';
import type { Int64, Value } from '../values';

/** A configuration as a user writes it. */
export type ConfigObject = Readonly<Record<string, string | null>>;

/** A record that came out of a plugin. */
export interface MadeRecord extends SourceRecord {
  partition: number | null;
  timestamp: number | bigint | null;
  key: any;
  keySchema: Schema | null;
  valueSchema: Schema | null;
  headers: Header[];
}

/** A row that failed: which one of those passed in, and why. */
export interface RowFailure {
  row: number;
  link: number;
  error: PluginError;
}

const entries = (config: ConfigObject): WitConfig => Object.entries(config);

/** Has errors of the contract thrown as what they stand for. */
function ask<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    const error = thrown as Partial<ReportedError> & { link?: number; error?: ReportedError };
    if (typeof error?.kind === 'string') throw raised(error as ReportedError);
    if (error?.error !== undefined) throw raised(error.error);
    throw thrown;
  }
}

function failures(errors: readonly ReportedRowError[]): RowFailure[] {
  return errors.map(({ row, link, kind, class: className, message, field }) => ({ row, link, error: raised({ kind, class: className, message, causes: [] }, field) }));
}

/** The selected rows of a batch. */
export function recordsOf(batch: Batch): MadeRecord[] {
  const keys = batch.read('key');
  const values = batch.read('value');
  const headers = batch.get(Role.HEADERS);
  const maps = (role: number) => {
    const column = batch.get(role);
    if (column === undefined) return null;
    const side = new Batch(batch.rows);
    side.values.blocks.push({ schema: null, column });
    return side.read('value').values;
  };
  const partitions = maps(Role.SOURCE_PARTITION);
  const offsets = maps(Role.SOURCE_OFFSET);
  const records: MadeRecord[] = [];
  for (let row = 0; row < batch.rows; row++) {
    if (!batch.isSelected(row)) continue;
    records.push({
      topic: batch.topic(row) ?? '',
      partition: batch.integer(Role.PARTITION, row) as number | null,
      timestamp: batch.integer(Role.TIMESTAMP, row),
      key: keys.values[row],
      keySchema: keys.schemas[row]!,
      value: values.values[row],
      valueSchema: values.schemas[row]!,
      headers: headers === undefined ? [] : readHeaders(headers, row, batch.schemas, false),
      ...(partitions === null ? {} : { sourcePartition: partitions[row] as OffsetMap | null }),
      ...(offsets === null ? {} : { sourceOffset: offsets[row] as OffsetMap | null }),
    });
  }
  return records;
}

/** A batch of records as a plugin in the middle gets it. */
function batchFor(records: readonly ConnectRecord[]): Batch {
  return batchOf(records) ?? new Batch(0);
}

/** A batch as a sink gets it: with places in Kafka, which count up from 0 unless they are said. */
function sinkBatch(records: readonly (ConnectRecord & Partial<SinkRecord>)[]): Batch {
  const batch = batchFor(records);
  const next = new Map<string, Int64>();
  const places = records.map((record) => {
    const partition = record.partition ?? 0;
    const place = `${record.topic}-${partition}`;
    const offset = record.offset ?? next.get(place) ?? 0;
    next.set(place, typeof offset === 'bigint' ? offset + 1n : offset + 1);
    return { partition, offset };
  });
  batch.set(Role.PARTITION, Column.int32s(places.map(({ partition }) => partition)));
  batch.set(Role.OFFSET, Column.int64s(places.map(({ offset }) => offset)));
  batch.set(Role.TIMESTAMP_TYPE, Column.int8s(records.map((record) => (record.timestamp === undefined || record.timestamp === null ? 0 : 1))));
  batch.set(Role.ORIGINAL_TOPIC, Column.texts(records.map((record) => record.originalTopic ?? record.topic)));
  batch.set(Role.ORIGINAL_PARTITION, Column.int32s(records.map((record, at) => record.originalPartition ?? places[at]!.partition)));
  batch.set(Role.ORIGINAL_OFFSET, Column.int64s(records.map((record, at) => record.originalOffset ?? places[at]!.offset)));
  return batch;
}

const LIMITS: PollLimits = { maxRecords: 1000, maxBytes: 1 << 20, maxWaitMs: 1000 };

/** A source task under test. */
export class SourceTaskDriver {
  readonly #task;

  constructor(plugin: Plugin, config: ConfigObject) {
    const { SourceTask } = exportsOf(plugins(plugin)).sourceApi;
    this.#task = ask(() => SourceTask.create(plugin.definition.class));
    ask(() => this.#task.start(entries(config)));
  }

  /** The next records. */
  poll(limits: Partial<PollLimits> = {}): MadeRecord[] {
    const bytes = ask(() => this.#task.poll({ ...LIMITS, ...limits }));
    return bytes === null ? [] : recordsOf(checkedBatch(bytes.slice()));
  }

  /** Rows that have ended. */
  committed(rows: readonly CommittedRow[]): void {
    const batch = new Batch(rows.length);
    batch.set(Role.TOPIC, Column.texts(rows.map(({ topic }) => topic)));
    batch.set(Role.PARTITION, Column.int32s(rows.map(({ partition }) => partition)));
    batch.set(Role.OFFSET, Column.int64s(rows.map(({ offset }) => offset)));
    ask(() => this.#task.committed(batch.write()));
  }

  commit(): void {
    ask(() => this.#task.commit());
  }

  stop(): void {
    ask(() => this.#task.stop());
  }
}

/** A sink task under test. */
export class SinkTaskDriver {
  readonly #task;

  constructor(plugin: Plugin, config: ConfigObject) {
    const { SinkTask } = exportsOf(plugins(plugin)).sinkApi;
    this.#task = ask(() => SinkTask.create(plugin.definition.class));
    ask(() => this.#task.start(entries(config)));
  }

  open(...partitions: TopicPartition[]): void {
    ask(() => this.#task.open(partitions));
  }

  /** Hands over records; their places in Kafka count up from 0 unless they are said. */
  put(records: readonly (ConnectRecord & Partial<SinkRecord>)[]): void {
    ask(() => this.#task.put(sinkBatch(records).write()));
  }

  /** The offsets that may be committed: null for all of those given. */
  preCommit(...offsets: TopicOffset[]): TopicOffset[] | null {
    const wide = offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: split(offset) }));
    const safe = ask(() => this.#task.preCommit(wide));
    return safe === null ? null : safe.map(({ topic, partition, offset }) => ({ topic, partition, offset: joinExact(offset) }));
  }

  close(...partitions: TopicPartition[]): void {
    ask(() => this.#task.close(partitions));
  }

  stop(): void {
    ask(() => this.#task.stop());
  }
}

interface ConnectorResource {
  validate(config: WitConfig): string;
  start(config: WitConfig): void;
  taskConfigs(maxTasks: number): WitConfig[];
  stop(): void;
}

class ConnectorDriver<R extends ConnectorResource> {
  constructor(
    protected readonly resource: R,
    protected readonly config: ConfigObject,
  ) {}

  /** Keys at fault, each with what is wrong, beyond what the host checks by itself. */
  validate(): Record<string, string[]> {
    const found = JSON.parse(ask(() => this.resource.validate(entries(this.config)))) as { name: string; errors: string[] }[];
    return Object.fromEntries(found.map(({ name, errors }) => [name, errors]));
  }

  start(): void {
    ask(() => this.resource.start(entries(this.config)));
  }

  taskConfigs(maxTasks: number): Record<string, string | null>[] {
    return ask(() => this.resource.taskConfigs(maxTasks)).map((config) => Object.fromEntries(config));
  }

  stop(): void {
    ask(() => this.resource.stop());
  }
}

type SourceConnectorResource = ReturnType<ReturnType<typeof exportsOf>['sourceApi']['SourceConnector']['create']>;
type SinkConnectorResource = ReturnType<ReturnType<typeof exportsOf>['sinkApi']['SinkConnector']['create']>;

/** A source's connector under test. */
export class SourceConnectorDriver extends ConnectorDriver<SourceConnectorResource> {
  constructor(plugin: Plugin, config: ConfigObject) {
    super(ask(() => exportsOf(plugins(plugin)).sourceApi.SourceConnector.create(plugin.definition.class)), config);
  }

  exactlyOnceSupport(): Support {
    return ask(() => this.resource.exactlyOnceSupport(entries(this.config)));
  }

  canDefineTransactionBoundaries(): Support {
    return ask(() => this.resource.canDefineTransactionBoundaries(entries(this.config)));
  }

  alterOffsets(...offsets: [OffsetMap, OffsetMap | null][]): boolean {
    const lowered = offsets.map(([partition, offset]): [string, string | null] => [toJson(partition), offset === null ? null : toJson(offset)]);
    return ask(() => this.resource.alterOffsets(entries(this.config), lowered));
  }
}

/** A sink's connector under test. */
export class SinkConnectorDriver extends ConnectorDriver<SinkConnectorResource> {
  constructor(plugin: Plugin, config: ConfigObject) {
    super(ask(() => exportsOf(plugins(plugin)).sinkApi.SinkConnector.create(plugin.definition.class)), config);
  }

  alterOffsets(...offsets: [TopicPartition, number | null][]): boolean {
    const lowered = offsets.map(([partition, offset]) => [partition, offset === null ? null : { ...partition, offset: split(offset) }] as [TopicPartition, null]);
    return ask(() => this.resource.alterOffsets(entries(this.config), lowered));
  }
}

/** What became of records. */
export interface Applied {
  /** Records that are still under way. */
  records: MadeRecord[];
  errors: RowFailure[];
  /** Whether the batch was changed at all. */
  changed: boolean;
}

/** Transforms under test. */
export class ChainDriver {
  readonly #chain;

  constructor(carried: Plugins, links: { class: string; config?: ConfigObject; condition?: { class: string; config?: ConfigObject; negate?: boolean } }[]) {
    const { Chain } = exportsOf(carried).transformApi;
    const specs = links.map(({ class: name, config = {}, condition }) => ({
      class: name,
      config: entries(config),
      condition: condition === undefined ? null : { class: condition.class, config: entries(condition.config ?? {}), negate: condition.negate ?? false },
    }));
    this.#chain = ask(() => Chain.create(specs));
  }

  static of(plugin: Plugin, config: ConfigObject): ChainDriver {
    return new ChainDriver(plugins(plugin), [{ class: plugin.definition.class, config }]);
  }

  /** Runs over records, or over those whose numbers are in `only`. */
  apply(records: readonly ConnectRecord[], only: readonly number[] | null = null): Applied {
    return this.applyBatch(batchFor(records), only);
  }

  /** Runs over a batch. */
  applyBatch(batch: Batch, only: readonly number[] | null = null): Applied {
    const bytes = batch.write().slice();
    let bitmap: Uint8Array | null = null;
    if (only !== null) {
      bitmap = new Uint8Array((batch.rows + 7) >> 3);
      for (const row of only) bitmap[row >> 3]! |= 1 << (row & 7);
    }
    const { changed, errors } = ask(() => this.#chain.apply(bytes, bitmap));
    return { records: recordsOf(checkedBatch(changed === null ? bytes : changed.slice())), errors: failures(errors), changed: changed !== null };
  }
}

/** A predicate under test. */
export class PredicateDriver {
  readonly #predicate;

  constructor(plugin: Plugin, config: ConfigObject) {
    const { Predicate } = exportsOf(plugins(plugin)).predicateApi;
    this.#predicate = ask(() => Predicate.create(plugin.definition.class, entries(config)));
  }

  /** For each record whether it holds, or why that cannot be said. */
  test(records: readonly ConnectRecord[]): (boolean | PluginError)[] {
    const { holds, errors } = ask(() => this.#predicate.test(batchFor(records).write()));
    const failed = new Map(failures(errors).map(({ row, error }) => [row, error]));
    return records.map((_, row) => failed.get(row) ?? ((holds[row >> 3]! >> (row & 7)) & 1) === 1);
  }
}

/** What became of one key, value or header: data or bytes, or why there are none. */
export type Converted = { value: Value; schema: Schema | null } | PluginError;

/** A converter under test. */
export class ConverterDriver {
  readonly #converter;

  constructor(
    plugin: Plugin,
    config: ConfigObject,
    readonly role: ConverterRole,
  ) {
    const { Converter } = exportsOf(plugins(plugin)).converterApi;
    this.#converter = ask(() => Converter.create(plugin.definition.class, entries(config), role));
  }

  /** Data of bytes, one by one. */
  toConnect(...bytes: (Uint8Array | null)[]): Converted[] {
    return this.#run(bytes.map((value) => ({ value })), (batch) => this.#converter.toConnect(batch));
  }

  /** Bytes of data, one by one. */
  fromConnect(...data: Datum[]): (Uint8Array | null | PluginError)[] {
    return this.#run(data, (batch) => this.#converter.fromConnect(batch)).map((made) => (made instanceof Error ? made : (made.value as Uint8Array | null)));
  }

  #run(data: Datum[], convert: (batch: Uint8Array) => { changed: Uint8Array | null; errors: ReportedRowError[] }): Converted[] {
    const batch = new Batch(data.length);
    batch.set(Role.TOPIC, Column.constantText(data.length, 'topic'));
    if (this.role === 'header') {
      const records = data.map(({ value, schema = null }) => ({ topic: 'topic', value: null, headers: [{ key: 'header', value, schema }] }));
      const made = batchFor(records);
      batch.set(Role.HEADERS, made.get(Role.HEADERS)!);
      batch.schemas = made.schemas;
    } else batch.setSide(this.role, encodeUnion(data.map(({ schema = null }) => schema), data.map(({ value }) => value as Value), null, batch.schemas));
    const bytes = batch.write().slice();
    const { changed, errors } = ask(() => convert(bytes));
    const result = checkedBatch(changed === null ? bytes : changed.slice());
    const failed = new Map(failures(errors).map(({ row, error }) => [row, error]));
    const headers = result.get(Role.HEADERS);
    const side = this.role === 'header' ? null : result.read(this.role);
    return data.map((_, row): Converted => {
      const failure = failed.get(row);
      if (failure !== undefined) return failure;
      if (side !== null) return { value: side.values[row]!, schema: side.schemas[row]! };
      const [header] = readHeaders(headers!, row, result.schemas, false);
      return { value: header!.value as Value, schema: header!.schema ?? null };
    });
  }
}

