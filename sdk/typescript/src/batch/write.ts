/** Writing a batch: buffers first, then the schemas, then the directory. */

import { FatalError } from '../errors';
import { encodeName } from '../utf8';
import type { Batch, Union } from './batch';
import { bytesFor } from './bits';
import { ByteWriter } from './bytes';
import { Column } from './column';
import * as layout from './layout';
import { Kind, MAGIC, NODE_WORDS, Role } from './layout';

/** The bytes of a batch. */
export function writeBatch(batch: Batch): Uint8Array {
  return new Writer(batch).batch(batch);
}

class Writer {
  readonly #out: ByteWriter;
  /** The directory, ten numbers an entry. */
  readonly #nodes: number[] = [];

  constructor(batch: Batch) {
    this.#out = new ByteWriter(measured(batch));
  }

  batch(batch: Batch): Uint8Array {
    const out = this.#out;
    out.room(layout.HEADER_LENGTH);
    for (const [role, column] of batch.envelope) this.#column(column, role, layout.NO_SCHEMA);
    this.#union(batch.keys, Role.KEY_TAGS, Role.KEY, batch.rows);
    this.#union(batch.values, Role.VALUE_TAGS, Role.VALUE, batch.rows);
    const { entries } = batch.schemas;
    const places = entries.map(({ bytes }) => this.#raw(bytes));
    out.align();
    const table = out.length;
    entries.forEach(({ number, bytes }, at) => {
      out.u32(number);
      out.u32(places[at]!);
      out.u32(bytes.length);
    });
    out.align();
    const directory = out.length;
    const nodes = new Uint32Array(this.#nodes);
    out.append(new Uint8Array(nodes.buffer));
    const bytes = out.finish();
    const header = [MAGIC, 1, batch.rows, this.#nodes.length / NODE_WORDS, directory, table, entries.length, bytes.length];
    for (let at = 0; at < header.length; at++) out.view.setUint32(at * 4, header[at]!, true);
    return bytes;
  }

  #union(union: Union, tagsRole: number, role: number, rows: number): void {
    const total = union.blocks.reduce((sum, { column }) => sum + column.rows, 0);
    if (union.blocks.length > 0 && total !== rows) throw new FatalError(`keys or values of ${total} rows were set in a batch of ${rows}`);
    if (union.tags !== null) this.#column(new Column(Kind.INT8, rows, union.tags), tagsRole, layout.NO_SCHEMA);
    for (const { schema, column } of union.blocks) this.#column(column, role, schema ?? layout.NO_SCHEMA);
  }

  #column(column: Column, role: number, aux: number): void {
    const { constant, data, children } = column;
    if (constant && column.rows === 0) return this.#column(column.take([]), role, aux);
    let name = 0;
    let nameLength = 0;
    if (column.name !== '') {
      const bytes = encodeName(column.name);
      name = this.#raw(bytes);
      nameLength = bytes.length;
    }
    let flags = constant ? layout.FLAG_CONSTANT : 0;
    let valid = 0;
    let present = 0;
    if (column.valid !== null) {
      flags |= layout.FLAG_VALID;
      valid = this.#buffer(column.valid.subarray(0, bytesFor(column.physicalRows)));
    }
    if (column.present !== null) {
      flags |= layout.FLAG_PRESENT;
      present = this.#buffer(column.present.subarray(0, bytesFor(column.physicalRows)));
    }
    const at = data.length === 0 ? 0 : this.#buffer(data);
    this.#nodes.push(column.kind | (flags << 8) | (role << 16), name, nameLength, column.rows, children.length, valid, present, at, data.length, aux);
    for (let child = 0; child < children.length; child++) this.#column(children[child]!, 0, layout.NO_SCHEMA);
  }

  #raw(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    const at = this.#out.length;
    this.#out.append(bytes);
    return at;
  }

  #buffer(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    this.#out.align();
    return this.#raw(bytes);
  }
}

/** Bytes that a batch takes, roughly: room for it is made at once. */
function measured(batch: Batch): number {
  let bytes = layout.HEADER_LENGTH + 64;
  const add = (column: Column) => {
    bytes += column.data.length + 2 * layout.NODE_LENGTH + (column.rows >> 2);
    column.children.forEach(add);
  };
  batch.envelope.forEach(add);
  for (const { tags, blocks } of [batch.keys, batch.values]) {
    bytes += tags?.length ?? 0;
    for (const { column } of blocks) add(column);
  }
  for (const entry of batch.schemas.entries) bytes += entry.bytes.length + 16;
  return bytes;
}
