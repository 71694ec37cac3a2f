/**
 * Work on whole columns that the host does for the plugin (`host-columns`): no bytes of records come into the component, and
 * nothing is interpreted row by row. The contract's own comments say what each operation does, and when it fails.
 *
 * For plugins declared with `batches: 'columns'`. Tables and columns mean something until the running call returns. Only a
 * worker has them: in a test without one every operation throws, and says so.
 */

import { Batch } from './batch/batch';
import type { ErrorKind } from './errors';
import { host, type HostColumns } from './host';

const ask = (): HostColumns => host().columns;

/** A column that the host holds: a value, null or nothing for each row of a table. It never changes. */
export class HostColumn {
  constructor(
    /** The host's number for it. */
    readonly id: number,
  ) {}

  static texts(values: readonly (string | null)[]): HostColumn {
    return new HostColumn(ask().fromTexts([...values]));
  }

  /** FLOAT64; {@link cast} makes other numbers of them. */
  static numbers(values: readonly (number | null)[]): HostColumn {
    return new HostColumn(ask().fromNumbers([...values]));
  }

  static booleans(values: readonly (boolean | null)[]): HostColumn {
    return new HostColumn(ask().fromBooleans([...values]));
  }

  /** Values as JSON, under a schema in the JsonConverter's form or without one. */
  static json(values: readonly unknown[], schema: object | null = null): Made {
    return Made.of(ask().fromJson(JSON.stringify(values), schema === null ? null : JSON.stringify(schema)));
  }

  /** Values as JSON, each under the schema of the same row of another column. */
  static jsonLike(values: readonly unknown[], like: HostColumn): Made {
    return Made.of(ask().fromJsonLike(JSON.stringify(values), like.id));
  }

  /** The same value in every row. */
  static constant(value: unknown): HostColumn {
    return new HostColumn(typeof value === 'string' ? ask().constantText(value) : ask().constant(JSON.stringify(value ?? null)));
  }

  /** Nothing in any row. */
  static absent(): HostColumn {
    return new HostColumn(ask().absent());
  }

  /** The host's clock, with the schema of a Timestamp. */
  static now(): HostColumn {
    return new HostColumn(ask().now());
  }

  /** Texts one behind the other, with a separator in between. */
  static concat(columns: readonly HostColumn[], separator = ''): HostColumn {
    return new HostColumn(ask().concat(ids(columns), separator));
  }

  /** The first of the columns that is not null or absent in a row. */
  static coalesce(...columns: HostColumn[]): HostColumn {
    return new HostColumn(ask().coalesce(ids(columns)));
  }

  /** Structs of columns, or maps if one of them has data without a schema. */
  static pack(fields: Readonly<Record<string, HostColumn>>, name: string | null = null): HostColumn {
    return new HostColumn(ask().pack(Object.keys(fields), ids(Object.values(fields)), name));
  }

  /** Values of one column where a condition holds, else of another. */
  static choose(condition: HostColumn, holds: HostColumn, otherwise: HostColumn): HostColumn {
    return new HostColumn(ask().choose(condition.id, holds.id, otherwise.id));
  }

  /** Each value as text; nothing is null. */
  toTexts(): (string | null)[] {
    return ask().texts(this.id);
  }

  /** Numbers, and instants in milliseconds. */
  toNumbers(): (number | null)[] {
    return ask().numbers(this.id);
  }

  toBooleans(): (boolean | null)[] {
    return ask().booleans(this.id);
  }

  /** All values, read from one text of JSON: the fastest way to look at maps and structs. */
  toValues(): any[] {
    return JSON.parse(ask().toJson(this.id)) as any[];
  }

  /** How many rows it has, a constant 1. */
  get length(): number {
    return ask().length(this.id);
  }

  /** What it holds: for each schema that occurs `{ rows, schema, type }`. */
  about(): { rows: number; schema: any; type: string }[] {
    return JSON.parse(ask().about(this.id));
  }

  /** It is not needed any more. */
  release(): void {
    ask().release([this.id]);
  }

  /** Values as another type: `int8` … `float64`, `boolean`, `string`, `date`, `time`, `timestamp`. */
  cast(to: string): Made {
    return Made.of(ask().cast(this.id, to));
  }

  /** Bytes as text: `utf-8`, `base64` or `hex`. */
  toText(encoding: string): Made {
    return Made.of(ask().toText(this.id, encoding));
  }

  /** Text as bytes. */
  toBytes(encoding: string): Made {
    return Made.of(ask().toBytes(this.id, encoding));
  }

  /** Each text as the JSON that it holds. */
  parseJson(schema: object | null = null): Made {
    return Made.of(ask().parseJson(this.id, schema === null ? null : JSON.stringify(schema)));
  }

  /** Each value as a text of JSON. */
  writeJson(): HostColumn {
    return new HostColumn(ask().writeJson(this.id));
  }

  /** The same values without their schemas. */
  schemaless(): HostColumn {
    return new HostColumn(ask().schemaless(this.id));
  }

  upper(): HostColumn {
    return new HostColumn(ask().upper(this.id));
  }

  lower(): HostColumn {
    return new HostColumn(ask().lower(this.id));
  }

  trim(): HostColumn {
    return new HostColumn(ask().trim(this.id));
  }

  /** Characters are Unicode code points. */
  substring(start: number, count: number | null = null): HostColumn {
    return new HostColumn(ask().substring(this.id, start, count));
  }

  /** How many characters. */
  characters(): HostColumn {
    return new HostColumn(ask().characters(this.id));
  }

  /** Replaces what a regular expression of Java's finds: all, or the first. */
  replace(pattern: string, replacement: string, all = true): HostColumn {
    return new HostColumn(ask().replace(this.id, pattern, replacement, all));
  }

  /** What a group of a regular expression of Java's found first. */
  extract(pattern: string, group: number): HostColumn {
    return new HostColumn(ask().extract(this.id, pattern, group));
  }

  /** Where a regular expression of Java's finds something. */
  matches(pattern: string): HostColumn {
    return new HostColumn(ask().matches(this.id, pattern));
  }

  /** Where a text has another in it. */
  contains(text: HostColumn | string): HostColumn {
    return new HostColumn(ask().contains(this.id, operand(text).id));
  }

  /** A digest in hexadecimal digits: `sha-256` or `sha-512`. */
  hash(algorithm: string): HostColumn {
    return new HostColumn(ask().hash(this.id, algorithm));
  }

  add(right: HostColumn | number): HostColumn {
    return new HostColumn(ask().add(this.id, operand(right).id));
  }

  subtract(right: HostColumn | number): HostColumn {
    return new HostColumn(ask().subtract(this.id, operand(right).id));
  }

  multiply(right: HostColumn | number): HostColumn {
    return new HostColumn(ask().multiply(this.id, operand(right).id));
  }

  divide(right: HostColumn | number): HostColumn {
    return new HostColumn(ask().divide(this.id, operand(right).id));
  }

  remainder(right: HostColumn | number): HostColumn {
    return new HostColumn(ask().remainder(this.id, operand(right).id));
  }

  equal(right: HostColumn | string | number | boolean): HostColumn {
    return new HostColumn(ask().equal(this.id, operand(right).id));
  }

  less(right: HostColumn | string | number): HostColumn {
    return new HostColumn(ask().less(this.id, operand(right).id));
  }

  atMost(right: HostColumn | string | number): HostColumn {
    return new HostColumn(ask().atMost(this.id, operand(right).id));
  }

  /** Where there is null or nothing. */
  isNull(): HostColumn {
    return new HostColumn(ask().isNull(this.id));
  }

  /** Where there is something, be it null. */
  isPresent(): HostColumn {
    return new HostColumn(ask().isPresent(this.id));
  }

  and(right: HostColumn): HostColumn {
    return new HostColumn(ask().both(this.id, right.id));
  }

  or(right: HostColumn): HostColumn {
    return new HostColumn(ask().either(this.id, right.id));
  }

  not(): HostColumn {
    return new HostColumn(ask().inverse(this.id));
  }
}

const ids = (columns: readonly HostColumn[]) => columns.map(({ id }) => id);
const operand = (value: HostColumn | string | number | boolean) => (value instanceof HostColumn ? value : HostColumn.constant(value));

/** What was made, where not every value can be converted. */
export class Made {
  constructor(
    /** Null where it could not be done. */
    readonly column: HostColumn,
    /** Why not: texts, absent for all other rows; null if all could be done. */
    readonly failed: HostColumn | null,
  ) {}

  static of({ column, failed }: { column: number; failed: number | null }): Made {
    return new Made(new HostColumn(column), failed === null ? null : new HostColumn(failed));
  }
}

/** What is done about rows that fail, where the table is not what the call returns. */
export type OnFail = (messages: (string | null)[], kind: ErrorKind, className: string) => void;

/** A batch that the host has open for editing. */
export class HostTable {
  constructor(
    /** The host's number for it. */
    readonly id: number,
    readonly link = 0,
    readonly onFail: OnFail | null = null,
    readonly onRepeat: ((olds: number[]) => void) | null = null,
  ) {}

  /** The batch of the running call. */
  static input(): HostTable {
    return new HostTable(ask().input());
  }

  /** The batch that a query brought last. */
  static queried(): HostTable {
    return new HostTable(ask().queried());
  }

  /** So many rows without anything: for sources, whose `poll` returns the table. */
  static make(rows: number): HostTable {
    return new HostTable(ask().make(rows));
  }

  /** A table of a batch. */
  static read(batch: Batch): HostTable {
    return new HostTable(ask().read(batch.write()));
  }

  /** The table as a batch. */
  toBatch(): Batch {
    return Batch.open(ask().write(this.id));
  }

  /** Rows, also those that are not under way. */
  get rows(): number {
    return ask().rows(this.id);
  }

  /** Where rows are under way, and in focus. */
  selected(): HostColumn {
    return new HostColumn(ask().selected(this.id));
  }

  /** Limits what follows to rows for which a condition holds; null ends that. */
  focus(condition: HostColumn | null): void {
    ask().focus(this.id, condition === null ? null : condition.id);
  }

  /** Filters rows for which the condition does not hold. */
  keep(condition: HostColumn): void {
    ask().keep(this.id, condition.id);
  }

  /** Fails the rows that have a message. */
  fail(messages: HostColumn | null, kind: ErrorKind = 'data', className = ''): void {
    if (messages === null) return;
    if (this.onFail !== null) this.onFail(messages.toTexts(), kind, className);
    else ask().fail(this.id, messages.id, this.link, kind, className);
  }

  /** Fails the rows that could not be made, and returns the column. */
  checked(made: Made, kind: ErrorKind = 'data', className = ''): HostColumn {
    this.fail(made.failed, kind, className);
    return made.column;
  }

  /** Makes of each row as many as said; 0 filters it. Returns the old row of each new one. */
  repeat(counts: readonly number[]): number[] {
    const olds = ask().repeat(this.id, [...counts]);
    this.onRepeat?.(olds);
    return olds;
  }

  /** What a path leads to, such as `'value', 'price'`; null if no row has it. */
  get(...path: string[]): HostColumn | null {
    const id = ask().get(this.id, path);
    return id === null ? null : new HostColumn(id);
  }

  /** Names of what there is below a path, in any row. */
  names(...path: string[]): string[] {
    return ask().names(this.id, path);
  }

  /** Puts a column where a path leads. */
  set(path: readonly string[], column: HostColumn): void {
    ask().set(this.id, [...path], column.id);
  }

  /** Takes out what a path leads to. */
  drop(...path: string[]): void {
    ask().drop(this.id, path);
  }

  /** Gives a field, or headers, another name. */
  rename(path: readonly string[], name: string): void {
    ask().rename(this.id, [...path], name);
  }

  /** The table is what the call returns. The SDK says it for what plugins return. */
  answer(): void {
    ask().answer(this.id);
  }
}

/** In `predicate.test`: where the predicate holds. */
export function answerVerdict(holds: HostColumn): void {
  ask().answerVerdict(holds.id, null);
}
