/**
 * Text to and from UTF-8.
 *
 * QuickJS has no TextEncoder, and a loop over characters costs a hundred nanoseconds each; what its base64 functions do in
 * native code costs two. Elsewhere (tests run in Node) the usual classes are used.
 */

// Only some of these exist in each place; libraries of types know none of them where neither DOM nor Node is.
declare const TextEncoder: undefined | (new () => { encode(text: string): Uint8Array });
declare const TextDecoder: undefined | (new (label: string, options: object) => { decode(bytes: Uint8Array): string });
declare function btoa(latin: string): string;
declare function atob(base64: string): string;

interface Base64Array {
  toBase64(): string;
}

const encoder = typeof TextEncoder === 'undefined' ? null : new TextEncoder();
const decoder = typeof TextDecoder === 'undefined' ? null : new TextDecoder('utf-8', { ignoreBOM: true });
const fromBase64 = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;

/** Whether a text has only characters that take one byte each. */
export function isAscii(text: string): boolean {
  return /^[\x00-\x7f]*$/.test(text);
}

/** The bytes of a text. Half of a surrogate pair becomes U+FFFD, since UTF-8 has no form for it. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder === null ? encodeNatively(text) : encoder.encode(text);
}

/** The text of bytes that are UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder === null ? decodeNatively(bytes) : decoder.decode(bytes);
}

/** The text of any bytes: `null` if they are not UTF-8. */
export function tryDecodeUtf8(bytes: Uint8Array): string | null {
  try {
    if (decoder === null) return decodeNatively(bytes);
    return new TextDecoder!('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** As {@link encodeUtf8}, where there is no TextEncoder. */
export function encodeNatively(text: string): Uint8Array {
  if (text.length === 0) return new Uint8Array(0);
  if (isAscii(text)) return fromBase64!(btoa(text));
  const whole = text.isWellFormed?.() === false ? text.toWellFormed() : text;
  return fromBase64!(btoa(unescape(encodeURIComponent(whole))));
}

/** Names that were encoded before: there are few, and they come in every batch. */
const names = new Map<string, Uint8Array>();
const MOST_NAMES = 2000;

/** As {@link encodeUtf8}, for short texts that come again and again. The bytes are not to be changed. */
export function encodeName(name: string): Uint8Array {
  let bytes = names.get(name);
  if (bytes === undefined) {
    bytes = encodeUtf8(name);
    if (names.size === MOST_NAMES) names.clear();
    names.set(name, bytes);
  }
  return bytes;
}

/** Bytes up to which it is faster to do without base64. */
const SHORT = 64;

/** As {@link decodeUtf8}, where there is no TextDecoder. Throws a URIError if the bytes are not UTF-8. */
export function decodeNatively(bytes: Uint8Array): string {
  if (bytes.length === 0) return '';
  const latin = bytes.length <= SHORT ? String.fromCharCode.apply(null, bytes as unknown as number[]) : atob((bytes as unknown as Base64Array).toBase64());
  return isAscii(latin) ? latin : decodeURIComponent(escape(latin));
}
