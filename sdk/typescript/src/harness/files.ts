/** Files in memory, with the faults that a test asks for. */

import { FatalError } from '../errors';
import { type HostFile, join, split } from '../host';
import { decodeUtf8, encodeUtf8 } from '../utf8';

/** A file that a test puts in place of the one that a configuration key names. */
export class TestFile {
  #bytes: Uint8Array;
  #synced: Uint8Array;
  #room = Infinity;
  #stream = false;
  /** Has every attempt to open it fail with this. */
  failOpen: Error | null = null;
  /** Has the next read fail with this. */
  failRead: Error | null = null;
  /** Has every sync fail with this. */
  failSync: Error | null = null;

  constructor(content: Uint8Array | string) {
    this.#bytes = bytesOf(content).slice();
    this.#synced = this.#bytes;
  }

  /** Appends, as another program would. */
  append(content: Uint8Array | string): void {
    this.#bytes = joined(this.#bytes, bytesOf(content));
  }

  /** What is in the file now. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** What is in the file now, as text. */
  get text(): string {
    return decodeUtf8(this.#bytes);
  }

  /** What would be left after a power failure, as text. */
  get synced(): string {
    return decodeUtf8(this.#synced);
  }

  /** Makes it behave like a standard stream: no size, no position. */
  makeStream(): this {
    this.#stream = true;
    return this;
  }

  /** Takes that many bytes more; the write that goes beyond them is cut off and fails. */
  fillAfter(bytes: number): void {
    this.#room = bytes;
  }

  /** An open file with a position of its own. */
  open(): HostFile {
    if (this.failOpen !== null) throw this.failOpen;
    let position = 0;
    const checkFile = () => {
      if (this.#stream) throw new FatalError('a standard stream has no position');
    };
    return {
      read: (max) => {
        const failure = this.failRead;
        this.failRead = null;
        if (failure !== null) throw failure;
        const read = this.#bytes.slice(position, position + max);
        position += read.length;
        return read;
      },
      size: () => (this.#stream ? null : split(this.#bytes.length)),
      seek: (to) => {
        checkFile();
        position = join(to, 'a position');
      },
      write: (bytes) => {
        const taken = bytes.subarray(0, Math.min(this.#room, bytes.length));
        this.#bytes = joined(this.#bytes, taken);
        this.#room -= taken.length;
        if (taken.length < bytes.length) throw new FatalError('No space left on device');
      },
      truncate: (length) => {
        checkFile();
        this.#bytes = this.#bytes.slice(0, join(length, 'a length'));
      },
      sync: () => {
        if (this.failSync !== null) throw this.failSync;
        this.#synced = this.#bytes;
      },
      endsRest: () => !this.#stream,
      close: () => {},
    };
  }
}

const bytesOf = (content: Uint8Array | string) => (typeof content === 'string' ? encodeUtf8(content) : content);

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
