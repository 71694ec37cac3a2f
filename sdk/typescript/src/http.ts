/**
 * HTTP requests to servers that configuration keys name.
 *
 * A key that opens a server ({@link opens.httpUrl}) lets the plugin send requests to the origin of its value. Who sends them,
 * the host adds: passwords, tokens, keys and certificates never reach the plugin. Calls return when the whole answer is there.
 *
 * ```ts
 * const answer = http.post('https://api.example.com/events', { body: '{}', headers: { 'content-type': 'application/json' } });
 * if (!answer.ok) throw new RetriableError(`the server answers ${answer.status}`);
 * ```
 */

import { ConfigError, FatalError, type PluginError, RetriableError } from './errors';
import { host, type HostPending } from './host';
import { decodeUtf8, encodeUtf8 } from './utf8';

/** What is sent. */
export interface HttpRequest {
  method: string;
  url: string;
  headers: [string, string][];
  body: Uint8Array;
  /** Longest wait for the beginning of the answer, in milliseconds; null for the configuration's own. */
  timeoutMs: number | null;
}

/** What may be said of a request. */
export interface HttpOptions {
  headers?: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  /** Text is sent as UTF-8. */
  body?: Uint8Array | string;
  /** Gives up if the answer has not begun by then. */
  timeoutMs?: number;
}

/** An answer, read to its end. */
export class HttpResponse {
  constructor(
    readonly status: number,
    readonly body: Uint8Array,
    /** Names in lower case. */
    readonly headers: readonly (readonly [string, Uint8Array])[] = [],
  ) {}

  /** Whether the status is one of 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The body as text. */
  text(): string {
    return decodeUtf8(this.body);
  }

  /** The body as JSON; a type says what is expected of it. */
  json<T = any>(): T {
    return JSON.parse(this.text()) as T;
  }

  /** The first header of this name. */
  header(name: string): string | null {
    const lower = name.toLowerCase();
    const found = this.headers.find(([known]) => known.toLowerCase() === lower);
    return found === undefined ? null : decodeUtf8(found[1]);
  }
}

/** Why there was no answer, in a word: the host's, or `invalid` for what is no request. */
export type HttpCause =
  | 'denied'
  | 'config'
  | 'dns'
  | 'connect'
  | 'proxy'
  | 'tls'
  | 'auth'
  | 'timeout'
  | 'cut'
  | 'too-large'
  | 'busy'
  | 'stopping'
  | 'invalid';

const CAUSES = new Set<string>(['denied', 'config', 'dns', 'connect', 'proxy', 'tls', 'auth', 'timeout', 'cut', 'too-large', 'busy', 'stopping']);

/** A request without an answer, as an error: retriable if the same may succeed later. */
export function httpError(cause: HttpCause, message: string): PluginError & { httpCause: HttpCause } {
  const Kind = cause === 'config' || cause === 'denied' ? ConfigError : cause === 'auth' || cause === 'too-large' || cause === 'invalid' ? FatalError : RetriableError;
  return Object.assign(new Kind(message), { httpCause: cause });
}

/** What a host says, whose first word is the cause. */
export function httpErrorOf(text: string): PluginError {
  const at = text.indexOf(': ');
  const word = text.slice(0, Math.max(0, at));
  return CAUSES.has(word) ? httpError(word as HttpCause, text.slice(at + 2)) : httpError('cut', text);
}

/** A request under way. */
export class HttpPending {
  constructor(readonly pending: HostPending) {}

  /** Waits for the whole answer. Throws if there is none, whatever its status. */
  wait(): HttpResponse {
    return this.pending.wait();
  }
}

/** Sends a request; the answer comes while the plugin does other things. */
function start(method: string, url: string, options: HttpOptions = {}): HttpPending {
  const { headers = {}, body = '', timeoutMs } = options;
  const list = Array.isArray(headers) ? headers : Object.entries(headers);
  const request: HttpRequest = {
    method,
    url,
    headers: list.map(([name, value]) => [name, value]),
    body: typeof body === 'string' ? encodeUtf8(body) : body,
    timeoutMs: timeoutMs ?? null,
  };
  return new HttpPending(host().startRequest(request));
}

/** Requests that wait for the whole answer, and `start`, which does not. They throw if there is none, whatever its status. */
export const http = {
  start,
  request: (method: string, url: string, options?: HttpOptions): HttpResponse => start(method, url, options).wait(),
  get: (url: string, options?: HttpOptions): HttpResponse => start('GET', url, options).wait(),
  post: (url: string, options?: HttpOptions): HttpResponse => start('POST', url, options).wait(),
  put: (url: string, options?: HttpOptions): HttpResponse => start('PUT', url, options).wait(),
  delete: (url: string, options?: HttpOptions): HttpResponse => start('DELETE', url, options).wait(),
};

/** Whether a URL is one of https, its authority, and its path with the query; null if it is none of HTTP. */
export function urlParts(url: string): { secure: boolean; authority: string; path: string } | null {
  const found = /^(https?):\/\/([^/?#]*)([^#]*)/i.exec(url);
  if (found === null || found[2] === '') return null;
  const path = found[3]!;
  return { secure: found[1]!.toLowerCase() === 'https', authority: found[2]!, path: path.startsWith('/') ? path : `/${path}` };
}
