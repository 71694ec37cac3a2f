/**
 * Whether bytes are a batch, as the host finds out when a batch leaves a plugin: for tests. A plugin trusts what the host
 * hands it.
 */

import { type Schema } from '../schema';
import { tryDecodeUtf8 } from '../utf8';
import { Batch, type Block } from './batch';
import { bytesFor } from './bits';
import { viewOf } from './bytes';
import type { Column } from './column';
import { kindOfSchema } from './encode';
import { readHeaders } from './headers';
import { FLAG_CONSTANT, FLAG_PRESENT, FLAG_VALID, HEADER_LENGTH, isHeap, Kind, MAX_BLOCKS, MAX_COLUMN_DEPTH, MAX_VARIANT_NAMES, NODE_LENGTH, Role, SCHEMA_ENTRY_LENGTH, WIDTH } from './layout';
import { readVariant } from './variant';

const MAX_ROWS = 1 << 20;
const MAX_BYTES = 64 << 20;
const MAX_COLUMNS = 1 << 16;

/** Throws a RangeError that says what is wrong with the bytes; returns the batch. */
export function checkedBatch(bytes: Uint8Array): Batch {
  if (bytes.length > MAX_BYTES) throw new RangeError(`the batch has ${bytes.length} bytes, more than ${MAX_BYTES}`);
  checkPlaces(bytes);
  const batch = Batch.open(bytes);
  if (batch.rows > MAX_ROWS) throw new RangeError(`the batch has ${batch.rows} rows, more than ${MAX_ROWS}`);
  for (let place = 0; place < batch.schemas.entries.length; place++) batch.schemas.schema(place);
  for (const [role, column] of batch.envelope) {
    if (column.rows !== batch.rows) fail(`role ${role}`, `has ${column.rows} rows, and the batch ${batch.rows}`);
    checkColumn(column, `role ${role}`, batch, 0);
    checkRole(role, column);
  }
  for (const side of ['key', 'value'] as const) {
    const union = batch.side(side);
    if (union.tags === null && union.blocks.length > 1) fail(side, 'has several blocks and no tags');
    if (union.blocks.length > MAX_BLOCKS) fail(side, 'has too many blocks');
    const counts = new Map<number, number>();
    if (union.tags === null) counts.set(0, batch.rows);
    else union.tags.forEach((tag) => counts.set(tag, (counts.get(tag) ?? 0) + 1));
    union.blocks.forEach((block, at) => {
      if (block.column.rows !== (counts.get(at) ?? 0)) fail(side, `has a block of ${block.column.rows} rows where tags name ${counts.get(at) ?? 0}`);
      checkBlock(block, `${side} block ${at}`, batch);
    });
    for (const tag of counts.keys()) if (union.blocks.length > 0 && tag >= union.blocks.length) fail(side, `has a tag ${tag} without a block`);
  }
  return batch;
}

function fail(where: string, problem: string): never {
  throw new RangeError(`${where} ${problem}`);
}

/** That everything the directory names lies within the bytes, and nothing overlaps. */
function checkPlaces(bytes: Uint8Array): void {
  if (bytes.length < HEADER_LENGTH) fail('the batch', 'is shorter than its header');
  const view = viewOf(bytes);
  const u32 = (at: number) => view.getUint32(at, true);
  if (u32(0) !== 0x3142534d || u32(4) !== 1) fail('the batch', 'does not begin as one');
  if (u32(28) !== bytes.length) fail('the batch', `says that it has ${u32(28)} bytes and has ${bytes.length}`);
  if (u32(12) > MAX_COLUMNS) fail('the batch', `has ${u32(12)} columns, more than ${MAX_COLUMNS}`);
  const claims: [number, number][] = [[0, HEADER_LENGTH]];
  const claim = (what: string, at: number, length: number) => {
    if (at + length > bytes.length) fail(what, `ends behind the batch, at ${at + length} of ${bytes.length}`);
    if (length > 0) claims.push([at, at + length]);
  };
  claim('the directory', u32(16), u32(12) * NODE_LENGTH);
  claim('the schema table', u32(20), u32(24) * SCHEMA_ENTRY_LENGTH);
  for (let place = 0; place < u32(24); place++) claim(`schema ${place}`, u32(u32(20) + place * SCHEMA_ENTRY_LENGTH + 4), u32(u32(20) + place * SCHEMA_ENTRY_LENGTH + 8));
  for (let node = 0; node < u32(12); node++) {
    const at = u32(16) + node * NODE_LENGTH;
    const flags = bytes[at + 1]!;
    if (flags > 7 || bytes[at]! > Kind.HEADERS) fail(`column ${node}`, 'is of an unknown kind or has unknown flags');
    const bitmap = bytesFor((flags & FLAG_CONSTANT) !== 0 ? 1 : u32(at + 12));
    claim(`the name of column ${node}`, u32(at + 4), u32(at + 8));
    if ((flags & FLAG_VALID) !== 0) claim(`a bitmap of column ${node}`, u32(at + 20), bitmap);
    if ((flags & FLAG_PRESENT) !== 0) claim(`a bitmap of column ${node}`, u32(at + 24), bitmap);
    claim(`the data of column ${node}`, u32(at + 28), u32(at + 32));
  }
  claims.sort((a, b) => a[0] - b[0]);
  for (let at = 1; at < claims.length; at++) if (claims[at]![0] < claims[at - 1]![1]) fail('two buffers', `overlap at byte ${claims[at]![0]}`);
}

function checkColumn(column: Column, where: string, batch: Batch, depth: number): void {
  if (depth >= MAX_COLUMN_DEPTH) fail(where, 'is nested too deep');
  if (column.constant && column.rows === 0) fail(where, 'is constant without a row');
  const rows = column.physicalRows;
  const { kind, children } = column;
  if (kind === Kind.NULL && (column.valid !== null || column.constant)) fail(where, 'is null throughout and yet constant or with a validity bitmap');
  const width = WIDTH[kind]!;
  let expected: number | null = width > 0 ? width * rows : null;
  if (kind === Kind.BOOL) expected = bytesFor(rows);
  if (kind === Kind.NULL || kind === Kind.STRUCT || kind === Kind.OBJECT) expected = 0;
  if (kind === Kind.LIST || kind === Kind.MAP) expected = (rows + 1) * 4;
  if (expected !== null && expected !== column.data.length) fail(where, `has ${column.data.length} bytes of data and needs ${expected}`);
  const count = kind === Kind.LIST || kind === Kind.VARIANT || kind === Kind.DICTIONARY ? 1 : kind === Kind.MAP ? 2 : kind === Kind.STRUCT || kind === Kind.OBJECT ? null : 0;
  if (count !== null && count !== children.length) fail(where, `has ${children.length} children and needs ${count}`);
  if (kind !== Kind.OBJECT && children.some((child) => child.present !== null)) fail(where, 'has a child with a presence bitmap');
  if (isHeap(kind) || kind === Kind.LIST || kind === Kind.MAP) checkOffsets(column, where, rows);
  if ((kind === Kind.STRUCT || kind === Kind.OBJECT) && children.some((child) => child.rows !== rows)) fail(where, 'has children with another number of rows');
  if (kind === Kind.OBJECT && new Set(children.map((child) => child.name)).size < children.length) fail(where, 'has two members of the same name');
  children.forEach((child, at) => checkColumn(child, `${where}, child ${child.name || at},`, batch, depth + 1));
  if (isHeap(kind)) for (let row = 0; row < rows; row++) checkHeapRow(column, row, where, batch);
  if (kind === Kind.VARIANT || kind === Kind.DICTIONARY) {
    const words = children[0]!;
    if (words.kind !== Kind.STRING || words.constant || !words.isFull) fail(where, 'has a dictionary that is not plain text');
    if (kind === Kind.VARIANT && (words.rows > MAX_VARIANT_NAMES || new Set(words.texts()).size < words.rows)) fail(where, 'has too many names, or one twice');
    if (kind === Kind.DICTIONARY) column.typed(Uint32Array).forEach((code) => code < words.rows || fail(where, 'has a code outside of its dictionary'));
  }
}

function checkOffsets(column: Column, where: string, rows: number): void {
  if (column.data.length < (rows + 1) * 4) fail(where, 'has fewer offsets than rows');
  const { offsets } = column;
  if (offsets[0] !== 0) fail(where, 'has offsets that do not begin with 0');
  for (let row = 0; row < rows; row++) if (offsets[row]! > offsets[row + 1]!) fail(where, 'has offsets that go back');
  const end = offsets[rows]!;
  if (isHeap(column.kind) ? end !== column.data.length - (rows + 1) * 4 : column.children.some((child) => child.rows !== end)) fail(where, 'has offsets that do not end where its data does');
}

function checkHeapRow(column: Column, row: number, where: string, batch: Batch): void {
  const bytes = column.bytes(row);
  const isNull = column.isNull(row);
  switch (column.kind) {
    case Kind.STRING:
      if (tryDecodeUtf8(bytes) === null) fail(where, `has text that is not UTF-8 in row ${row}`);
      return;
    case Kind.DECIMAL:
      if (isNull ? bytes.length > 0 : bytes.length < 5) fail(where, `has a decimal without digits, or digits under a null, in row ${row}`);
      return;
    case Kind.VARIANT:
      if (isNull && bytes.length > 0) fail(where, `has bytes under a null in row ${row}`);
      if (!isNull) readVariant(bytes, column.children[0]!.texts(), batch.schemas, true);
      return;
    case Kind.HEADERS:
      readHeaders(column, row, batch.schemas, true);
  }
}

function checkBlock({ schema, column }: Block, where: string, batch: Batch): void {
  checkColumn(column, where, batch, 0);
  if (schema !== null && schema >= batch.schemas.entries.length) fail(where, 'names a schema that is not there');
  const sound = column.present === null && (schema === null ? isSchemaless(column) : conforms(column, batch.schemas.schema(schema)));
  if (!sound) fail(where, `does not fit its schema ${schema === null ? '(it has none)' : batch.schemas.schema(schema)}`);
}

function isSchemaless(column: Column): boolean {
  if (column.kind === Kind.STRUCT || column.kind === Kind.HEADERS || column.kind === Kind.DICTIONARY) return false;
  return column.kind === Kind.VARIANT || column.children.every(isSchemaless);
}

function conforms(column: Column, schema: Schema): boolean {
  if (column.kind === Kind.NULL || column.kind === Kind.VARIANT) return true;
  if (column.kind !== kindOfSchema(schema)) return false;
  const inner = (child: Column, own: Schema | null) => (own === null ? isSchemaless(child) : conforms(child, own));
  if (column.kind === Kind.LIST) return inner(column.children[0]!, schema.valueSchema);
  if (column.kind === Kind.MAP) return inner(column.children[0]!, schema.keySchema) && inner(column.children[1]!, schema.valueSchema);
  if (column.kind !== Kind.STRUCT) return true;
  return column.children.length === schema.fields.length && schema.fields.every(({ name, schema: own }, at) => column.children[at]!.name === name && conforms(column.children[at]!, own));
}

function checkRole(role: number, column: Column): void {
  const nullable = (...kinds: number[]) => column.kind === Kind.NULL || kinds.includes(column.kind);
  const sound: Record<number, () => boolean> = {
    [Role.TOPIC]: () => nullable(Kind.STRING, Kind.DICTIONARY),
    [Role.ORIGINAL_TOPIC]: () => nullable(Kind.STRING, Kind.DICTIONARY),
    [Role.PARTITION]: () => nullable(Kind.INT32),
    [Role.ORIGINAL_PARTITION]: () => nullable(Kind.INT32),
    [Role.TIMESTAMP]: () => nullable(Kind.INT64),
    [Role.OFFSET]: () => nullable(Kind.INT64),
    [Role.ORIGINAL_OFFSET]: () => nullable(Kind.INT64),
    [Role.TIMESTAMP_TYPE]: () => column.kind === Kind.INT8 && column.isFull,
    [Role.HEADERS]: () => column.kind === Kind.HEADERS && column.isFull,
    [Role.SOURCE_PARTITION]: () => nullable(Kind.OBJECT, Kind.VARIANT) && isSchemaless(column),
    [Role.SOURCE_OFFSET]: () => nullable(Kind.OBJECT, Kind.VARIANT) && isSchemaless(column),
    [Role.ORIGIN]: () => column.kind === Kind.INT32 && column.isFull,
    [Role.CHILD]: () => column.kind === Kind.INT32 && column.isFull,
    [Role.SELECTION]: () => column.kind === Kind.BOOL && column.isFull,
  };
  if (column.present !== null || (sound[role] !== undefined && !sound[role]())) fail(`role ${role}`, 'has a column that does not fit it');
}
