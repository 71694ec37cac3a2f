/** Converters that look at one key, value or header at a time, over batches. */

import { encodeUnion } from './batch/batch';
import { headersColumn, readHeaders, writeHeaders, type Header } from './batch/headers';
import { Role } from './batch/layout';
import { nameOf } from './batch/variant';
import { DataError } from './errors';
import type { Converter, ConverterRole, Datum, Subject } from './plugins';
import { encodeRows, type Records } from './records';
import type { Schema } from './schema';
import { encodeUtf8 } from './utf8';
import { javaClass, type Value } from './values';

type Each = (value: Value, schema: Schema | null, subject: Subject) => { value: Value; schema: Schema | null };

/** Replaces the role's bytes of the active rows by data. */
export function toConnect(records: Records, role: ConverterRole, converter: Converter): void {
  if (converter.toConnectBatch !== undefined) return converter.toConnectBatch(records);
  convert(records, role, false, (value, _, subject) => {
    if (value !== null && !(value instanceof Uint8Array)) throw new DataError(`expected bytes to convert, found a ${javaClass(value)}`);
    const datum: unknown = converter.toConnect!(value, subject);
    const isDatum = typeof datum === 'object' && datum !== null && 'value' in datum;
    if (!isDatum) throw new TypeError(`toConnect returns { value, schema }, not ${nameOf(datum)}`);
    const { value: data, schema = null } = datum as Datum;
    return { value: data ?? null, schema };
  });
}

/** Replaces the role's data of the active rows by bytes. */
export function fromConnect(records: Records, role: ConverterRole, converter: Converter, exact: boolean): void {
  if (converter.fromConnectBatch !== undefined) return converter.fromConnectBatch(records);
  convert(records, role, exact, (value, schema, subject) => {
    const bytes: unknown = converter.fromConnect!(value, schema, subject);
    if (bytes === null || bytes === undefined) return { value: null, schema: null };
    if (typeof bytes === 'string') return { value: encodeUtf8(bytes), schema: null };
    if (bytes instanceof Uint8Array) return { value: bytes, schema: null };
    throw new TypeError(`fromConnect returns bytes, text or null, not ${nameOf(bytes)}`);
  });
}

function convert(records: Records, role: ConverterRole, exact: boolean, each: Each): void {
  const failed = role === 'header' ? convertHeaders(records, exact, each) : convertSide(records, role, exact, each);
  records.changed = true;
  for (const [row, error] of failed) records.fail(row, error);
}

function convertSide(records: Records, side: 'key' | 'value', exact: boolean, each: Each): [number, unknown][] {
  const { batch } = records;
  const old = batch.read(side, exact);
  const schemas = new Array<Schema | null>(batch.rows).fill(null);
  const values = new Array<Value>(batch.rows).fill(null);
  const failed: [number, unknown][] = [];
  for (let row = 0; row < batch.rows; row++) {
    // Rows that are not under way, or have just failed, keep their places.
    if (!records.isActive(row)) continue;
    try {
      const made = each(old.values[row]!, old.schemas[row]!, { topic: batch.topic(row) ?? '', header: null });
      values[row] = made.value;
      schemas[row] = made.schema;
    } catch (error) {
      failed.push([row, error]);
    }
  }
  const rows = values.map((_, row) => row);
  const unfit = encodeRows(schemas, values, rows, (someSchemas, someValues, _, keep) => {
    const union = encodeUnion(someSchemas, someValues, null, batch.schemas);
    if (keep) batch.setSide(side, union);
  });
  return [...failed, ...unfit];
}

function convertHeaders(records: Records, exact: boolean, each: Each): [number, unknown][] {
  const { batch } = records;
  const column = batch.get(Role.HEADERS);
  if (column === undefined) return [];
  const failed: [number, unknown][] = [];
  const rows: Uint8Array[] = [];
  for (let row = 0; row < batch.rows; row++) {
    let bytes = new Uint8Array(0);
    if (records.isActive(row)) {
      try {
        const topic = batch.topic(row) ?? '';
        const headers = readHeaders(column, row, batch.schemas, exact).map(({ key, value, schema }): Header => ({ key, ...each(value, schema ?? null, { topic, header: key }) }));
        bytes = writeHeaders(headers, null, batch.schemas).slice();
      } catch (error) {
        failed.push([row, error]);
      }
    }
    rows.push(bytes);
  }
  const made = headersColumn(rows);
  if (made === null) batch.remove(Role.HEADERS);
  else batch.set(Role.HEADERS, made);
  return failed;
}
