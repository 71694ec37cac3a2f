/** Databases that configuration keys name: PostgreSQL, MySQL and MariaDB, SQLite. */

import { Batch } from './batch/batch';
import { raised, type PluginError } from './errors';
import { host, join, type HostDatabase, type HostParameter, type HostRows, type HostStatement } from './host';
import { Decimal } from './values';

/** A value for one `?`: how a text is to be read, as the contract lists it, or a value of JavaScript. */
export type SqlParameter = HostParameter | null | boolean | number | bigint | string | Uint8Array | Date | Decimal;

function lowered(parameter: SqlParameter): HostParameter {
  switch (typeof parameter) {
    case 'string':
      return { kind: 'string', value: parameter };
    case 'boolean':
      return { kind: 'boolean', value: String(parameter) };
    case 'bigint':
      return { kind: 'int64', value: String(parameter) };
    case 'number':
      return { kind: Number.isInteger(parameter) ? 'int64' : 'float64', value: String(parameter) };
  }
  if (parameter === null) return { kind: 'string', value: null };
  if (parameter instanceof Decimal) return { kind: 'decimal', value: parameter.toString() };
  if (parameter instanceof Date) return { kind: 'timestamp', value: instantText(parameter) };
  if (parameter instanceof Uint8Array) return { kind: 'bytes', value: Array.from(parameter, (byte) => byte.toString(16).padStart(2, '0')).join('') };
  return parameter;
}

/** A moment as the contract's instant text: seconds, a dot and nine digits. */
export function instantText(date: Date): string {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return `${seconds}.${String(ms - seconds * 1000).padStart(3, '0')}000000`;
}

/** A row that a statement refused. */
export interface RefusedRow {
  row: number;
  error: PluginError;
}

/**
 * A session at the database that the value of a configuration key names ({@link opens.sql}). It ends with {@link close}, or
 * with the instance; what was not committed is undone.
 *
 * `options` and filters are objects with the members that the contract lists (`host-sql` in `connect.wit`).
 */
export class Database {
  private constructor(readonly handle: HostDatabase) {}

  /** Opens a session. */
  static open(key: string, options: object = {}): Database {
    return new Database(host().openDatabase(key, JSON.stringify(options)));
  }

  /** Product, version, catalog, schema, quote and so on. */
  about(): any {
    return JSON.parse(this.handle.about());
  }

  /** The database's clock, as an instant text. */
  now(): string {
    return this.handle.now();
  }

  /** Tables that match a filter. */
  tables(filter: object = {}): any[] {
    return JSON.parse(this.handle.tables(JSON.stringify(filter)));
  }

  /** Columns, keys and kind of a table; null if there is no such table. */
  table(...name: string[]): any | null {
    const json = this.handle.table(JSON.stringify(name));
    return json === null ? null : JSON.parse(json);
  }

  /** Prepares a query without running it: its columns. */
  check(sql: string): any[] {
    return JSON.parse(this.handle.check(sql));
  }

  /** Runs a query with `?` placeholders. Until its rows are read or closed nothing else can be done with the database. */
  query(sql: string, parameters: readonly SqlParameter[] = [], options: object = {}): Rows {
    return new Rows(this.handle.query(sql, parameters.map(lowered), JSON.stringify(options)));
  }

  /** Runs a statement once; rows changed. */
  execute(sql: string, parameters: readonly SqlParameter[] = []): number {
    return join(this.handle.execute(sql, parameters.map(lowered)), 'the number of changed rows');
  }

  /** Prepares a statement for the rows of batches. */
  prepare(sql: string, bindings: readonly object[]): Statement {
    return new Statement(this.handle.prepare(sql, JSON.stringify(bindings)));
  }

  begin(): void {
    this.handle.begin();
  }

  commit(): void {
    this.handle.commit();
  }

  rollback(): void {
    this.handle.rollback();
  }

  /** Does something within a transaction, which is rolled back if it throws. */
  transaction<T>(work: () => T): T {
    this.begin();
    let result: T;
    try {
      result = work();
    } catch (error) {
      this.rollback();
      throw error;
    }
    this.commit();
    return result;
  }

  /** Listens to a channel of PostgreSQL. */
  listen(channel: string): void {
    this.handle.listen(channel);
  }

  /** Payloads of notifications that came since the last call. Does not wait. */
  notifications(): string[] {
    return this.handle.notifications();
  }

  /** Has the {@link rest} of the task end as soon as there is a notification. */
  endsRest(): boolean {
    return this.handle.endsRest();
  }

  /** Ends the session. */
  close(): void {
    this.handle.close();
  }

  /** For `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Rows of a query. */
export class Rows implements Iterable<any> {
  constructor(readonly handle: HostRows) {}

  /** The next rows as a batch whose values are structs; null at the end. */
  nextBatch(maxRows = 1000, maxBytes = 1 << 20): Batch | null {
    const bytes = this.handle.next(maxRows, maxBytes);
    return bytes === null ? null : Batch.open(bytes);
  }

  /** Row by row, each an object with a property for each column. */
  *[Symbol.iterator](): Iterator<any> {
    try {
      for (let batch = this.nextBatch(); batch !== null; batch = this.nextBatch()) yield* batch.read('value').values;
    } finally {
      this.close();
    }
  }

  /** Gives up the rows that were not read. */
  close(): void {
    this.handle.close();
  }

  /** For `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A statement that runs over the rows of batches. */
export class Statement {
  constructor(readonly handle: HostStatement) {}

  /** Runs it for the selected rows of a batch; of that of the running `put` where none is given. */
  run(records: Batch | null = null, only: Uint8Array | null = null): { changed: number; refused: RefusedRow[] } {
    const { changed, errors } = this.handle.run(records === null ? null : records.write(), only);
    const refused = errors.map(({ row, field, message, kind, class: className }) => ({ row, error: raised({ kind, class: className, message, causes: [] }, field) }));
    return { changed: join(changed, 'the number of changed rows'), refused };
  }

  close(): void {
    this.handle.close();
  }

  /** For `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A name as it stands in a statement: between quotes (`"` or a backtick: `about().quote` says which), those within it doubled. */
export function quoted(name: string, quote = '"'): string {
  return quote + name.replaceAll(quote, quote + quote) + quote;
}

