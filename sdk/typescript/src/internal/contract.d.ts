/**
 * The host's interfaces as a component made by componentize-qjs finds them: `millstream:connect@0.1.0`, and of WASI what the
 * SDK calls. Numbers of 64 bits are two halves in the contract and numbers in WASI. A function whose result can be an error
 * throws an Error whose `payload` is the value of the contract.
 *
 * `wasj:` stands for `wasi:`: see `build.mjs`.
 */

interface WitError {
  kind: 'retriable' | 'data' | 'config' | 'fatal';
  class: string;
  message: string;
  causes: string[];
}
interface WitRowError {
  row: number;
  link: number;
  kind: 'retriable' | 'data' | 'config' | 'fatal';
  class: string;
  message: string;
  field: string | null;
}
interface WitWide {
  high: number;
  low: number;
}
interface WitTopicPartition {
  topic: string;
  partition: number;
}
interface WitTopicOffset extends WitTopicPartition {
  offset: WitWide;
}
interface WitDisposable {
  [Symbol.dispose](): void;
}

declare module 'millstream:connect/host-log@0.1.0' {
  type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
  export function enabled(level: Level): boolean;
  export function log(level: Level, message: string): void;
}

declare module 'millstream:connect/host-wait@0.1.0' {
  export function wait(ms: number): boolean;
  export function rest(ms: number): void;
}

declare module 'millstream:connect/host-files@0.1.0' {
  export class File implements WitDisposable {
    private constructor();
    static open(key: string): File | null;
    read(max: number): Uint8Array;
    size(): WitWide | null;
    seek(position: WitWide): void;
    write(bytes: Uint8Array): void;
    truncate(length: WitWide): void;
    sync(): void;
    endsRest(): boolean;
    [Symbol.dispose](): void;
  }
}

declare module 'millstream:connect/host-lease@0.1.0' {
  export function obtain(): WitWide;
  export function confirm(epoch: WitWide): void;
  export function keys(): string[];
  export function read(keys: string[]): (Uint8Array | null)[];
  export function write(epoch: WitWide, changes: { key: string; value: Uint8Array | null }[]): void;
}

declare module 'millstream:connect/host-sql@0.1.0' {
  interface Parameter {
    kind: string;
    value: string | null;
  }
  export class Database implements WitDisposable {
    private constructor();
    static open(key: string, options: string): Database;
    about(): string;
    now(): string;
    tables(filter: string): string;
    table(name: string): string | null;
    check(sql: string): string;
    query(sql: string, parameters: Parameter[], options: string): Rows;
    execute(sql: string, parameters: Parameter[]): WitWide;
    prepare(sql: string, bindings: string): Statement;
    begin(): void;
    commit(): void;
    rollback(): void;
    listen(channel: string): void;
    notifications(): string[];
    endsRest(): boolean;
    [Symbol.dispose](): void;
  }
  export class Rows implements WitDisposable {
    private constructor();
    next(maxRows: number, maxBytes: number): Uint8Array | null;
    [Symbol.dispose](): void;
  }
  export class Statement implements WitDisposable {
    private constructor();
    run(records: Uint8Array | null, only: Uint8Array | null): { changed: WitWide; errors: WitRowError[] };
    [Symbol.dispose](): void;
  }
}

declare module 'millstream:connect/host-metrics@0.1.0' {
  interface Progress {
    done: number;
    total: number | null;
    unit: string;
  }
  export function declare(name: string, kind: 'counter' | 'gauge', help: string): void;
  export function count(name: string, more: number): void;
  export function gauge(name: string, value: number): void;
  export function reportProgress(what: string, now: Progress | null): void;
}

declare module 'millstream:connect/host-columns@0.1.0' {
  export function input(): number;
  export function queried(): number;
  export function make(rows: number): number;
  export function read(records: Uint8Array): number;
  export function write(table: number): Uint8Array;
  export function rows(table: number): number;
  export function selected(table: number): number;
  export function focus(table: number, condition: number | null): void;
  export function keep(table: number, condition: number): void;
  export function fail(table: number, messages: number, link: number, kind: 'retriable' | 'data' | 'config' | 'fatal', className: string): void;
  export function repeat(table: number, counts: number[]): number[];
  export function answer(table: number): void;
  export function answerVerdict(holds: number, failed: number | null): void;
  export function get(table: number, path: string[]): number | null;
  export function names(table: number, path: string[]): string[];
  export function set(table: number, path: string[], column: number): void;
  export function drop(table: number, path: string[]): void;
  export function rename(table: number, path: string[], name: string): void;
  export function texts(column: number): (string | null)[];
  export function numbers(column: number): (number | null)[];
  export function booleans(column: number): (boolean | null)[];
  export function toJson(column: number): string;
  export function fromTexts(values: (string | null)[]): number;
  export function fromNumbers(values: (number | null)[]): number;
  export function fromBooleans(values: (boolean | null)[]): number;
  export function fromJson(text: string, schema: string | null): { column: number; failed: number | null };
  export function fromJsonLike(text: string, like: number): { column: number; failed: number | null };
  export function constant(json: string): number;
  export function constantText(text: string): number;
  export function absent(): number;
  export function now(): number;
  export function length(column: number): number;
  export function about(column: number): string;
  export function release(columns: number[]): void;
  export function cast(column: number, to: string): { column: number; failed: number | null };
  export function toText(column: number, encoding: string): { column: number; failed: number | null };
  export function toBytes(column: number, encoding: string): { column: number; failed: number | null };
  export function parseJson(column: number, schema: string | null): { column: number; failed: number | null };
  export function writeJson(column: number): number;
  export function schemaless(column: number): number;
  export function pack(names: string[], columns: number[], name: string | null): number;
  export function upper(column: number): number;
  export function lower(column: number): number;
  export function trim(column: number): number;
  export function substring(column: number, start: number, count: number | null): number;
  export function characters(column: number): number;
  export function concat(columns: number[], separator: string): number;
  export function replace(column: number, pattern: string, replacement: string, all: boolean): number;
  export function extract(column: number, pattern: string, group: number): number;
  export function matches(column: number, pattern: string): number;
  export function contains(column: number, text: number): number;
  export function hash(column: number, algorithm: string): number;
  export function add(left: number, right: number): number;
  export function subtract(left: number, right: number): number;
  export function multiply(left: number, right: number): number;
  export function divide(left: number, right: number): number;
  export function remainder(left: number, right: number): number;
  export function equal(left: number, right: number): number;
  export function less(left: number, right: number): number;
  export function atMost(left: number, right: number): number;
  export function isNull(column: number): number;
  export function isPresent(column: number): number;
  export function both(left: number, right: number): number;
  export function either(left: number, right: number): number;
  export function inverse(condition: number): number;
  export function choose(condition: number, holds: number, otherwise: number): number;
  export function coalesce(columns: number[]): number;
}

declare module 'millstream:connect/host-report@0.1.0' {
  interface Report {
    key: Uint8Array | null;
    value: Uint8Array | null;
    headers: [string, Uint8Array][];
  }
  export function write(key: string, reports: Report[]): void;
}

declare module 'millstream:connect/host-source@0.1.0' {
  export function readOffsets(partitions: string[]): (string | null)[];
}

declare module 'millstream:connect/host-transaction@0.1.0' {
  interface Boundary {
    behind: number | null;
    ending: 'commit' | 'abort';
  }
  export function available(): boolean;
  export function setBoundaries(boundaries: Boundary[]): void;
}

declare module 'millstream:connect/host-connector@0.1.0' {
  export function requestTaskReconfiguration(): void;
  export function raiseError(error: WitError): void;
}

declare module 'millstream:connect/host-sink@0.1.0' {
  export function assignment(): WitTopicPartition[];
  export function seek(offsets: WitTopicOffset[]): void;
  export function pause(partitions: WitTopicPartition[]): void;
  export function resume(partitions: WitTopicPartition[]): void;
  export function timeout(ms: number): void;
  export function requestCommit(): void;
  export function report(errors: WitRowError[]): void;
}

declare module 'wasj:io/poll@0.2.6' {
  export class Pollable implements WitDisposable {
    private constructor();
    block(): void;
    [Symbol.dispose](): void;
  }
}

declare module 'wasj:io/error@0.2.6' {
  export class Error implements WitDisposable {
    private constructor();
    toDebugString(): string;
    [Symbol.dispose](): void;
  }
}

declare module 'wasj:io/streams@0.2.6' {
  import type { Error } from 'wasj:io/error@0.2.6';
  import type { Pollable } from 'wasj:io/poll@0.2.6';
  export type StreamError = { tag: 'last-operation-failed'; val: Error } | { tag: 'closed' };
  export class InputStream implements WitDisposable {
    private constructor();
    blockingRead(length: number): Uint8Array;
    [Symbol.dispose](): void;
  }
  export class OutputStream implements WitDisposable {
    private constructor();
    checkWrite(): number;
    write(contents: Uint8Array): void;
    flush(): void;
    subscribe(): Pollable;
    [Symbol.dispose](): void;
  }
}

declare module 'wasj:http/types@0.2.6' {
  import type { Error } from 'wasj:io/error@0.2.6';
  import type { Pollable } from 'wasj:io/poll@0.2.6';
  import type { InputStream, OutputStream } from 'wasj:io/streams@0.2.6';
  export type Method = { tag: string; val?: string };
  export type Scheme = { tag: 'HTTP' | 'HTTPS' };
  export type ErrorCode = { tag: string; val?: unknown };
  export class Fields implements WitDisposable {
    private constructor();
    static fromList(entries: [string, Uint8Array][]): Fields;
    entries(): [string, Uint8Array][];
    [Symbol.dispose](): void;
  }
  export class OutgoingRequest implements WitDisposable {
    constructor(headers: Fields);
    body(): OutgoingBody;
    setMethod(method: Method): void;
    setPathWithQuery(path: string | null): void;
    setScheme(scheme: Scheme | null): void;
    setAuthority(authority: string | null): void;
    [Symbol.dispose](): void;
  }
  export class RequestOptions {
    constructor();
    setFirstByteTimeout(nanoseconds: number | null): void;
  }
  export class IncomingResponse implements WitDisposable {
    private constructor();
    status(): number;
    headers(): Fields;
    consume(): IncomingBody;
    [Symbol.dispose](): void;
  }
  export class IncomingBody implements WitDisposable {
    private constructor();
    stream(): InputStream;
    [Symbol.dispose](): void;
  }
  export class OutgoingBody implements WitDisposable {
    private constructor();
    [Symbol.dispose](): void;
    write(): OutputStream;
    static finish(body: OutgoingBody, trailers: Fields | null): void;
  }
  type Nested<T, E> = { tag: 'ok'; val: T } | { tag: 'err'; val?: E };
  export class FutureIncomingResponse implements WitDisposable {
    private constructor();
    subscribe(): Pollable;
    get(): Nested<Nested<IncomingResponse, ErrorCode>, void> | null;
    [Symbol.dispose](): void;
  }
  export function httpErrorCode(error: Error): ErrorCode | null;
}

declare module 'wasj:http/outgoing-handler@0.2.6' {
  import type { FutureIncomingResponse, OutgoingRequest, RequestOptions } from 'wasj:http/types@0.2.6';
  export function handle(request: OutgoingRequest, options: RequestOptions | null): FutureIncomingResponse;
}

declare module 'millstream:plugins' {
  const plugins: unknown;
  export default plugins;
}
