/** Opening a batch: its directory becomes a tree of columns, which share its bytes. */

import { FatalError } from '../errors';
import { decodeUtf8 } from '../utf8';
import type { Batch } from './batch';
import { bytesFor } from './bits';
import { viewOf } from './bytes';
import { Column, numbersIn } from './column';
import * as layout from './layout';
import { MAGIC, NODE_WORDS, Role } from './layout';

/** Opens the bytes of a batch; `make` makes one without anything. */
export function readBatch(bytes: Uint8Array, make: (rows: number) => Batch): Batch {
  return new Reader(bytes).batch(make);
}

class Reader {
  readonly #view: DataView;
  /** The directory, ten numbers an entry. */
  readonly #nodes: Uint32Array;
  #node = 0;

  constructor(readonly bytes: Uint8Array) {
    this.#view = viewOf(bytes);
    if (bytes.length < layout.HEADER_LENGTH || this.#u32(0) !== MAGIC) throw new FatalError('these bytes are no batch');
    const directory = this.#u32(16);
    const count = this.#u32(12);
    this.#nodes = numbersIn(Uint32Array, bytes.subarray(directory, directory + count * layout.NODE_LENGTH), count * NODE_WORDS);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  batch(make: (rows: number) => Batch): Batch {
    const batch = make(this.#u32(8));
    const table = this.#u32(20);
    for (let place = 0, count = this.#u32(24); place < count; place++) {
      const at = table + place * layout.SCHEMA_ENTRY_LENGTH;
      const begin = this.#u32(at + 4);
      batch.schemas.push(this.#u32(at), this.bytes.subarray(begin, begin + this.#u32(at + 8)));
    }
    const nodes = this.#nodes;
    while (this.#node < nodes.length) {
      const role = (nodes[this.#node]! >> 16) & 0xff;
      const aux = nodes[this.#node + 9]!;
      const column = this.#column();
      const schema = aux === layout.NO_SCHEMA ? null : aux;
      if (role === Role.KEY) batch.keys.blocks.push({ schema, column });
      else if (role === Role.VALUE) batch.values.blocks.push({ schema, column });
      else if (role === Role.KEY_TAGS) batch.keys.tags = column.data;
      else if (role === Role.VALUE_TAGS) batch.values.tags = column.data;
      else batch.envelope.set(role, column);
    }
    return batch;
  }

  #column(): Column {
    const nodes = this.#nodes;
    const { bytes } = this;
    const at = this.#node;
    this.#node = at + NODE_WORDS;
    const word = nodes[at]!;
    const flags = (word >> 8) & 0xff;
    const rows = nodes[at + 3]!;
    const constant = (flags & layout.FLAG_CONSTANT) !== 0;
    const data = nodes[at + 7]!;
    const column = new Column(word & 0xff, rows, bytes.subarray(data, data + nodes[at + 8]!), constant);
    const name = nodes[at + 2]!;
    if (name > 0) column.name = decodeUtf8(bytes.subarray(nodes[at + 1]!, nodes[at + 1]! + name));
    const bitmap = bytesFor(constant ? 1 : rows);
    if ((flags & layout.FLAG_VALID) !== 0) column.valid = bytes.subarray(nodes[at + 5]!, nodes[at + 5]! + bitmap);
    if ((flags & layout.FLAG_PRESENT) !== 0) column.present = bytes.subarray(nodes[at + 6]!, nodes[at + 6]! + bitmap);
    for (let left = nodes[at + 4]!; left > 0; left--) column.children.push(this.#column());
    return column;
  }
}
