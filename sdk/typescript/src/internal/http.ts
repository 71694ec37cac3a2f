/** Requests as a component sends them: through `wasi:http`. */

import { handle } from 'wasj:http/outgoing-handler@0.2.6';
import { type ErrorCode, Fields, type FutureIncomingResponse, httpErrorCode, type IncomingBody, type Method, OutgoingBody, OutgoingRequest, RequestOptions } from 'wasj:http/types@0.2.6';
import type { Error as StreamFailure } from 'wasj:io/error@0.2.6';
import type { OutputStream, StreamError } from 'wasj:io/streams@0.2.6';
import type { HostPending } from '../host';
import { owning, using } from './handles';
import { payloadOf } from './payload';
import { encodeUtf8 } from '../utf8';
import { type HttpRequest, HttpResponse, httpError, httpErrorOf, urlParts } from '../http';

/** Bytes that are read at a time. */
const READ = 1 << 20;
const METHODS = ['get', 'head', 'post', 'put', 'delete', 'patch', 'options'];

/** Sends a request; the answer is waited for later. */
export function startRequest(request: HttpRequest): HostPending {
  const future = started(request);
  return owning(future, (close) => ({
    wait: () => {
      try {
        return answerOf(future);
      } finally {
        close();
      }
    },
  }));
}

function started(request: HttpRequest): FutureIncomingResponse {
  const invalid = (what: string) => httpError('invalid', `${request.method} ${request.url}: ${what}`);
  const attempt = <T>(work: () => T, what: string): T => {
    try {
      return work();
    } catch {
      throw invalid(what);
    }
  };
  const parts = urlParts(request.url);
  if (parts === null) throw invalid('it is no URL of HTTP');
  const headers = attempt(() => Fields.fromList(request.headers.map(([name, value]) => [name, encodeUtf8(value)])), 'a header is wrong');
  const outgoing = new OutgoingRequest(headers);
  try {
    const word = request.method.toLowerCase();
    const method: Method = METHODS.includes(word) ? { tag: word } : { tag: 'other', val: request.method };
    attempt(() => outgoing.setMethod(method), 'it is no method');
    attempt(() => outgoing.setScheme({ tag: parts.secure ? 'HTTPS' : 'HTTP' }), 'its scheme is wrong');
    attempt(() => outgoing.setAuthority(parts.authority), 'its host is wrong');
    attempt(() => outgoing.setPathWithQuery(parts.path), 'its path or query has characters that have to be encoded');
  } catch (error) {
    outgoing[Symbol.dispose]();
    throw error;
  }
  let options: RequestOptions | null = null;
  if (request.timeoutMs !== null) {
    options = new RequestOptions();
    options.setFirstByteTimeout(Math.round(request.timeoutMs * 1e6));
  }
  if (request.body.length === 0) return send(outgoing, options);
  const body = outgoing.body();
  let written = false;
  try {
    return using(body.write(), (stream) => {
      const future = send(outgoing, options);
      // A host that has given the request up takes no more of it; the future says why.
      written = writeAll(stream, request.body);
      return future;
    });
  } finally {
    if (written) OutgoingBody.finish(body, null);
    else body[Symbol.dispose]();
  }
}

function send(outgoing: OutgoingRequest, options: RequestOptions | null): FutureIncomingResponse {
  try {
    return handle(outgoing, options);
  } catch (code) {
    throw errorOf(payloadOf(code) as ErrorCode);
  }
}

function writeAll(stream: OutputStream, bytes: Uint8Array): boolean {
  try {
    for (let at = 0; at < bytes.length; ) {
      const room = Math.min(stream.checkWrite(), bytes.length - at);
      if (room === 0) {
        using(stream.subscribe(), (ready) => ready.block());
        continue;
      }
      stream.write(bytes.slice(at, at + room));
      at += room;
    }
    stream.flush();
    return true;
  } catch {
    return false;
  }
}

function answerOf(future: FutureIncomingResponse): HttpResponse {
  using(future.subscribe(), (ready) => ready.block());
  const got = future.get();
  if (got === null || got.tag === 'err') throw httpError('cut', 'the host has lost the answer');
  if (got.val.tag === 'err') throw errorOf(got.val.val ?? { tag: 'unknown' });
  return using(got.val.val, (incoming) => {
    const headers = using(incoming.headers(), (fields) => fields.entries());
    const status = incoming.status();
    return using(incoming.consume(), (body) => new HttpResponse(status, readAll(body), headers));
  });
}

function readAll(body: IncomingBody): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  using(body.stream(), (stream) => {
    for (;;) {
      let part: Uint8Array;
      try {
        part = stream.blockingRead(READ);
      } catch (thrown) {
        const error = payloadOf(thrown) as StreamError;
        if (error.tag === 'closed') return;
        throw error.tag === 'last-operation-failed' ? using(error.val, brokenOff) : thrown;
      }
      parts.push(part);
      length += part.length;
    }
  });
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What breaks off within a body comes as text alone, where it is no error of HTTP. */
function brokenOff(error: StreamFailure): Error {
  const code = httpErrorCode(error);
  return code === null ? httpErrorOf(error.toDebugString().replace(/^internal error: /, '')) : errorOf(code);
}

function errorOf(code: ErrorCode) {
  if (code.tag === 'internal-error' && typeof code.val === 'string') return httpErrorOf(code.val);
  return httpError('cut', code.tag);
}
