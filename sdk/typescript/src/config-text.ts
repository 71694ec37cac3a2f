/** Texts of configurations as Kafka's ConfigDef reads them. */

import type { KeyType } from './config';
import { narrowed } from './values';
import type { ConfigValue } from './validator';

/** A value, or what is wrong with the text. */
export type ReadText = { value: ConfigValue } | { problem: string };

/** Without what Java's `trim` takes for blanks: everything up to U+0020. */
function javaTrim(text: string): string {
  return text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '');
}

const BITS: Partial<Record<KeyType, number>> = { SHORT: 16, INT: 32, LONG: 64 };

/** Reads a text, blanks at its ends aside. */
export function readConfigText(raw: string, type: KeyType): ReadText {
  const text = javaTrim(raw);
  switch (type) {
    case 'STRING':
    case 'PASSWORD':
    case 'CLASS':
      return { value: text };
    case 'BOOLEAN':
      // Java compares in upper case, so that the long s counts as an s.
      if (/^true$/i.test(text)) return { value: true };
      if (/^fal[sſ]e$/i.test(text)) return { value: false };
      return { problem: 'Expected value to be either true or false' };
    case 'LIST':
      if (text === '') return { value: [] };
      return { value: text.split(',').map((item) => item.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')) };
    case 'DOUBLE': {
      const value = javaDouble(text);
      return value === null ? { problem: 'Not a number of type DOUBLE' } : { value };
    }
    default: {
      const value = javaInteger(text, BITS[type]!);
      return value === null ? { problem: `Not a number of type ${type}` } : { value };
    }
  }
}

/** A sign and decimal digits of any script. */
function javaInteger(text: string, bits: number): number | bigint | null {
  if (!/^[+-]?\p{Nd}+$/u.test(text)) return null;
  const sign = text.startsWith('-') ? -1n : 1n;
  let number = 0n;
  for (const digit of text.replace(/^[+-]/, '')) {
    const value = digitValue(digit);
    // Java looks at UTF-16 units, in which digits beyond the basic plane are two.
    if (value === null) return null;
    number = number * 10n + BigInt(value);
  }
  number *= sign;
  return BigInt.asIntN(bits, number) === number ? narrowed(number) : null;
}

/** Digits of every script stand in a run of ten, and no two runs side by side. */
function digitValue(digit: string): number | null {
  const code = digit.codePointAt(0)!;
  if (code > 0xffff) return null;
  let zero = code;
  while (/^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero--;
  return code - zero;
}

/** As `Double.parseDouble`. */
function javaDouble(text: string): number | null {
  const found = /^([+-]?)(NaN|Infinity|(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFdD]?)$/.exec(text);
  if (found !== null) {
    const digits = found[2]!;
    const value = Number(/^[NI]/.test(digits) ? digits : digits.replace(/[fFdD]$/, ''));
    return found[1] === '-' ? -value : value;
  }
  return hexDouble(text);
}

/** Java's hexadecimal floating-point numbers: `0x1.8p3`. */
function hexDouble(text: string): number | null {
  const found = /^([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?\d+)[fFdD]?$/.exec(text);
  if (found === null || (found[2] === '' && found[3] === '')) return null;
  const digits = BigInt(`0x${found[2]}${found[3]}`);
  const value = scaled(digits, Math.max(-1e6, Math.min(1e6, Number(found[4]))) - found[3]!.length * 4);
  return found[1] === '-' ? -value : value;
}

/** `digits × 2^power`, rounded once, half to even. */
function scaled(digits: bigint, power: number): number {
  if (digits === 0n) return 0;
  const length = digits.toString(2).length;
  const top = power + length - 1;
  if (top > 1023) return Infinity;
  if (top < -1075) return 0;
  const drop = BigInt(Math.max(length - 53, -1074 - power));
  let kept = digits;
  if (drop > 0n) {
    const lost = digits & ((1n << drop) - 1n);
    const half = 1n << (drop - 1n);
    kept = digits >> drop;
    if (lost > half || (lost === half && (kept & 1n) === 1n)) kept += 1n;
    power += Number(drop);
  }
  let value = Number(kept);
  for (; power < 0; power -= Math.max(power, -1000)) value *= 2 ** Math.max(power, -1000);
  for (; power > 0; power -= Math.min(power, 1000)) value *= 2 ** Math.min(power, 1000);
  return value;
}
