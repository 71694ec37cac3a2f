/**
 * The host's functions, as both a component and a test's harness have them. Values are the contract's; errors that they
 * throw are {@link PluginError}s.
 */

import { FatalError, type ReportedError, type ReportedRowError } from './errors';
import type { HttpRequest, HttpResponse } from './http';
import type { LogLevel } from './log';

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
  if (!Number.isSafeInteger(number) || number < 0) throw new FatalError(`${number} is no position: expected a whole number that is not negative`);
  return { high: Math.floor(number / 0x100000000), low: number >>> 0 };
}

/** A number from its halves. */
export function join({ high, low }: Wide, what: string): number {
  if (high >= 0x200000) throw new FatalError(`${what} is more than a number of JavaScript can be exact about`);
  return high * 0x100000000 + low;
}

/** Milliseconds as the contract has them. */
export function wholeMs(ms: number): number {
  return Math.max(0, Math.min(0xffffffff, Math.round(ms)));
}
