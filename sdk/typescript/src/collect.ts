/** Records that a source made, as a batch. */

import { Batch, encodeUnion } from './batch/batch';
import { Column } from './batch/column';
import { encodeColumn } from './batch/encode';
import { headersColumn, writeHeaders } from './batch/headers';
import { Role } from './batch/layout';
import { nameOf } from './batch/variant';
import { DataError, PluginError } from './errors';
import type { SourceRecord } from './record';
import { isPlainObject, type Value } from './values';

/** A batch of these records; null if there are none. */
export function batchOf(records: Iterable<SourceRecord>): Batch | null {
  const list = [...records];
  if (list.length === 0) return null;
  list.forEach(checkRecord);
  try {
    return assemble(list);
  } catch (error) {
    if (error instanceof DataError && list.length > 1) list.forEach((record, at) => blame(record, at));
    throw error;
  }
}

function blame(record: SourceRecord, at: number): void {
  try {
    assemble([record]);
  } catch (error) {
    if (error instanceof PluginError) error.message = `record ${at} of those that were made: ${error.message}`;
    throw error;
  }
}

function checkRecord(record: unknown, at: number): void {
  if (typeof record !== 'object' || record === null) throw new TypeError(`poll returns records, such as { topic, value }; number ${at} is ${nameOf(record)}`);
  const { topic, partition, headers, sourcePartition, sourceOffset } = record as Partial<SourceRecord>;
  if (typeof topic !== 'string') throw new TypeError(`a record has a topic, which is text; that of number ${at} is ${nameOf(topic)}`);
  if (partition !== undefined && partition !== null && !(Number.isInteger(partition) && partition >= 0)) throw new TypeError(`the partition of record ${at} is no whole number`);
  if (headers !== undefined && !Array.isArray(headers)) throw new TypeError(`the headers of record ${at} are no array of { key, value }`);
  for (const [name, map] of [['sourcePartition', sourcePartition], ['sourceOffset', sourceOffset]] as const) {
    if (map !== undefined && map !== null && !isPlainObject(map)) throw new TypeError(`the ${name} of record ${at} is an object such as { name: value }, not ${nameOf(map)}`);
  }
}

function assemble(list: SourceRecord[]): Batch {
  const batch = new Batch(list.length);
  const first = list[0]!;
  const oneTopic = list.every((record) => record.topic === first.topic);
  batch.set(Role.TOPIC, oneTopic ? Column.constantText(list.length, first.topic) : Column.texts(list.map((record) => record.topic)));
  if (list.some((record) => (record.partition ?? null) !== null)) batch.set(Role.PARTITION, Column.int32s(list.map((record) => record.partition ?? null)));
  if (list.some((record) => (record.timestamp ?? null) !== null)) batch.set(Role.TIMESTAMP, Column.int64s(list.map((record) => record.timestamp ?? null)));
  const headers = headersColumn(list.map((record) => writeHeaders(record.headers ?? [], null, batch.schemas)));
  if (headers !== null) batch.set(Role.HEADERS, headers);
  setMaps(batch, Role.SOURCE_PARTITION, list.map((record) => record.sourcePartition ?? null));
  setMaps(batch, Role.SOURCE_OFFSET, list.map((record) => record.sourceOffset ?? null));
  batch.keys = encodeUnion(list.map((record) => record.keySchema ?? null), list.map((record) => record.key ?? null), null, batch.schemas);
  batch.values = encodeUnion(list.map((record) => record.valueSchema ?? null), list.map((record) => record.value ?? null), null, batch.schemas);
  return batch;
}

/** Source partitions or offsets; one row where all records share one. */
function setMaps(batch: Batch, role: number, maps: (Value | null)[]): void {
  const [first] = maps;
  if (maps.every((map) => map === null)) return;
  const shared = maps.length > 1 && maps.every((map) => map === first);
  const column = encodeColumn(shared ? [first!] : maps, null, null, batch.schemas);
  batch.set(role, shared ? column.repeated(maps.length) : column);
}
