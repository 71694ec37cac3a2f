/**
 * The host's functions, as both a component and a test's harness have them. Values are the contract's; errors that they
 * throw are {@link PluginError}s.
 */

import { FatalError, type ReportedError, type ReportedRowError } from './errors';
import type { HttpRequest, HttpResponse } from './http';
import type { LogLevel } from './log';
import type { Int64 } from './values';

/** A 64-bit number in two halves. */
export interface Wide {
  high: number;
  low: number;
}

/** A partition of a topic. */
export interface TopicPartition {
  topic: string;
  partition: number;
}

/** A position in a topic: the offset of the next record. */
export interface WideOffset extends TopicPartition {
  offset: Wide;
}

/** Where a transaction ends. */
export interface Boundary {
  behind: number | null;
  ending: 'commit' | 'abort';
}

/** An open file. */
export interface HostFile {
  read(max: number): Uint8Array;
  size(): Wide | null;
  seek(position: Wide): void;
  write(bytes: Uint8Array): void;
  truncate(length: Wide): void;
  sync(): void;
  endsRest(): boolean;
  close(): void;
}

/** A value for a placeholder of a statement. */
export interface HostParameter {
  kind: string;
  value: string | null;
}

/** What a statement made of the rows of a batch. */
export interface HostDone {
  changed: Wide;
  errors: ReportedRowError[];
}

/** A database session. */
export interface HostDatabase {
  about(): string;
  now(): string;
  tables(filter: string): string;
  table(name: string): string | null;
  check(sql: string): string;
  query(sql: string, parameters: HostParameter[], options: string): HostRows;
  execute(sql: string, parameters: HostParameter[]): Wide;
  prepare(sql: string, bindings: string): HostStatement;
  begin(): void;
  commit(): void;
  rollback(): void;
  listen(channel: string): void;
  notifications(): string[];
  endsRest(): boolean;
  close(): void;
}

/** Rows of a query. */
export interface HostRows {
  next(maxRows: number, maxBytes: number): Uint8Array | null;
  close(): void;
}

/** A statement over the rows of batches. */
export interface HostStatement {
  run(records: Uint8Array | null, only: Uint8Array | null): HostDone;
  close(): void;
}

/** A record that a sink writes to a topic as it is. */
export interface HostReport {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: [string, Uint8Array][];
}

/** A request under way. */
export interface HostPending {
  wait(): HttpResponse;
}

/** The host's work on columns, as the contract has it: tables and columns are numbers. */
export interface HostColumns {
  input(): number;
  queried(): number;
  make(rows: number): number;
  read(records: Uint8Array): number;
  write(table: number): Uint8Array;
  rows(table: number): number;
  selected(table: number): number;
  focus(table: number, condition: number | null): void;
  keep(table: number, condition: number): void;
  fail(table: number, messages: number, link: number, kind: 'retriable' | 'data' | 'config' | 'fatal', className: string): void;
  repeat(table: number, counts: number[]): number[];
  answer(table: number): void;
  answerVerdict(holds: number, failed: number | null): void;
  get(table: number, path: string[]): number | null;
  names(table: number, path: string[]): string[];
  set(table: number, path: string[], column: number): void;
  drop(table: number, path: string[]): void;
  rename(table: number, path: string[], name: string): void;
  texts(column: number): (string | null)[];
  numbers(column: number): (number | null)[];
  booleans(column: number): (boolean | null)[];
  toJson(column: number): string;
  fromTexts(values: (string | null)[]): number;
  fromNumbers(values: (number | null)[]): number;
  fromBooleans(values: (boolean | null)[]): number;
  fromJson(text: string, schema: string | null): { column: number; failed: number | null };
  fromJsonLike(text: string, like: number): { column: number; failed: number | null };
  constant(json: string): number;
  constantText(text: string): number;
  absent(): number;
  now(): number;
  length(column: number): number;
  about(column: number): string;
  release(columns: number[]): void;
  cast(column: number, to: string): { column: number; failed: number | null };
  toText(column: number, encoding: string): { column: number; failed: number | null };
  toBytes(column: number, encoding: string): { column: number; failed: number | null };
  parseJson(column: number, schema: string | null): { column: number; failed: number | null };
  writeJson(column: number): number;
  schemaless(column: number): number;
  pack(names: string[], columns: number[], name: string | null): number;
  upper(column: number): number;
  lower(column: number): number;
  trim(column: number): number;
  substring(column: number, start: number, count: number | null): number;
  characters(column: number): number;
  concat(columns: number[], separator: string): number;
  replace(column: number, pattern: string, replacement: string, all: boolean): number;
  extract(column: number, pattern: string, group: number): number;
  matches(column: number, pattern: string): number;
  contains(column: number, text: number): number;
  hash(column: number, algorithm: string): number;
  add(left: number, right: number): number;
  subtract(left: number, right: number): number;
  multiply(left: number, right: number): number;
  divide(left: number, right: number): number;
  remainder(left: number, right: number): number;
  equal(left: number, right: number): number;
  less(left: number, right: number): number;
  atMost(left: number, right: number): number;
  isNull(column: number): number;
  isPresent(column: number): number;
  both(left: number, right: number): number;
  either(left: number, right: number): number;
  inverse(condition: number): number;
  choose(condition: number, holds: number, otherwise: number): number;
  coalesce(columns: number[]): number;
}

/** All that a plugin can ask of its host. */
export interface Host {
  logEnabled(level: LogLevel): boolean;
  log(level: LogLevel, message: string): void;
  wait(ms: number): boolean;
  rest(ms: number): void;
  readOffsets(partitions: string[]): (string | null)[];
  transactionsAvailable(): boolean;
  setBoundaries(boundaries: Boundary[]): void;
  requestTaskReconfiguration(): void;
  raiseError(error: ReportedError): void;
  assignment(): TopicPartition[];
  seek(offsets: WideOffset[]): void;
  pause(partitions: TopicPartition[]): void;
  resume(partitions: TopicPartition[]): void;
  timeout(ms: number): void;
  requestCommit(): void;
  report(errors: ReportedRowError[]): void;
  writeReports(key: string, reports: HostReport[]): void;
  openFile(key: string): HostFile | null;
  obtainLease(): Wide;
  confirmLease(epoch: Wide): void;
  keptKeys(): string[];
  readKept(keys: string[]): (Uint8Array | null)[];
  writeKept(epoch: Wide, changes: { key: string; value: Uint8Array | null }[]): void;
  openDatabase(key: string, options: string): HostDatabase;
  startRequest(request: HttpRequest): HostPending;
  declareMetric(name: string, kind: 'counter' | 'gauge', help: string): void;
  count(name: string, more: number): void;
  gauge(name: string, value: number): void;
  reportProgress(what: string, now: { done: number; total: number | null; unit: string } | null): void;
  readonly columns: HostColumns;
}

let current: Host | null = null;

/** Has this host answer from now on; null for none. Returns the one before. */
export function setHost(host: Host | null): Host | null {
  const before = current;
  current = host;
  return before;
}

/** The host. */
export function host(): Host {
  if (current === null) {
    throw new FatalError('there is no host here: in a test, make one with Harness.enter(); in a component, ask it within a callback, not while the module is loaded');
  }
  return current;
}

/** The two halves of a number that is not negative. */
export function split(number: number | bigint): Wide {
  if (typeof number === 'bigint') return { high: Number(number >> 32n), low: Number(number & 0xffffffffn) };
  if (!Number.isSafeInteger(number) || number < 0) throw new FatalError(`${number} is no position: expected a whole number that is not negative, as a bigint if it is above 2^53`);
  return { high: Math.floor(number / 0x100000000), low: number >>> 0 };
}

/** A 64-bit number from its halves: a bigint where a number would not be exact. */
export function joinExact({ high, low }: Wide): Int64 {
  return high < 0x200000 ? high * 0x100000000 + low : (BigInt(high) << 32n) | BigInt(low);
}

/** A number from its halves, of what is never so large that it would not be exact. */
export function join({ high, low }: Wide, what: string): number {
  if (high >= 0x200000) throw new FatalError(`${what} is more than a number of JavaScript can be exact about`);
  return high * 0x100000000 + low;
}

/** Milliseconds as the contract has them. */
export function wholeMs(ms: number): number {
  return Math.max(0, Math.min(0xffffffff, Math.round(ms)));
}
