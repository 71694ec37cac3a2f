/** Bitmaps: a bit per row, the lowest of a byte first. */

export function bytesFor(rows: number): number {
  return (rows + 7) >> 3;
}

export function getBit(bits: Uint8Array, row: number): boolean {
  return ((bits[row >> 3]! >> (row & 7)) & 1) === 1;
}

export function setBit(bits: Uint8Array, row: number, value: boolean): void {
  if (value) bits[row >> 3]! |= 1 << (row & 7);
  else bits[row >> 3]! &= ~(1 << (row & 7));
}

/** A bitmap of so many rows that all have the same bit; what follows the last row is unset. */
export function filledBits(rows: number, value: boolean): Uint8Array {
  const bits = new Uint8Array(bytesFor(rows));
  if (value && rows > 0) {
    bits.fill(0xff);
    if ((rows & 7) !== 0) bits[bits.length - 1] = 0xff >> (8 - (rows & 7));
  }
  return bits;
}

/** A bitmap from a condition. */
export function bitsWhere(rows: number, holds: (row: number) => boolean): Uint8Array {
  const bits = new Uint8Array(bytesFor(rows));
  for (let row = 0; row < rows; row++) if (holds(row)) bits[row >> 3]! |= 1 << (row & 7);
  return bits;
}
