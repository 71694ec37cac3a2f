/** Files that configuration keys name. */

import { host, join, split, type HostFile } from './host';
import { decodeUtf8, encodeUtf8 } from './utf8';

/**
 * A file, or a standard stream of the worker, named by the value of a configuration key whose declaration says what it
 * {@link opens}.
 */
export class File {
  private constructor(readonly handle: HostFile) {}

  /** Opens what the configuration value of `key` names. Null if a file to be read does not exist. */
  static open(key: string): File | null {
    const handle = host().openFile(key);
    return handle === null ? null : new File(handle);
  }

  /** Up to `max` bytes from the current position; empty at the end of what is there now. */
  read(max: number): Uint8Array {
    return this.handle.read(max);
  }

  /** All that is there from the current position on, as text. For small files. */
  readText(): string {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const part = this.read(1 << 20);
      if (part.length === 0) break;
      parts.push(part);
      length += part.length;
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return decodeUtf8(bytes);
  }

  /** Size in bytes at this moment; null for a stream. */
  get size(): number | null {
    const size = this.handle.size();
    return size === null ? null : join(size, 'the size of the file');
  }

  /** Sets the position of the next read, in bytes from the start. */
  seek(position: number): void {
    this.handle.seek(split(position));
  }

  /** Appends all of the bytes, or of a text as UTF-8; it is safe after {@link sync} only. */
  write(content: Uint8Array | string): void {
    this.handle.write(typeof content === 'string' ? encodeUtf8(content) : content);
  }

  /** Cuts the file down to a length in bytes. */
  truncate(length: number): void {
    this.handle.truncate(split(length));
  }

  /** Returns when everything written is on disk. */
  sync(): void {
    this.handle.sync();
  }

  /** Has the {@link rest} of the task end as soon as there are bytes behind the current position. False if the host cannot tell. */
  endsRest(): boolean {
    return this.handle.endsRest();
  }

  /** Gives the file back at once; otherwise that is done when nobody refers to it any more. */
  close(): void {
    this.handle.close();
  }

  /** For `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
