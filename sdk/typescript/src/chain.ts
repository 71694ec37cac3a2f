/** Making transforms, predicates and converters, and running neighbouring transforms in one call. */

import { Batch } from './batch/batch';
import { getBit, setBit } from './batch/bits';
import { nameOf } from './batch/variant';
import { type ConfigMap, parseConfig } from './config';
import { FatalError, type PluginError, raised, type ReportedRowError } from './errors';
import type { Converter, ConverterRole, Definitions, GetsBatches, PluginKind, Plugins } from './plugins';
import { type ConnectRecord, RecordView } from './record';
import { Records, type Replacement } from './records';
import { HostColumn, HostTable, type OnFail } from './table';
import { Verdict } from './verdict';

/** What a link of a chain is to be made of. */
export interface LinkSpec {
  class: string;
  config: ConfigMap;
  condition: { class: string; config: ConfigMap; negate: boolean } | null;
}

/** Finds a plugin by its kind and class name. */
export function find<Kind extends PluginKind>(plugins: Plugins, kind: Kind, className: string): Definitions[Kind] {
  const found = plugins.list.find((plugin) => plugin.kind === kind && plugin.definition.class === className);
  if (found === undefined) throw new FatalError(`this component has no class ${className} of the kind asked for`);
  return found.definition as Definitions[Kind];
}

/** Refuses what is no object with one of these functions. */
export function checkMade(made: unknown, what: string, ...functions: string[]): void {
  if (typeof made !== 'object' || made === null) throw new TypeError(`${what} returns an object with ${functions.join(' or ')}, not ${nameOf(made)}`);
  if (functions.every((name) => typeof (made as Record<string, unknown>)[name] !== 'function')) {
    throw new TypeError(`${what} returns an object without ${functions.join(' or ')}${typeof (made as { then?: unknown }).then === 'function' ? ': functions of plugins are not async' : ''}`);
  }
}

/** A transform over batches that the component has, and over tables of the host if it is made for them. */
interface RunTransform {
  run: (records: Records) => void;
  table: ((table: HostTable) => void) | null;
}

/** A predicate, likewise. */
export interface RunPredicate {
  run: (batch: Batch, verdict: Verdict) => void;
  table: ((table: HostTable) => HostColumn) | null;
}

function makeTransform(plugins: Plugins, className: string, config: ConfigMap): RunTransform {
  const definition = find(plugins, 'transform', className);
  const made = definition.create(parseConfig(definition.config ?? {}, config));
  checkMade(made, `create of ${className}`, 'apply', 'applyBatch', 'applyTable');
  if (made.applyTable !== undefined) {
    checkBatches(definition, className, 'applyTable');
    return { run: (records) => overTable(records, made.applyTable!), table: made.applyTable.bind(made) };
  }
  if (made.applyBatch !== undefined) return { run: (records) => made.applyBatch!(records), table: null };
  const apply = made.apply!.bind(made) as (record: ConnectRecord) => Replacement;
  return { run: (records) => records.replaceEach(definition.exact ?? false, apply), table: null };
}

/** Those who work on the host's columns say so in their declaration: it is how the host knows. */
function checkBatches(definition: GetsBatches, className: string, name: string): void {
  if (definition.batches !== 'columns') throw new TypeError(`${className} has ${name}: its declaration has to say batches: 'columns'`);
}

/** Runs a transform for tables over a batch that the component has: beside others in one chain. */
function overTable(records: Records, apply: (table: HostTable) => void): void {
  const failed: { row: number; error: PluginError }[] = [];
  let parents: number[] | null = null;
  const onFail: OnFail = (messages, kind, className) => {
    messages.forEach((message, row) => {
      if (message !== null) failed.push({ row, error: raised({ kind, class: className, message, causes: [] }) });
    });
  };
  const onRepeat = (olds: number[]) => {
    parents = olds.map((old) => (parents === null ? old : parents[old]!));
    // Rows are named by their new numbers from now on.
    failed.splice(0).forEach(({ row, error }) => olds.forEach((old, at) => old === row && failed.push({ row: at, error })));
  };
  const id = HostTable.read(records.batch).id;
  const table = new HostTable(id, 0, onFail, onRepeat);
  if (!records.allMatter) table.focus(HostColumn.booleans(Array.from({ length: records.rows }, (_, row) => records.isActive(row))));
  apply(table);
  table.focus(null);
  records.continueWith(table.toBatch(), parents);
  for (const { row, error } of failed) records.fail(row, error);
}

/** A predicate with its configuration. */
export function makePredicate(plugins: Plugins, className: string, config: ConfigMap): RunPredicate {
  const definition = find(plugins, 'predicate', className);
  const made = definition.create(parseConfig(definition.config ?? {}, config));
  checkMade(made, `create of ${className}`, 'test', 'testBatch', 'testTable');
  if (made.testTable !== undefined) {
    checkBatches(definition, className, 'testTable');
    const run = (batch: Batch, verdict: Verdict) => {
      condition(made.testTable!(HostTable.read(batch))).toBooleans().forEach((holds, row) => holds === true && verdict.set(row, true));
    };
    return { run, table: (table) => condition(made.testTable!(table)) };
  }
  if (made.testBatch !== undefined) return { run: (batch, verdict) => made.testBatch!(batch, verdict), table: null };
  const run = (batch: Batch, verdict: Verdict) => {
    const view = new RecordView(batch, definition.exact ?? false);
    for (let row = 0; row < batch.rows; row++) {
      if (!batch.isSelected(row)) continue;
      try {
        const holds: unknown = made.test!(view.record(row));
        if (typeof holds !== 'boolean') throw new TypeError(`a predicate returns true or false, not ${nameOf(holds)}`);
        if (holds) verdict.set(row, true);
      } catch (error) {
        verdict.fail(row, error);
      }
    }
    view.release();
  };
  return { run, table: null };
}

function condition(made: unknown): HostColumn {
  if (!(made instanceof HostColumn)) throw new TypeError(`testTable returns a column, not ${nameOf(made)}`);
  return made;
}

/** A converter with its configuration. */
export function makeConverter(plugins: Plugins, className: string, config: ConfigMap, role: ConverterRole): { converter: Converter; exact: boolean } {
  const isHeaders = role === 'header';
  const definition = isHeaders ? find(plugins, 'header_converter', className) : find(plugins, 'converter', className);
  const converter = definition.create(parseConfig(definition.config ?? {}, config), role);
  checkMade(converter, `create of ${className}`, 'toConnect', 'toConnectBatch', 'toConnectTable');
  checkMade(converter, `create of ${className}`, 'fromConnect', 'fromConnectBatch', 'fromConnectTable');
  if (converter.toConnectTable !== undefined) checkBatches(definition, className, 'toConnectTable');
  return { converter, exact: definition.exact ?? false };
}

interface Link {
  transform: RunTransform;
  condition: { predicate: RunPredicate; negate: boolean } | null;
}

/** A link of a chain that cannot be made. */
export class LinkFailure {
  constructor(
    readonly link: number,
    readonly error: unknown,
  ) {}
}

/** Transforms that run one after the other over each batch. */
export class Chain {
  readonly #links: Link[];

  /** Throws a {@link LinkFailure}. */
  constructor(plugins: Plugins, specs: readonly LinkSpec[]) {
    this.#links = specs.map((spec, number) => {
      try {
        const { condition } = spec;
        const transform = makeTransform(plugins, spec.class, spec.config);
        if (condition === null) return { transform, condition: null };
        return { transform, condition: { predicate: makePredicate(plugins, condition.class, condition.config), negate: condition.negate } };
      } catch (error) {
        throw new LinkFailure(number, error);
      }
    });
  }

  /** Whether the host keeps the batches: all transforms and predicates work on its tables. */
  get isOverTables(): boolean {
    return this.#links.every(({ transform, condition }) => transform.table !== null && (condition === null || condition.predicate.table !== null));
  }

  /** Runs the chain over the batch of the call, which the host keeps. */
  applyToInput(): void {
    const input = HostTable.input();
    this.#links.forEach(({ transform, condition }, link) => {
      const table = new HostTable(input.id, link);
      if (condition !== null) {
        const holds = condition.predicate.table!(table);
        const isFalse = HostColumn.coalesce(holds, HostColumn.constant(false)).not();
        table.focus(condition.negate ? isFalse : holds);
      }
      transform.table!(table);
      table.focus(null);
    });
    input.answer();
  }

  /** Runs the chain over the selected rows, or those of a bitmap. The batch is null if it was not changed. */
  apply(batch: Batch, only: Uint8Array | null = null): { changed: Batch | null; errors: ReportedRowError[] } {
    const records = new Records(batch);
    this.#links.forEach(({ transform, condition }, link) => {
      // The bitmap is over the rows that came in; rows may have become several since.
      let active = only === null ? null : records.inputsWhere((input) => getBit(only, input));
      if (condition !== null) active = limit(records, condition, link, active);
      records.limited(active, link, () => transform.run(records));
    });
    return { changed: records.changed ? records.batch : null, errors: records.errors };
  }
}

/** Takes out of the active rows where the transform is not to be applied. */
function limit(records: Records, { predicate, negate }: NonNullable<Link['condition']>, link: number, active: Uint8Array | null): Uint8Array {
  const verdict = new Verdict(records.rows);
  predicate.run(records.batch, verdict);
  records.limited(null, link, () => {
    // Rows that are not meant here cannot fail here either.
    for (const { row, error } of verdict.thrown) if (active === null || getBit(active, row)) records.fail(row, error);
  });
  const limited = active === null ? records.inputsWhere(() => true) : active;
  for (let row = 0; row < records.rows; row++) if (verdict.holds(row) === negate) setBit(limited, row, false);
  return limited;
}
