/** What connectors and tasks may ask of the worker. */

import { callError, PluginError, rowError, type ReportedRowError } from './errors';
import { host, join, split, type Boundary, type HostReport, type TopicPartition, wholeMs } from './host';
import { fromJson, toJson } from './json';
import type { SinkRecord } from './record';
import { encodeUtf8 } from './utf8';
import type { Int64, Value, ValueMap } from './values';

export type { TopicPartition };

/** A position in a topic: the offset of the next record, a bigint where a number would not be exact. */
export interface TopicOffset extends TopicPartition {
  offset: Int64;
}

/** A map with text keys, as source partitions and offsets are. */
export type OffsetMap = { [name: string]: Value };

/**
 * Waits for up to so many milliseconds, without burning the deadline of the call. True as soon as the connector or task is
 * asked to stop: return from the call then.
 */
export function wait(ms: number): boolean {
  return host().wait(wholeMs(ms));
}

/**
 * Said by a source task that is about to return nothing from `poll`: there will be nothing for so long. Meanwhile the task
 * costs nothing, and can be paused and stopped at once. Said by a connector within `taskConfigs`: these are asked for again
 * after so long.
 */
export function rest(ms: number): void {
  host().rest(wholeMs(ms));
}

/** What a connector may ask of the worker. */
export class ConnectorContext {
  /** Asks for `taskConfigs` to be called again soon. */
  requestTaskReconfiguration(): void {
    host().requestTaskReconfiguration();
  }

  /** Fails the connector; its tasks go on. */
  raiseError(error: unknown): void {
    host().raiseError(callError(error));
  }

  /** The stored offset of a source partition. */
  offset<T extends ValueMap = any>(partition: OffsetMap): T | null {
    return new SourceContext().offset<T>(partition);
  }
}

/** What a source task may ask of the worker. */
export class SourceContext {
  /** Stored offset of a source partition: that of the newest record which it and everything before it have ended. */
  offset<T extends ValueMap = any>(partition: OffsetMap): T | null {
    return this.offsets<T>([partition])[0]!;
  }

  /** Stored offsets of several source partitions, in the same order. */
  offsets<T extends ValueMap = any>(partitions: readonly OffsetMap[]): (T | null)[] {
    return host()
      .readOffsets(partitions.map(toJson))
      .map((offset) => (offset === null ? null : (fromJson(offset) as T)));
  }

  /**
   * Where the task's transactions end, if it is to say so itself: with `transaction.boundary=connector`, for a connector that
   * can, on a worker that delivers exactly once. Null leaves them to the worker.
   */
  get transaction(): TransactionContext | null {
    return host().transactionsAvailable() ? new TransactionContext() : null;
  }
}

/** What the next poll that returns hands over. */
let asked: Boundary[] = [];

/**
 * Where the transactions of a source task end. What is asked for goes to the host with what the running `poll` returns.
 * Records behind the last end wait in the open transaction for a later poll to end it.
 */
export class TransactionContext {
  /** Commits behind all that the poll returns, which may be nothing. */
  commit(): void {
    asked.push({ behind: null, ending: 'commit' });
  }

  /** Aborts behind all that the poll returns. A task that wants its records again fails instead. */
  abort(): void {
    asked.push({ behind: null, ending: 'abort' });
  }

  /** Commits behind a row of the poll, whatever becomes of that row on its way. */
  commitAfter(row: number): void {
    asked.push({ behind: row, ending: 'commit' });
  }

  /** Aborts behind a row of the poll. */
  abortAfter(row: number): void {
    asked.push({ behind: row, ending: 'abort' });
  }
}

/** A poll has returned: what was asked for goes with it. Rows of a poll that failed are none. */
export function handOverBoundaries(polledWell: boolean): void {
  if (!polledWell) {
    asked = asked.filter(({ behind }) => behind === null);
  } else if (asked.length > 0) {
    host().setBoundaries(takeBoundaries());
  }
}

/** What was asked for and not handed over. */
export function takeBoundaries(): Boundary[] {
  const boundaries = asked;
  asked = [];
  return boundaries;
}

/** A record that a sink writes to a topic as it is. Text is written as UTF-8. */
export interface TopicReport {
  key?: Uint8Array | string | null;
  value?: Uint8Array | string | null;
  headers?: readonly (readonly [string, Uint8Array | string])[];
}

/** Records that the host takes in one call. */
const REPORTS_AT_A_TIME = 1000;

/** What a sink task may ask of the worker. */
export class SinkContext {
  /** Partitions assigned to the task. */
  assignment(): TopicPartition[] {
    return host().assignment();
  }

  /** Continues at these offsets before the next records are delivered: for sinks that keep their own offsets. */
  seek(...offsets: TopicOffset[]): void {
    host().seek(offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: split(offset) })));
  }

  /** Delivers nothing from these partitions until they are resumed. Throws if one is not assigned to the task. */
  pause(...partitions: TopicPartition[]): void {
    host().pause(partitions.map(({ topic, partition }) => ({ topic, partition })));
  }

  /** Delivers from these partitions again. Throws if one is not assigned to the task. */
  resume(...partitions: TopicPartition[]): void {
    host().resume(partitions.map(({ topic, partition }) => ({ topic, partition })));
  }

  /** Shortens the time until the next `put`, once. */
  timeout(ms: number): void {
    host().timeout(wholeMs(ms));
  }

  /** Commits offsets as soon as possible. */
  requestCommit(): void {
    host().requestCommit();
  }

  /**
   * Reports records of the running `put` that can never be written, each with the reason. They go to the error policy of the
   * task: skipped, or to the dead-letter topic. Throws if the policy tolerates no errors; let that pass.
   */
  report(...rejected: { record: Pick<SinkRecord, 'row'>; error: unknown }[]): void {
    const errors: ReportedRowError[] = rejected.map(({ record, error }) => rowError(record.row, 0, error));
    if (errors.length > 0) host().report(errors);
  }

  /**
   * Appends records to the topic that the value of a key names ({@link opens.topic}), and returns when all are durable.
   * After an error some may be.
   */
  write(key: string, reports: readonly TopicReport[]): void {
    const bytes = (value: Uint8Array | string | null | undefined) => (typeof value === 'string' ? encodeUtf8(value) : (value ?? null));
    const lowered: HostReport[] = reports.map((report) => ({
      key: bytes(report.key),
      value: bytes(report.value),
      headers: (report.headers ?? []).map(([name, value]) => [name, bytes(value) ?? new Uint8Array(0)]),
    }));
    for (let at = 0; at < lowered.length; at += REPORTS_AT_A_TIME) host().writeReports(key, lowered.slice(at, at + REPORTS_AT_A_TIME));
  }
}

/** The lease of a connector, owned by this task until another task of the connector obtains it, or this one ends. */
export class Lease {
  private constructor(
    /** Higher than that of every owner before: for targets that can tell who is late. */
    readonly epoch: number,
  ) {}

  /**
   * Makes this task the owner, whoever was before. The plugin has to say `wantsLease`. What is read afterwards is all that
   * owners before have written, and will ever have.
   */
  static obtain(): Lease {
    return new Lease(join(host().obtainLease(), 'the epoch of the lease'));
  }

  /** What an owner of the lease has kept under a key, for tasks that are none. */
  static kept(key: string): Uint8Array | null {
    return host().readKept([key])[0] ?? null;
  }

  /** Throws if the task was not the owner at any moment after the call: {@link PluginError.isLeaseLost}. */
  confirm(): void {
    host().confirmLease(split(this.epoch));
  }

  /** All keys that have a value, ascending. */
  keys(): string[] {
    return host().keptKeys();
  }

  /** The value of a key. */
  get(key: string): Uint8Array | null {
    return Lease.kept(key);
  }

  /** Changes values, all together or none; null removes one. Returns when they are durable and count. */
  write(changes: Readonly<Record<string, Uint8Array | string | null>>): void {
    const lowered = Object.entries(changes).map(([key, value]) => ({ key, value: typeof value === 'string' ? encodeUtf8(value) : value }));
    host().writeKept(split(this.epoch), lowered);
  }
}

/** Whether a task has heard by this error that it does not own the lease, or not any more. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof PluginError && error.isLeaseLost;
}
