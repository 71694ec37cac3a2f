/** The host's functions as a component calls them. */

/// <reference path="./contract.d.ts" />

import * as columns from 'millstream:connect/host-columns@0.1.0';
import * as connector from 'millstream:connect/host-connector@0.1.0';
import { File } from 'millstream:connect/host-files@0.1.0';
import * as lease from 'millstream:connect/host-lease@0.1.0';
import * as logging from 'millstream:connect/host-log@0.1.0';
import * as metrics from 'millstream:connect/host-metrics@0.1.0';
import * as reports from 'millstream:connect/host-report@0.1.0';
import * as sink from 'millstream:connect/host-sink@0.1.0';
import * as source from 'millstream:connect/host-source@0.1.0';
import { Database, type Rows, type Statement } from 'millstream:connect/host-sql@0.1.0';
import * as transaction from 'millstream:connect/host-transaction@0.1.0';
import * as waiting from 'millstream:connect/host-wait@0.1.0';
import { raised, type ReportedError } from '../errors';
import type { Host, HostColumns, HostDatabase, HostFile, HostRows, HostStatement } from '../host';
import { owning } from './handles';
import { startRequest } from './http';
import { payloadOf } from './payload';

/** Asks the host; an error of the contract becomes one that can be told by its class. */
function ask<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    const error = payloadOf(thrown) as Partial<ReportedError> | null | undefined;
    const isOfContract = typeof error === 'object' && error !== null && typeof error.kind === 'string' && typeof error.message === 'string' && Array.isArray(error.causes);
    throw isOfContract ? raised(error as ReportedError) : thrown;
  }
}

const fileOf = (file: File): HostFile => owning(file, (close) => ({
  read: (max) => ask(() => file.read(max)),
  size: () => ask(() => file.size()),
  seek: (position) => ask(() => file.seek(position)),
  write: (bytes) => ask(() => file.write(bytes)),
  truncate: (length) => ask(() => file.truncate(length)),
  sync: () => ask(() => file.sync()),
  endsRest: () => file.endsRest(),
  close,
}));

const databaseOf = (database: Database): HostDatabase => owning(database, (close) => ({
  about: () => ask(() => database.about()),
  now: () => ask(() => database.now()),
  tables: (filter) => ask(() => database.tables(filter)),
  table: (name) => ask(() => database.table(name)),
  check: (sql) => ask(() => database.check(sql)),
  query: (sql, parameters, options) => rowsOf(ask(() => database.query(sql, parameters, options))),
  execute: (sql, parameters) => ask(() => database.execute(sql, parameters)),
  prepare: (sql, bindings) => statementOf(ask(() => database.prepare(sql, bindings))),
  begin: () => ask(() => database.begin()),
  commit: () => ask(() => database.commit()),
  rollback: () => ask(() => database.rollback()),
  listen: (channel) => ask(() => database.listen(channel)),
  notifications: () => ask(() => database.notifications()),
  endsRest: () => database.endsRest(),
  close,
}));

const rowsOf = (rows: Rows): HostRows => owning(rows, (close) => ({ next: (maxRows, maxBytes) => ask(() => rows.next(maxRows, maxBytes)), close }));

const statementOf = (statement: Statement): HostStatement => owning(statement, (close) => ({ run: (records, only) => ask(() => statement.run(records, only)), close }));

/** Every function of the host's columns, with errors that can be told by their class. */
function askedColumns(): HostColumns {
  const asked: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(columns)) {
    if (typeof call === 'function') asked[name] = (...given: unknown[]) => ask(() => (call as (...given: unknown[]) => unknown)(...given));
  }
  return asked as unknown as HostColumns;
}

/** The host of a component. */
export const componentHost: Host = {
  logEnabled: (level) => logging.enabled(level),
  log: (level, message) => logging.log(level, message),
  wait: (ms) => waiting.wait(ms),
  rest: (ms) => waiting.rest(ms),
  readOffsets: (partitions) => ask(() => source.readOffsets(partitions)),
  transactionsAvailable: () => transaction.available(),
  setBoundaries: (boundaries) => transaction.setBoundaries(boundaries),
  requestTaskReconfiguration: () => connector.requestTaskReconfiguration(),
  raiseError: (error) => connector.raiseError(error),
  assignment: () => sink.assignment(),
  seek: (offsets) => sink.seek(offsets),
  pause: (partitions) => ask(() => sink.pause(partitions)),
  resume: (partitions) => ask(() => sink.resume(partitions)),
  timeout: (ms) => sink.timeout(ms),
  requestCommit: () => sink.requestCommit(),
  report: (errors) => ask(() => sink.report(errors)),
  writeReports: (key, list) => ask(() => reports.write(key, list)),
  openFile: (key) => {
    const file = ask(() => File.open(key));
    return file === null ? null : fileOf(file);
  },
  obtainLease: () => ask(() => lease.obtain()),
  confirmLease: (epoch) => ask(() => lease.confirm(epoch)),
  keptKeys: () => ask(() => lease.keys()),
  readKept: (keys) => ask(() => lease.read(keys)),
  writeKept: (epoch, changes) => ask(() => lease.write(epoch, changes)),
  openDatabase: (key, options) => databaseOf(ask(() => Database.open(key, options))),
  startRequest,
  declareMetric: (name, kind, help) => ask(() => metrics.declare(name, kind, help)),
  count: (name, more) => ask(() => metrics.count(name, more)),
  gauge: (name, value) => ask(() => metrics.gauge(name, value)),
  reportProgress: (what, now) => ask(() => metrics.reportProgress(what, now)),
  columns: askedColumns(),
};
