/** The contract's exports, for whatever a component carries. What is thrown within them becomes an error of the contract. */

import { Batch } from './batch/batch';
import { Role } from './batch/layout';
import { nameOf } from './batch/variant';
import { Chain, checkMade, find, LinkFailure, makeConverter, makePredicate, type RunPredicate } from './chain';
import { batchOf } from './collect';
import { ConfigMap, parseConfig, runChecks } from './config';
import { ConnectorContext, handOverBoundaries, SinkContext, SourceContext, type OffsetMap, type TopicOffset, type TopicPartition } from './context';
import { fromConnect, toConnect } from './convert';
import { describe } from './describe';
import { callError, FatalError, javaExceptions, type ReportedError, type ReportedRowError } from './errors';
import { joinExact, split, type WideOffset } from './host';
import { fromJson } from './json';
import type { CommittedRow, Connector, Converter, ConverterRole, Plugins, SinkDefinition, SinkTask, SourceDefinition, SourceTask, Support } from './plugins';
import { sinkRecords } from './record';
import { Records } from './records';
import { answerVerdict, HostTable } from './table';
import { Verdict } from './verdict';

/** A configuration as the contract has it. */
export type WitConfig = [string, string | null][];

export interface WitOutcome {
  changed: Uint8Array | null;
  errors: ReportedRowError[];
}

/** Runs a callback of the author's; what it throws is the call's error. */
function guarded<T>(work: () => T): T {
  try {
    const result = work();
    if (typeof result === 'object' && result !== null && typeof (result as { then?: unknown }).then === 'function') {
      throw new FatalError('a function of the plugin is async: the host waits for none; use the functions of the SDK, which wait by themselves');
    }
    return result;
  } catch (error) {
    throw callError(error);
  }
}

function started<T>(what: T | null): T {
  if (what === null) throw new FatalError('called before it was started', { className: javaExceptions.illegalState });
  return what;
}

const offsetOf = ({ topic, partition, offset }: WideOffset): TopicOffset => ({ topic, partition, offset: joinExact(offset) });
const wideOf = ({ topic, partition, offset }: TopicOffset): WideOffset => ({ topic, partition, offset: split(offset) });

/** What connectors of both kinds have. */
export class ConnectorBase {
  connector: Connector | null = null;
  originals = new ConfigMap();

  constructor(
    readonly definition: SourceDefinition<any> | SinkDefinition<any>,
    readonly tasksByDefault: (maxTasks: number) => number,
  ) {}

  validate(config: WitConfig): string {
    return guarded(() => {
      const map = new ConfigMap(config);
      const problems = new Map<string, string[]>();
      const add = (name: string, texts: readonly string[]) => problems.set(name, [...(problems.get(name) ?? []), ...texts]);
      for (const [name, text] of runChecks(this.definition.config ?? {}, map)) add(name, [text]);
      const own: unknown = this.definition.validate?.(map);
      if (own !== null && own !== undefined) {
        if (typeof own !== 'object' || Array.isArray(own)) throw new TypeError(`validate returns an object such as { key: 'what is wrong' }, not ${nameOf(own)}`);
        for (const [name, texts] of Object.entries(own)) add(name, typeof texts === 'string' ? [texts] : ((texts ?? []) as string[]));
      }
      return JSON.stringify([...problems].map(([name, errors]) => ({ name, errors })));
    });
  }

  start(config: WitConfig): void {
    guarded(() => {
      this.originals = new ConfigMap(config);
      const parsed = parseConfig(this.definition.config ?? {}, this.originals);
      this.connector = this.definition.connector === undefined ? {} : this.definition.connector(parsed, new ConnectorContext());
      if (typeof this.connector !== 'object' || this.connector === null) throw new TypeError(`connector returns an object such as { taskConfigs }, not ${nameOf(this.connector)}`);
    });
  }

  taskConfigs(maxTasks: number): WitConfig[] {
    return guarded(() => {
      const connector = started(this.connector);
      const configs = connector.taskConfigs === undefined ? new Array<ConfigMap>(this.tasksByDefault(maxTasks)).fill(this.originals) : [...connector.taskConfigs(maxTasks)];
      for (const config of configs) if (!(config instanceof ConfigMap)) throw new TypeError(`taskConfigs returns ConfigMaps, such as config.originals.with('task', '0'), not ${nameOf(config)}`);
      return configs.map((config) => config.entries());
    });
  }

  stop(): void {
    guarded(() => {
      const { connector } = this;
      this.connector = null;
      connector?.stop?.();
    });
  }
}

const SUPPORTS: readonly string[] = ['supported', 'unsupported', 'unknown'];

function checkedSupport(support: unknown): Support {
  if (!SUPPORTS.includes(support as string)) throw new TypeError(`expected 'supported', 'unsupported' or 'unknown', found ${JSON.stringify(support) ?? nameOf(support)}`);
  return support as Support;
}

/** The exports of a component that carries these plugins, by the names of the interfaces. */
export function exportsOf(plugins: Plugins) {
  class SourceConnector extends ConnectorBase {
    static create(className: string): SourceConnector {
      return guarded(() => new SourceConnector(find(plugins, 'source', className), () => 1));
    }

    exactlyOnceSupport(config: WitConfig): Support {
      return guarded(() => checkedSupport((this.definition as SourceDefinition<any>).exactlyOnceSupport?.(new ConfigMap(config)) ?? 'unknown'));
    }

    canDefineTransactionBoundaries(config: WitConfig): Support {
      return guarded(() => checkedSupport((this.definition as SourceDefinition<any>).canDefineTransactionBoundaries?.(new ConfigMap(config)) ?? 'unsupported'));
    }

    alterOffsets(config: WitConfig, offsets: [string, string | null][]): boolean {
      return guarded(() => {
        const lifted = offsets.map(([partition, offset]): [OffsetMap, OffsetMap | null] => [fromJson(partition) as OffsetMap, offset === null ? null : (fromJson(offset) as OffsetMap)]);
        return (this.definition as SourceDefinition<any>).alterOffsets?.(new ConfigMap(config), lifted) === true;
      });
    }
  }

  class SourceTaskResource {
    #task: SourceTask | null = null;

    constructor(readonly definition: SourceDefinition<any>) {}

    static create(className: string): SourceTaskResource {
      return guarded(() => new SourceTaskResource(find(plugins, 'source', className)));
    }

    start(config: WitConfig): void {
      guarded(() => {
        const { definition } = this;
        const task = definition.task(parseConfig(definition.config ?? {}, new ConfigMap(config)), new SourceContext());
        checkMade(task, `task of ${definition.class}`, 'poll');
        this.#task = task;
      });
    }

    poll(limits: { maxRecords: number; maxBytes: number; maxWaitMs: number }): Uint8Array | null {
      return guarded(() => {
        let batch: Batch | null;
        try {
          const made = started(this.#task).poll(limits);
          if (made instanceof HostTable) made.answer();
          batch = made instanceof HostTable ? null : polled(made);
        } catch (error) {
          handOverBoundaries(false);
          throw error;
        }
        handOverBoundaries(true);
        return batch === null || batch.rows === 0 ? null : batch.write();
      });
    }

    committed(rows: Uint8Array): void {
      guarded(() => {
        const task = started(this.#task);
        if (task.committed === undefined) return;
        const batch = Batch.open(rows);
        const list: CommittedRow[] = [];
        for (let row = 0; row < batch.rows; row++) {
          list.push({ topic: batch.topic(row) ?? '', partition: batch.integer(Role.PARTITION, row) as number | null, offset: batch.integer(Role.OFFSET, row) });
        }
        task.committed(list);
      });
    }

    commit(): void {
      guarded(() => started(this.#task).commit?.());
    }

    stop(): void {
      guarded(() => {
        const task = this.#task;
        this.#task = null;
        task?.stop?.();
      });
    }
  }

  class SinkConnector extends ConnectorBase {
    static create(className: string): SinkConnector {
      return guarded(() => new SinkConnector(find(plugins, 'sink', className), (maxTasks) => maxTasks));
    }

    alterOffsets(config: WitConfig, offsets: [TopicPartition, WideOffset | null][]): boolean {
      return guarded(() => {
        const lifted = offsets.map(([partition, offset]): [TopicPartition, TopicOffset | null] => [partition, offset === null ? null : offsetOf(offset)]);
        return (this.definition as SinkDefinition<any>).alterOffsets?.(new ConfigMap(config), lifted) === true;
      });
    }
  }

  class SinkTaskResource {
    #task: SinkTask | null = null;

    constructor(readonly definition: SinkDefinition<any>) {}

    static create(className: string): SinkTaskResource {
      return guarded(() => new SinkTaskResource(find(plugins, 'sink', className)));
    }

    start(config: WitConfig): void {
      guarded(() => {
        const { definition } = this;
        const task = definition.task(parseConfig(definition.config ?? {}, new ConfigMap(config)), new SinkContext());
        checkMade(task, `task of ${definition.class}`, 'put', 'putBatch', 'putTable');
        this.#task = task;
      });
    }

    open(partitions: TopicPartition[]): void {
      guarded(() => started(this.#task).open?.(partitions));
    }

    put(records: Uint8Array): void {
      guarded(() => {
        const task = started(this.#task);
        if (task.putTable !== undefined) return task.putTable(HostTable.input()) as unknown;
        const batch = Batch.open(records);
        const result: unknown = task.putBatch !== undefined ? task.putBatch(batch) : task.put!(sinkRecords(batch, this.definition.exact ?? false));
        return result;
      });
    }

    preCommit(offsets: WideOffset[]): WideOffset[] | null {
      return guarded(() => {
        const task = started(this.#task);
        if (task.preCommit === undefined) {
          const flushed: unknown = task.flush?.();
          if (typeof (flushed as { then?: unknown } | undefined)?.then === 'function') return flushed as never;
          return null;
        }
        const safe = task.preCommit(offsets.map(offsetOf)) ?? null;
        if (safe !== null && !Array.isArray(safe)) throw new TypeError(`preCommit returns an array of { topic, partition, offset }, or nothing, not ${nameOf(safe)}`);
        return safe === null ? null : safe.map(wideOf);
      });
    }

    close(partitions: TopicPartition[]): void {
      guarded(() => started(this.#task).close?.(partitions));
    }

    stop(): void {
      guarded(() => {
        const task = this.#task;
        this.#task = null;
        return task?.stop?.();
      });
    }
  }

  class ChainResource {
    constructor(readonly chain: Chain) {}

    static create(links: { class: string; config: WitConfig; condition: { class: string; config: WitConfig; negate: boolean } | null }[]): ChainResource {
      try {
        const specs = links.map(({ class: name, config, condition }) => ({
          class: name,
          config: new ConfigMap(config),
          condition: condition === null ? null : { ...condition, config: new ConfigMap(condition.config) },
        }));
        return new ChainResource(new Chain(plugins, specs));
      } catch (error) {
        const failure: { link: number; error: ReportedError } = error instanceof LinkFailure ? { link: error.link, error: callError(error.error) } : { link: 0, error: callError(error) };
        throw failure;
      }
    }

    apply(records: Uint8Array, only: Uint8Array | null): WitOutcome {
      return guarded(() => {
        if (records.length === 0 && this.chain.isOverTables) {
          this.chain.applyToInput();
          return { changed: null, errors: [] };
        }
        const { changed, errors } = this.chain.apply(Batch.open(records), only);
        return { changed: changed === null ? null : changed.write(), errors };
      });
    }
  }

  class PredicateResource {
    constructor(readonly predicate: RunPredicate) {}

    static create(className: string, config: WitConfig): PredicateResource {
      return guarded(() => new PredicateResource(makePredicate(plugins, className, new ConfigMap(config))));
    }

    test(records: Uint8Array): { holds: Uint8Array; errors: ReportedRowError[] } {
      return guarded(() => {
        const { run, table } = this.predicate;
        if (records.length === 0 && table !== null) {
          answerVerdict(table(HostTable.input()));
          return { holds: new Uint8Array(0), errors: [] };
        }
        const batch = Batch.open(records);
        const verdict = new Verdict(batch.rows);
        run(batch, verdict);
        return { holds: verdict.holdsFor, errors: verdict.errors };
      });
    }
  }

  class ConverterResource {
    constructor(
      readonly converter: Converter,
      readonly exact: boolean,
      readonly role: ConverterRole,
    ) {}

    static create(className: string, config: WitConfig, role: ConverterRole): ConverterResource {
      return guarded(() => {
        const { converter, exact } = makeConverter(plugins, className, new ConfigMap(config), role);
        return new ConverterResource(converter, exact, role);
      });
    }

    toConnect(batch: Uint8Array): WitOutcome {
      const { converter } = this;
      if (converter.toConnectTable !== undefined) return this.#overTable((table) => converter.toConnectTable!(table));
      return this.#convert(batch, (records) => toConnect(records, this.role, converter));
    }

    fromConnect(batch: Uint8Array): WitOutcome {
      const { converter } = this;
      if (converter.fromConnectTable !== undefined) return this.#overTable((table) => converter.fromConnectTable!(table));
      return this.#convert(batch, (records) => fromConnect(records, this.role, converter, this.exact));
    }

    #overTable(work: (table: HostTable) => void): WitOutcome {
      return guarded(() => {
        const table = HostTable.input();
        work(table);
        table.answer();
        return { changed: null, errors: [] };
      });
    }

    #convert(batch: Uint8Array, work: (records: Records) => void): WitOutcome {
      return guarded(() => {
        const records = new Records(Batch.open(batch));
        work(records);
        return { changed: records.changed ? records.batch.write() : null, errors: records.errors };
      });
    }
  }

  return {
    plugin: { describe: () => describe(plugins) },
    sourceApi: { SourceConnector, SourceTask: SourceTaskResource },
    sinkApi: { SinkConnector, SinkTask: SinkTaskResource },
    transformApi: { Chain: ChainResource },
    predicateApi: { Predicate: PredicateResource },
    converterApi: { Converter: ConverterResource },
  };
}

/** What a poll has returned, as a batch. */
export function polled(result: unknown): Batch | null {
  if (result === null || result === undefined || result instanceof Batch) return result ?? null;
  const isList = typeof result === 'object' && Symbol.iterator in result;
  if (!isList) throw new TypeError(`poll returns an array of records, a Batch or nothing, not ${nameOf(result)}`);
  return batchOf(result as Iterable<any>);
}
