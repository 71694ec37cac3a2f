/** A database that answers what a test has told it to, and remembers what it was asked. */

import { batchOf } from '../collect';
import { Batch } from '../batch/batch';
import { FatalError, rowError } from '../errors';
import { type HostDatabase, type HostParameter, split } from '../host';
import { sinkRecords } from '../record';
import { Schema } from '../schema';

/** What a plugin has asked of a database: the name of the function and what it was given. */
export type DatabaseCall = readonly [name: string, ...what: unknown[]];

const ABOUT = { product: 'postgresql', version: '15.0', catalog: 'db', schema: 'public', 'identifier.max': 63, quote: '"', separator: '.', dialect: 'PostgreSqlDatabaseDialect' };

/** A database that a test puts in place. Statements are known by their text: what is not told has no rows. */
export class TestDatabase {
  readonly calls: DatabaseCall[] = [];
  /** What `about` answers. */
  about: object = ABOUT;
  /** The database's clock, as an instant text. */
  clock = '0.000000000';
  /** What every list of tables is. */
  tables: object[] = [];
  /** Tables by their names, parts joined by dots. */
  readonly table = new Map<string, object>();
  /** Columns of queries. */
  readonly columns = new Map<string, object[]>();
  /** Rows that a query yields, each an object. */
  readonly rows = new Map<string, object[]>();
  readonly #failures = new Map<string, Error[]>();
  readonly #refusals = new Map<string, { row: number; error: unknown }[][]>();
  #notifications: string[] = [];
  #inTransaction = false;
  #listens = false;

  /** Has the next call fail that says so: the text of a statement, `open`, `begin`, `commit` or `rollback`. */
  fail(call: string, error: Error): void {
    this.#failures.set(call, [...(this.#failures.get(call) ?? []), error]);
  }

  /** Rows that the next run of a prepared statement refuses. */
  refuse(sql: string, rows: { row: number; error: unknown }[]): void {
    this.#refusals.set(sql, [...(this.#refusals.get(sql) ?? []), rows]);
  }

  /** Sends a notification to whoever listens. */
  notify(payload: string): void {
    this.#notifications.push(payload);
  }

  #called(name: string, ...what: unknown[]): void {
    this.calls.push([name, ...what]);
    const failure = this.#failures.get(typeof what[0] === 'string' && name !== 'open' ? what[0] : name)?.shift();
    if (failure !== undefined) throw failure;
  }

  #end(name: string): void {
    const wasOpen = this.#inTransaction;
    this.#inTransaction = false;
    this.#called(name);
    if (!wasOpen) throw new FatalError(`${name}: no transaction is open`);
  }

  /** A session. */
  open(options: string): HostDatabase {
    this.#called('open', JSON.parse(options));
    const shown = (parameters: HostParameter[]) => parameters.map(({ kind, value }) => [kind, value]);
    return {
      about: () => JSON.stringify(this.about),
      now: () => this.clock,
      tables: () => JSON.stringify(this.tables),
      table: (name) => {
        const found = this.table.get((JSON.parse(name) as string[]).join('.'));
        return found === undefined ? null : JSON.stringify(found);
      },
      check: (sql) => JSON.stringify(this.columns.get(sql) ?? []),
      query: (sql, parameters) => {
        this.#called('query', sql, shown(parameters));
        let left: object[] | null = this.rows.get(sql) ?? [];
        return {
          next: () => {
            const rows = left ?? [];
            left = null;
            return batchOf(rows.map((row) => ({ topic: '', value: row, valueSchema: schemaOf(row) })))?.write() ?? null;
          },
          close: () => {},
        };
      },
      execute: (sql, parameters) => {
        this.#called('execute', sql, shown(parameters));
        return split(0);
      },
      prepare: (sql, bindings) => {
        this.#called('prepare', sql, JSON.parse(bindings));
        return {
          run: (records) => {
            const rows = records === null ? [] : sinkRecords(Batch.open(records), false);
            this.#called('run', sql, rows.map(({ value }) => value));
            const refused = this.#refusals.get(sql)?.shift() ?? [];
            return { changed: split(Math.max(0, rows.length - refused.length)), errors: refused.map(({ row, error }) => rowError(row, 0, error)) };
          },
          close: () => {},
        };
      },
      begin: () => {
        this.#called('begin');
        if (this.#inTransaction) throw new FatalError('begin: a transaction is open already');
        this.#inTransaction = true;
      },
      commit: () => this.#end('commit'),
      rollback: () => this.#end('rollback'),
      listen: (channel) => {
        this.#called('listen', channel);
        this.#listens = true;
      },
      notifications: () => this.#notifications.splice(0),
      endsRest: () => this.#listens,
      close: () => {},
    };
  }
}

/** Columns of a row of a test: INT64, FLOAT64, BOOLEAN, BYTES, Timestamp and STRING. */
function schemaOf(row: object): Schema {
  const fields = Object.entries(row).map(([name, value]) => {
    let schema = Schema.string;
    if (typeof value === 'number') schema = Number.isInteger(value) ? Schema.int64 : Schema.float64;
    if (typeof value === 'bigint') schema = Schema.int64;
    if (typeof value === 'boolean') schema = Schema.boolean;
    if (value instanceof Uint8Array) schema = Schema.bytes;
    if (value instanceof Date) schema = Schema.timestamp;
    return { name, schema: schema.asOptional() };
  });
  return Schema.struct(fields);
}
