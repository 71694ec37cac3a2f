/** Source partitions and offsets cross the contract as JSON. Integers are exact in both directions. */

import { DataError } from './errors';
import { isPlainObject, javaClass, setProperty, Typed, type Value, type ValueMap, valueText } from './values';

/** A value as JSON. Throws a DataError for what offsets cannot hold. */
export function toJson(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'bigint':
      return String(value);
    case 'number':
      if (Number.isFinite(value)) return Number.isInteger(value) && Math.abs(value) > 1e20 ? `${BigInt(value)}` : JSON.stringify(value);
      break;
  }
  if (value instanceof Typed && value.type !== 'INSTANT' && Number.isFinite(Number(value.value))) return valueText(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  if (isPlainObject(value)) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${entries.map(([name, item]) => `${JSON.stringify(name)}:${toJson(item)}`).join(',')}}`;
  }
  throw new DataError(`a source partition or offset cannot hold a ${javaClass(value)}`);
}

/** A value from JSON: integers that a number cannot be exact about are bigints. */
export function fromJson(text: string): Value {
  // Most texts have no such number, and the engine's own parser is faster.
  return /\d{16}/.test(text) ? new JsonReader(text).document() : (JSON.parse(text) as Value);
}

class JsonReader {
  #at = 0;

  constructor(readonly text: string) {}

  document(): Value {
    const value = this.#value();
    if (this.#peek() !== undefined) throw new SyntaxError(`JSON goes on behind its end at character ${this.#at}`);
    return value;
  }

  #peek(): string | undefined {
    while (/\s/.test(this.text[this.#at] ?? '')) this.#at++;
    return this.text[this.#at];
  }

  #take(expected: string): void {
    if (this.#peek() !== expected) throw new SyntaxError(`expected ${expected} at character ${this.#at} of JSON`);
    this.#at++;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text);
    if (found === null) throw new SyntaxError(`no JSON at character ${this.#at}`);
    this.#at = pattern.lastIndex;
    return found[0];
  }

  #string(): string {
    return JSON.parse(this.#match(/"(?:[^"\\]|\\.)*"/y)) as string;
  }

  #value(): Value {
    switch (this.#peek()) {
      case '{':
        return this.#object();
      case '[':
        return this.#list();
      case '"':
        return this.#string();
    }
    const word = this.#match(/true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (!/^-?\d{16,}$/.test(word)) return JSON.parse(word) as Value;
    const number = Number(word);
    if (Number.isSafeInteger(number)) return number;
    return BigInt.asIntN(64, BigInt(word)) === BigInt(word) ? BigInt(word) : number;
  }

  #list(): Value[] {
    const list: Value[] = [];
    this.#take('[');
    if (this.#peek() === ']') return this.#take(']'), list;
    for (;;) {
      list.push(this.#value());
      if (this.#peek() !== ',') break;
      this.#take(',');
    }
    this.#take(']');
    return list;
  }

  #object(): ValueMap {
    const object: ValueMap = {};
    this.#take('{');
    if (this.#peek() === '}') return this.#take('}'), object;
    for (;;) {
      this.#peek();
      const name = this.#string();
      this.#take(':');
      setProperty(object, name, this.#value());
      if (this.#peek() !== ',') break;
      this.#take(',');
    }
    this.#take('}');
    return object;
  }
}
