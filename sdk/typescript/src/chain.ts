/** Making transforms, predicates and converters, and running neighbouring transforms in one call. */

import { Batch } from './batch/batch';
import { getBit, setBit } from './batch/bits';
import { nameOf } from './batch/variant';
import { type ConfigMap, parseConfig } from './config';
import { FatalError, type ReportedRowError } from './errors';
import type { Converter, ConverterRole, Definitions, PluginKind, Plugins } from './plugins';
import { RecordView } from './record';
import { Records } from './records';
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

type RunTransform = (records: Records) => void;
type RunPredicate = (batch: Batch, verdict: Verdict) => void;

function makeTransform(plugins: Plugins, className: string, config: ConfigMap): RunTransform {
  const definition = find(plugins, 'transform', className);
  const made = definition.create(parseConfig(definition.config ?? {}, config));
  checkMade(made, `create of ${className}`, 'apply', 'applyBatch');
  if (made.applyBatch !== undefined) return (records) => made.applyBatch!(records);
  return (records) => records.replaceEach(definition.exact ?? false, (record) => made.apply!(record as Parameters<NonNullable<typeof made.apply>>[0]));
}

/** A predicate with its configuration. */
export function makePredicate(plugins: Plugins, className: string, config: ConfigMap): RunPredicate {
  const definition = find(plugins, 'predicate', className);
  const made = definition.create(parseConfig(definition.config ?? {}, config));
  checkMade(made, `create of ${className}`, 'test', 'testBatch');
  if (made.testBatch !== undefined) return (batch, verdict) => made.testBatch!(batch, verdict);
  return (batch, verdict) => {
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
}

/** A converter with its configuration. */
export function makeConverter(plugins: Plugins, className: string, config: ConfigMap, role: ConverterRole): { converter: Converter; exact: boolean } {
  const isHeaders = role === 'header';
  const definition = isHeaders ? find(plugins, 'header_converter', className) : find(plugins, 'converter', className);
  const converter = definition.create(parseConfig(definition.config ?? {}, config), role);
  checkMade(converter, `create of ${className}`, 'toConnect', 'toConnectBatch');
  checkMade(converter, `create of ${className}`, 'fromConnect', 'fromConnectBatch');
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

  /** Runs the chain over the selected rows, or those of a bitmap. The batch is null if it was not changed. */
  apply(batch: Batch, only: Uint8Array | null = null): { changed: Batch | null; errors: ReportedRowError[] } {
    const records = new Records(batch);
    this.#links.forEach(({ transform, condition }, link) => {
      // The bitmap is over the rows that came in; rows may have become several since.
      let active = only === null ? null : records.inputsWhere((input) => getBit(only, input));
      if (condition !== null) active = limit(records, condition, link, active);
      records.limited(active, link, () => transform(records));
    });
    return { changed: records.changed ? records.batch : null, errors: records.errors };
  }
}

/** Takes out of the active rows where the transform is not to be applied. */
function limit(records: Records, { predicate, negate }: NonNullable<Link['condition']>, link: number, active: Uint8Array | null): Uint8Array {
  const verdict = new Verdict(records.rows);
  predicate(records.batch, verdict);
  records.limited(null, link, () => {
    // Rows that are not meant here cannot fail here either.
    for (const { row, error } of verdict.thrown) if (active === null || getBit(active, row)) records.fail(row, error);
  });
  const limited = active === null ? records.inputsWhere(() => true) : active;
  for (let row = 0; row < records.rows; row++) if (verdict.holds(row) === negate) setBit(limited, row, false);
  return limited;
}
