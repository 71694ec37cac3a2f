/** For which rows of a batch a predicate holds, and which rows failed. */

import { filledBits, getBit, setBit } from './batch/bits';
import { rowError, type ReportedRowError } from './errors';

/** What a predicate says of a batch: for none, at first. */
export class Verdict {
  /** The bitmap of rows for which it holds. */
  holdsFor: Uint8Array;
  readonly errors: ReportedRowError[] = [];
  readonly thrown: { row: number; error: unknown }[] = [];

  constructor(readonly rows: number) {
    this.holdsFor = filledBits(rows, false);
  }

  /** The predicate holds for a row, or does not. */
  set(row: number, holds: boolean): void {
    setBit(this.holdsFor, row, holds);
  }

  /** The same answer for all rows. */
  setAll(holds: boolean): void {
    this.holdsFor = filledBits(this.rows, holds);
  }

  /** The row cannot be judged; the transform fails for it. */
  fail(row: number, error: unknown): void {
    this.thrown.push({ row, error });
    this.errors.push(rowError(row, 0, error));
  }

  /** Whether it holds for a row. */
  holds(row: number): boolean {
    return getBit(this.holdsFor, row);
  }
}
