/**
 * A stand-in for the host, for tests that run in Node.
 *
 * ```ts
 * using harness = Harness.enter();
 * const file = harness.file('file', 'one\n');
 * const task = harness.sinkTask(totals, { file: 'totals.txt' });
 * task.put([{ topic: 't', key: 'a', value: 2 }]);
 * assert.equal(file.text, 'one\na=2\n');
 * ```
 *
 * What a plugin asks of the host goes to the harness, where a test prepares it and looks at it afterwards. Records pass
 * through batches as they do in a worker, with the checks that the host makes.
 */

import { takeBoundaries, type OffsetMap, type TopicOffset, type TopicPartition } from '../context';
import { FatalError, javaExceptions, type PluginError, raised, type ReportedError, type ReportedRowError } from '../errors';
import { type Boundary, type Host, type HostColumns, type HostPending, type HostReport, join, joinExact, setHost, split } from '../host';
import { httpError, type HttpRequest, type HttpResponse } from '../http';
import { toJson } from '../json';
import type { LogLevel } from '../log';
import type { ConverterRole, Plugin, Plugins } from '../plugins';
import { encodeUtf8 } from '../utf8';
import { TestDatabase } from './database';
import { ChainDriver, type ConfigObject, ConverterDriver, PredicateDriver, SinkTaskDriver, SourceConnectorDriver, SinkConnectorDriver, SourceTaskDriver } from './drivers';
import { TestFile } from './files';

export { TestDatabase, TestFile };
export { checkedBatch } from '../batch/check';
export type { Applied, ConfigObject, Converted, MadeRecord, RowFailure } from './drivers';

/** What a sink task has asked of the host. */
export interface SinkRequests {
  seeks: TopicOffset[][];
  /** Partitions that are paused now. */
  paused: TopicPartition[];
  /** The shortened time until the next `put`. */
  timeout: number | null;
  /** How often a commit was asked for. */
  commits: number;
  /** Rows reported as never to be written. */
  reported: { row: number; error: PluginError }[];
  /** Records written to topics, each with the key that names its topic. */
  written: { key: string; report: HostReport }[];
}

const noRequests = (): SinkRequests => ({ seeks: [], paused: [], timeout: null, commits: 0, reported: [], written: [] });

/** Columns are the host's work. */
const noColumns = new Proxy({} as HostColumns, {
  get: (_, name) => () => {
    throw new FatalError(`${String(name)}: columns are the host's work, which a test without a worker does not have: run the plugin in one`);
  },
});

/** The host of a test, from {@link enter} to {@link leave}. */
export class Harness {
  /** Lines that the plugin has logged. */
  readonly log: { level: LogLevel; message: string }[] = [];
  /** How long it has waited, wait by wait, in milliseconds. No time passes in fact. */
  readonly waits: number[] = [];
  /** How long it has said that there will be nothing. */
  readonly rests: number[] = [];
  /** Has every later wait return at once, because the task is to stop. */
  stopping = false;
  /** Whether the source task ends its transactions itself. */
  endsTransactions = false;
  /** Where the source task has asked for its transactions to end. */
  readonly boundaries: Boundary[] = [];
  /** Partitions assigned to the sink task. */
  assigned: TopicPartition[] = [];
  /** What the sink task has asked for. */
  readonly sink: SinkRequests = noRequests();
  /** Tolerates no errors: every report of a sink fails with this. */
  refuseReports: Error | null = null;
  /** How often task configurations were asked to be made anew. */
  reconfigurations = 0;
  /** Errors that the connector has raised. */
  readonly raisedErrors: PluginError[] = [];
  /** What owners of the lease have kept. */
  readonly kept = new Map<string, Uint8Array>();
  /** What the plugin has counted. */
  readonly metrics = new Map<string, { kind: 'counter' | 'gauge'; value: number }>();
  /** Pieces of work that are under way. */
  readonly progress = new Map<string, { done: number; total: number | null; unit: string }>();
  /** Answers the plugin's requests; it throws {@link httpError} for a request without an answer. */
  server: ((request: HttpRequest) => HttpResponse) | null = null;

  readonly #files = new Map<string, TestFile>();
  readonly #databases = new Map<string, TestDatabase>();
  readonly #offsets = new Map<string, string>();
  readonly #before: Host | null;
  #epoch = 0;
  #held: number | null = null;

  private constructor() {
    this.#before = setHost(this.#host());
  }

  /** Becomes the host. */
  static enter(): Harness {
    return new Harness();
  }

  /** Gives the place of the host back. `using` does it by itself. */
  leave(): void {
    takeBoundaries();
    setHost(this.#before);
  }

  [Symbol.dispose](): void {
    this.leave();
  }

  /** Lines that were logged, without their levels. */
  get messages(): string[] {
    return this.log.map(({ message }) => message);
  }

  /** Puts a file in place that the configuration value of `key` is taken to name. */
  file(key: string, content: Uint8Array | string = ''): TestFile {
    const file = new TestFile(content);
    this.#files.set(key, file);
    return file;
  }

  /** Puts a database in place that the configuration value of `key` is taken to name. */
  database(key: string): TestDatabase {
    const database = new TestDatabase();
    this.#databases.set(key, database);
    return database;
  }

  /** Stores an offset, as if the worker had stored it before. */
  storeOffset(partition: OffsetMap, offset: OffsetMap): void {
    this.#offsets.set(toJson(partition), toJson(offset));
  }

  /** Another task of the connector obtains the lease: whoever had it has lost it, and does not know yet. */
  takeLease(): void {
    this.#epoch++;
  }

  /** Starts a source task with a configuration as a user writes it. */
  sourceTask(plugin: Plugin, config: ConfigObject = {}): SourceTaskDriver {
    return new SourceTaskDriver(plugin, config);
  }

  /** Starts a sink task. */
  sinkTask(plugin: Plugin, config: ConfigObject = {}): SinkTaskDriver {
    return new SinkTaskDriver(plugin, config);
  }

  /** The connector of a source, not yet started. */
  sourceConnector(plugin: Plugin, config: ConfigObject = {}): SourceConnectorDriver {
    return new SourceConnectorDriver(plugin, config);
  }

  /** The connector of a sink, not yet started. */
  sinkConnector(plugin: Plugin, config: ConfigObject = {}): SinkConnectorDriver {
    return new SinkConnectorDriver(plugin, config);
  }

  /** One transform. */
  transform(plugin: Plugin, config: ConfigObject = {}): ChainDriver {
    return ChainDriver.of(plugin, config);
  }

  /** Transforms of a component, one behind the other: class names with their configurations, and predicates. */
  chain(plugins: Plugins, ...links: ConstructorParameters<typeof ChainDriver>[1]): ChainDriver {
    return new ChainDriver(plugins, links);
  }

  /** A predicate. */
  predicate(plugin: Plugin, config: ConfigObject = {}): PredicateDriver {
    return new PredicateDriver(plugin, config);
  }

  /** A converter. */
  converter(plugin: Plugin, config: ConfigObject = {}, role: ConverterRole = 'value'): ConverterDriver {
    return new ConverterDriver(plugin, config, role);
  }

  #lost(): PluginError {
    return new FatalError('another task has obtained the lease', { className: javaExceptions.fenced });
  }

  #checkEpoch(epoch: number): void {
    if (this.#held !== epoch || this.#epoch !== epoch) throw this.#lost();
  }

  #host(): Host {
    const opened = <T>(map: Map<string, T>, key: string, what: string): T => {
      const found = map.get(key);
      if (found === undefined) throw new FatalError(`the key ${key} opens no ${what}`);
      return found;
    };
    const samePartition = (one: TopicPartition, other: TopicPartition) => one.topic === other.topic && one.partition === other.partition;
    const { sink } = this;
    return {
      logEnabled: () => true,
      log: (level, message) => void this.log.push({ level, message }),
      wait: (ms) => {
        this.waits.push(ms);
        return this.stopping;
      },
      rest: (ms) => void this.rests.push(ms),
      readOffsets: (partitions) => partitions.map((partition) => this.#offsets.get(partition) ?? null),
      transactionsAvailable: () => this.endsTransactions,
      setBoundaries: (boundaries) => void this.boundaries.push(...boundaries),
      requestTaskReconfiguration: () => void this.reconfigurations++,
      raiseError: (error: ReportedError) => void this.raisedErrors.push(raised(error)),
      assignment: () => this.assigned,
      seek: (offsets) => void sink.seeks.push(offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: joinExact(offset) }))),
      pause: (partitions) => void sink.paused.push(...partitions),
      resume: (partitions) => void (sink.paused = sink.paused.filter((paused) => !partitions.some((partition) => samePartition(paused, partition)))),
      timeout: (ms) => void (sink.timeout = ms),
      requestCommit: () => void sink.commits++,
      report: (errors: ReportedRowError[]) => {
        if (this.refuseReports !== null) throw this.refuseReports;
        sink.reported.push(...errors.map(({ row, kind, class: className, message, field }) => ({ row, error: raised({ kind, class: className, message, causes: [] }, field) })));
      },
      writeReports: (key, reports) => void sink.written.push(...reports.map((report) => ({ key, report }))),
      openFile: (key) => this.#files.get(key)?.open() ?? null,
      obtainLease: () => {
        if (this.#held !== this.#epoch || this.#held === 0) this.#held = ++this.#epoch;
        return split(this.#held);
      },
      confirmLease: (epoch) => this.#checkEpoch(join(epoch, 'an epoch')),
      keptKeys: () => [...this.kept.keys()].sort(),
      readKept: (keys) => keys.map((key) => this.kept.get(key) ?? null),
      writeKept: (epoch, changes) => {
        this.#checkEpoch(join(epoch, 'an epoch'));
        for (const { key, value } of changes) {
          if (value === null) this.kept.delete(key);
          else this.kept.set(key, value);
        }
      },
      openDatabase: (key, options) => opened(this.#databases, key, 'database').open(options),
      startRequest: (request) => this.#answer(request),
      declareMetric: (name, kind) => {
        const known = this.metrics.get(name);
        if (known !== undefined && known.kind !== kind) throw new FatalError(`the metric ${name} is a ${known.kind}`);
        if (known === undefined) this.metrics.set(name, { kind, value: 0 });
      },
      count: (name, more) => this.#metric(name, 'counter', (value) => value + more),
      gauge: (name, value) => this.#metric(name, 'gauge', () => value),
      reportProgress: (what, now) => void (now === null ? this.progress.delete(what) : this.progress.set(what, now)),
      columns: noColumns,
    };
  }

  #metric(name: string, kind: 'counter' | 'gauge', next: (value: number) => number): void {
    const known = this.metrics.get(name) ?? { kind, value: 0 };
    if (known.kind !== kind) throw new FatalError(`the metric ${name} is a ${known.kind}`);
    this.metrics.set(name, { kind, value: next(known.value) });
  }

  /** Requests are answered when they are started, so that a test sees the order. */
  #answer(request: HttpRequest): HostPending {
    if (this.server === null) throw httpError('denied', `no server of the test answers ${request.method} ${request.url}`);
    const { server } = this;
    let answer: HttpResponse | null = null;
    let failure: unknown;
    try {
      answer = server(request);
    } catch (error) {
      failure = error;
    }
    return {
      wait: () => {
        if (answer === null) throw failure;
        return answer;
      },
    };
  }
}

/** A text as bytes, for what converters and files take. */
export const bytes = encodeUtf8;
