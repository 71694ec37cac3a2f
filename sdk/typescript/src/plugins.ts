/**
 * What a plugin is: declared once by one of the functions {@link source}, {@link sink}, {@link transform}, {@link predicate},
 * {@link converter} and {@link headerConverter}, and listed in {@link plugins}, the default export of `src/index`.
 */

import type { Batch } from './batch/batch';
import type { ConfigMap, ConfigOf, Keys } from './config';
import type { ConnectorContext, OffsetMap, SinkContext, SourceContext, TopicOffset, TopicPartition } from './context';
import type { Replacement, Records } from './records';
import type { SinkRecord, SourceRecord, TransformRecord } from './record';
import type { Schema } from './schema';
import type { Int64 } from './values';
import type { HostColumn, HostTable } from './table';
import type { Verdict } from './verdict';

/** What a component carries. */
export type PluginKind = 'source' | 'sink' | 'transform' | 'predicate' | 'converter' | 'header_converter';

/** What users see of any plugin. */
export interface PluginInfo<K extends Keys> {
  /** The name that users write in `connector.class`, `transforms.x.type` and so on: `org.example.Shout`. */
  class: string;
  /** Further names beside those that the host derives: without its package, and without `Connector`, `SinkConnector`, …. */
  aliases?: readonly string[];
  version?: string;
  /** What the plugin does, in Markdown. */
  doc?: string;
  /** The keys, in the order they are to be shown. */
  config?: K;
}

interface ConnectorInfo<K extends Keys> extends PluginInfo<K> {
  /** Class name shown for the task; derived from `class` if not said. */
  taskClass?: string;
  /** Lets tasks ask for the {@link Lease} of their connector. */
  wantsLease?: boolean;
  /** Checks beyond the declarations, before anything is started: keys at fault, each with a text or several. */
  validate?(config: ConfigMap): Readonly<Record<string, string | readonly string[] | undefined>> | null | undefined | void;
}

/** The part of a connector that divides the work. It moves no records itself. */
export interface Connector {
  /** Configurations for at most `maxTasks` tasks. Called again whenever the connector asks for it. */
  taskConfigs?(maxTasks: number): Iterable<ConfigMap>;
  stop?(): void;
}

/** How much one `poll` may bring, and how long it may take. */
export interface PollLimits {
  maxRecords: number;
  /** Roughly: keys, values and headers together. */
  maxBytes: number;
  /** Return nothing if there is nothing by then. */
  maxWaitMs: number;
}

/** What a connector says about a guarantee. */
export type Support = 'supported' | 'unsupported' | 'unknown';

/** A source task: brings records in. One call at a time. */
export interface SourceTask {
  /**
   * The next records, or columns; nothing if there are none. May {@link wait} for them for up to `limits.maxWaitMs`. A
   * {@link RetriableError} counts as nothing, any other error ends the task.
   */
  poll(limits: PollLimits): Iterable<SourceRecord> | Batch | HostTable | null | undefined | void;
  /** Rows that have ended, in the order of `poll`: for sources with `wantsCommitted`. */
  committed?(rows: CommittedRow[]): void;
  /** Offsets of everything that ended before are stored. */
  commit?(): void;
  stop?(): void;
}

/** A row of a poll that has ended. */
export interface CommittedRow {
  topic: string;
  /** Null, with the offset, for a record that was filtered or skipped. */
  partition: number | null;
  offset: Int64 | null;
}

/** A source: {@link source}. */
export interface SourceDefinition<K extends Keys> extends ConnectorInfo<K> {
  /** Asks for `committed` to be called, which costs a call per batch. */
  wantsCommitted?: boolean;
  /** The part that divides the work, started; without it there is one task with the connector's own configuration. */
  connector?(config: ConfigOf<K>, context: ConnectorContext): Connector;
  /** A task, started with one of the configurations that the connector made. */
  task(config: ConfigOf<K>, context: SourceContext): SourceTask;
  /** Whether each record arrives exactly once: a stored offset says from where the same records come again. */
  exactlyOnceSupport?(config: ConfigMap): Support;
  /** Whether its tasks say where transactions end: {@link SourceContext.transaction}. */
  canDefineTransactionBoundaries?(config: ConfigMap): Support;
  /** Accepts or refuses (by throwing) offsets that a user sets; null resets. True if nothing outside of the worker has to follow. */
  alterOffsets?(config: ConfigMap, offsets: [OffsetMap, OffsetMap | null][]): boolean;
}

/** How a plugin gets its batches: as bytes, or with `columns` by {@link HostTable}. */
export interface GetsBatches {
  batches?: 'bytes' | 'columns';
}

/** A sink task: takes records out. One call at a time. */
export interface SinkTask {
  /** Partitions newly assigned. A sink that keeps its offsets in its target seeks here. */
  open?(partitions: TopicPartition[]): void;
  /**
   * Takes the next records; there may be none. After a failure the same may come again. A {@link RetriableError} makes the
   * host pass the same again, any other error fails the task; what can never be written goes to {@link SinkContext.report}.
   */
  put?(records: SinkRecord[]): void;
  /** As `put`, for columns. Rows that are not selected are none of the sink's business. */
  putBatch?(records: Batch): void;
  /** As `put`, with the host's columns (`batches: 'columns'`). One of the three has to be there. */
  putTable?(records: HostTable): void;
  /** Makes everything taken so far durable; offsets are committed when it returns. */
  flush?(): void;
  /** Flushes, and returns the offsets that may be committed: nothing for all of those given, an empty list for none. */
  preCommit?(offsets: TopicOffset[]): TopicOffset[] | null | undefined | void;
  /** Partitions revoked or given up. */
  close?(partitions: TopicPartition[]): void;
  stop?(): void;
}

/** A sink: {@link sink}. */
export interface SinkDefinition<K extends Keys> extends ConnectorInfo<K>, GetsBatches {
  /** The part that divides the work; without it each task gets the connector's own configuration. */
  connector?(config: ConfigOf<K>, context: ConnectorContext): Connector;
  task(config: ConfigOf<K>, context: SinkContext): SinkTask;
  /** Accepts or refuses (by throwing) offsets that a user sets; null resets. True if nothing outside of the worker has to follow. */
  alterOffsets?(config: ConfigMap, offsets: [TopicPartition, TopicOffset | null][]): boolean;
  /** Whether numbers without a schema say their type. */
  exact?: boolean;
}

/** A transform ready for use by one task. One of the functions has to be there. */
export interface Transform {
  /** The record changed, several that it becomes, or nothing, which drops it. What it throws fails that record alone. */
  apply?(record: TransformRecord): Replacement;
  /** Changes the active rows of a batch: the fast way, column by column. What it throws fails the task. */
  applyBatch?(records: Records): void;
  /** Changes a table that the host holds (`batches: 'columns'`): only its rows in focus are meant, and others cannot be changed. */
  applyTable?(table: HostTable): void;
}

/** A transform: {@link transform}. */
export interface TransformDefinition<K extends Keys> extends PluginInfo<K>, GetsBatches {
  create(config: ConfigOf<K>): Transform;
  /** Whether numbers without a schema say their type. */
  exact?: boolean;
}

/** A predicate ready for use by one task. One of the functions has to be there. */
export interface Predicate {
  /** Whether it holds for a record. What it throws fails that record alone. */
  test?(record: TransformRecord): boolean;
  /** Says for each selected row whether it holds. */
  testBatch?(records: Batch, verdict: Verdict): void;
  /** The condition: a column of booleans (`batches: 'columns'`). Null and absent are false. */
  testTable?(table: HostTable): HostColumn;
}

/** A predicate: {@link predicate}. */
export interface PredicateDefinition<K extends Keys> extends PluginInfo<K>, GetsBatches {
  create(config: ConfigOf<K>): Predicate;
  exact?: boolean;
}

/** What a converter works on. */
export type ConverterRole = 'key' | 'value' | 'header';

/** What is being converted. */
export interface Subject {
  /** Topic of the record. */
  topic: string;
  /** Key of the header, when headers are converted. */
  header: string | null;
}

/** Data with its schema, if it has one. */
export interface Datum {
  value: any;
  schema?: Schema | null;
}

/** A converter ready for use by one task: the first two functions, or the others. */
export interface Converter {
  /** Data of some bytes. What it throws fails that record alone. */
  toConnect?(bytes: Uint8Array | null, subject: Subject): Datum;
  /** Bytes of data; text is written as UTF-8. */
  fromConnect?(value: any, schema: Schema | null, subject: Subject): Uint8Array | string | null;
  /** Replaces the bytes of the active rows by data. */
  toConnectBatch?(records: Records): void;
  /** Replaces the data of the active rows by bytes. */
  fromConnectBatch?(records: Records): void;
  /** The same in a table that the host holds (`batches: 'columns'`). */
  toConnectTable?(table: HostTable): void;
  fromConnectTable?(table: HostTable): void;
}

/** A converter: {@link converter} and {@link headerConverter}. */
export interface ConverterDefinition<K extends Keys> extends PluginInfo<K>, GetsBatches {
  create(config: ConfigOf<K>, role: ConverterRole): Converter;
  exact?: boolean;
}

/** Definitions by kind. */
export interface Definitions {
  source: SourceDefinition<any>;
  sink: SinkDefinition<any>;
  transform: TransformDefinition<any>;
  predicate: PredicateDefinition<any>;
  converter: ConverterDefinition<any>;
  header_converter: ConverterDefinition<any>;
}

/** A declared plugin. */
export type Plugin = { [Kind in PluginKind]: { readonly kind: Kind; readonly definition: Definitions[Kind] } }[PluginKind];

/** Declares a source. */
export const source = <K extends Keys = {}>(definition: SourceDefinition<K>): Plugin => ({ kind: 'source', definition });
/** Declares a sink. */
export const sink = <K extends Keys = {}>(definition: SinkDefinition<K>): Plugin => ({ kind: 'sink', definition });
/** Declares a transform. */
export const transform = <K extends Keys = {}>(definition: TransformDefinition<K>): Plugin => ({ kind: 'transform', definition });
/** Declares a predicate. */
export const predicate = <K extends Keys = {}>(definition: PredicateDefinition<K>): Plugin => ({ kind: 'predicate', definition });
/** Declares a converter of keys and values. */
export const converter = <K extends Keys = {}>(definition: ConverterDefinition<K>): Plugin => ({ kind: 'converter', definition });
/** Declares a converter of headers. */
export const headerConverter = <K extends Keys = {}>(definition: ConverterDefinition<K>): Plugin => ({ kind: 'header_converter', definition });

/** All plugins of a component: the default export of `src/index`. */
export class Plugins {
  constructor(readonly list: readonly Plugin[]) {}
}

/** Lists the plugins of a component. Throws for what is declared wrongly, which stops the build. */
export function plugins(...list: Plugin[]): Plugins {
  if (list.length === 0) throw new TypeError('plugins(...) lists no plugin');
  const seen = new Set<string>();
  for (const plugin of list) {
    if (typeof plugin?.definition?.class !== 'string') throw new TypeError('plugins(...) lists what source(), sink(), transform(), predicate(), converter() and headerConverter() return');
    const { kind, definition } = plugin;
    const name = `${kind} ${definition.class}`;
    if (seen.has(name)) throw new TypeError(`the ${name} is listed twice`);
    seen.add(name);
    const make = kind === 'source' || kind === 'sink' ? 'task' : 'create';
    if (typeof (definition as unknown as Record<string, unknown>)[make] !== 'function') throw new TypeError(`the ${name} has no function ${make}`);
    checkKeys(name, definition.config ?? {});
  }
  return new Plugins(list);
}

function checkKeys(name: string, keys: Keys): void {
  const seen = new Set<string>();
  for (const [property, key] of Object.entries(keys)) {
    if (typeof key?.parts?.name !== 'string') throw new TypeError(`the ${name}: config.${property} is no key: declare it with key.string('…') and the like`);
    if (seen.has(key.parts.name)) throw new TypeError(`the ${name}: key ${key.parts.name} is declared twice`);
    seen.add(key.parts.name);
  }
}
