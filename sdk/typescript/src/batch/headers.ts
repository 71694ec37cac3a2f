/** Headers: per row a list of key, schema and value, in order. */

import type { Schema } from '../schema';
import { decodeUtf8 } from '../utf8';
import { isPlainObject, setProperty, Struct, Typed, type Value, type ValueMap } from '../values';
import type { SchemaTable } from './batch';
import { ByteWriter, viewOf } from './bytes';
import { Column, heapData } from './column';
import { retyped } from './encode';
import { Kind, NO_SCHEMA_16 } from './layout';
import { exactly, readVariant, VariantWriter } from './variant';

/** A header. Several may share a key. */
export interface Header {
  key: string;
  value: any;
  schema?: Schema | null;
}

/** The headers of a row. */
export function readHeaders(column: Column, row: number, schemas: SchemaTable, exact: boolean): Header[] {
  const bytes = column.bytes(row);
  const view = viewOf(bytes);
  const headers: Header[] = [];
  let at = 0;
  while (at < bytes.length) {
    const keyEnd = at + 4 + view.getUint32(at, true);
    const key = decodeUtf8(bytes.subarray(at + 4, keyEnd));
    const place = view.getUint16(keyEnd, true);
    const end = keyEnd + 6 + view.getUint32(keyEnd + 2, true);
    const schema = place === NO_SCHEMA_16 ? null : schemas.schema(place);
    const value = readVariant(bytes.subarray(keyEnd + 6, end), null, schemas, exact);
    headers.push({ key, value: natural(value, schema), schema });
    at = end;
  }
  return headers;
}

/** A value as columns under the schema would give it: structs are plain objects, and numbers need not say their type. */
function natural(value: Value, schema: Schema | null): Value {
  if (schema === null || value === null || typeof value !== 'object') return value;
  if (value instanceof Typed) return value.type === schema.type ? value.value : value;
  if (Array.isArray(value)) return schema.type === 'ARRAY' ? value.map((item) => natural(item, schema.valueSchema)) : value;
  if (schema.type === 'STRUCT' && (value as unknown) instanceof Struct) {
    const fields: ValueMap = {};
    for (const field of schema.fields) setProperty(fields, field.name, natural((value as Struct)[field.name]!, field.schema));
    return fields;
  }
  if (schema.type === 'MAP' && value instanceof Map) return new Map([...value].map(([key, item]) => [natural(key, schema.keySchema), natural(item, schema.valueSchema)]));
  if (schema.type === 'MAP' && isPlainObject(value)) {
    const map: ValueMap = {};
    for (const [name, item] of Object.entries(value)) setProperty(map, name, natural(item, schema.valueSchema));
    return map;
  }
  return value;
}

/** The bytes of a row's headers. `before` are those that stood there, read exactly. */
export function writeHeaders(headers: readonly Header[], before: readonly Header[] | null, schemas: SchemaTable): Uint8Array {
  const out = new ByteWriter(64);
  headers.forEach((header, at) => {
    const schema = header.schema ?? null;
    const old = before?.[at]?.key === header.key ? (before[at]!.value as Value) : undefined;
    out.text(header.key);
    out.u16(schema === null ? NO_SCHEMA_16 : schemas.place(schema));
    const length = out.room(4);
    new VariantWriter(out, null, schemas).write(retyped(exactly((header.value ?? null) as Value, schema), schema === null ? old : undefined));
    out.view.setUint32(length, out.length - length - 4, true);
  });
  return out.finish();
}

/** The column of headers; null if no row has one. */
export function headersColumn(rows: readonly Uint8Array[]): Column | null {
  if (rows.every((row) => row.length === 0)) return null;
  return new Column(Kind.HEADERS, rows.length, heapData(rows));
}
