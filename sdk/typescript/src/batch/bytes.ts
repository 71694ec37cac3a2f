/** Bytes that are written one after the other, and numbers read out of bytes. */

import { encodeUtf8 } from '../utf8';

/** Grows as it is written to. */
export class ByteWriter {
  bytes: Uint8Array;
  view: DataView;
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes room for so many bytes and returns where they begin. */
  room(count: number): number {
    const at = this.length;
    const needed = at + count;
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    this.length = needed;
    return at;
  }

  u8(value: number): void {
    const at = this.room(1);
    this.bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.room(2);
    this.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.room(4);
    this.view.setUint32(at, value, true);
  }

  append(bytes: Uint8Array): void {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** A text behind its length in bytes. */
  text(text: string): void {
    const bytes = encodeUtf8(text);
    this.u32(bytes.length);
    this.append(bytes);
  }

  /** Zeros up to the next multiple of eight. */
  align(): void {
    this.room((8 - (this.length & 7)) & 7);
  }

  /** What was written. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** A view for numbers of bytes that may begin anywhere. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The 64-bit integer at a place: a number where that is exact. */
export function int64At(view: DataView, at: number): number | bigint {
  const high = view.getInt32(at + 4, true);
  if (high >= -0x200000 && high < 0x200000) {
    const value = high * 0x100000000 + view.getUint32(at, true);
    if (value !== -9007199254740992) return value;
  }
  return view.getBigInt64(at, true);
}

/** Writes a 64-bit integer; the caller has seen that it is one. */
export function setInt64(view: DataView, at: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    view.setBigInt64(at, value, true);
  } else {
    view.setUint32(at, value >>> 0, true);
    view.setInt32(at + 4, Math.floor(value / 0x100000000), true);
  }
}
