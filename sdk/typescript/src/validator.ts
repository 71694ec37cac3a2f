/** What values a key accepts, in a form that the host can check on its own. The list is closed. */

import { float64, valueText } from './values';

/** The parsed value of a key. */
export type ConfigValue = null | string | boolean | number | bigint | string[];

/** A condition on the parsed value of a key, as it stands in the description. */
export type Validator =
  | { range: { min?: number; max?: number } }
  | { one_of: readonly string[] }
  | { one_of_ignore_case: readonly string[] }
  | { non_empty: true }
  | { non_null: true }
  | { non_empty_without_control_chars: true }
  | { list: { allow_empty: boolean; allow_null: boolean; allow_duplicates: boolean; one_of: readonly string[] } }
  | { unique_aliases: true }
  | { some_items: true }
  | { regex: true }
  | { all: readonly Validator[] }
  | { null_or: Validator };

/** What a list may be. */
export interface ListRules {
  /** Whether it may have no items at all. */
  allowEmpty?: boolean;
  /** Whether it may be null. */
  allowNull?: boolean;
  /** Whether an item may occur twice. */
  allowDuplicates?: boolean;
  /** The only items accepted. */
  oneOf?: readonly string[];
}

/** The conditions that there are. What they cannot say goes into `check` of a key. */
export const validators = {
  /** A number within bounds, both inclusive. Null is refused. */
  range: (min: number | null, max: number | null = null): Validator => ({ range: { ...(min === null ? {} : { min }), ...(max === null ? {} : { max }) } }),
  /** One of these texts exactly. */
  oneOf: (values: readonly string[]): Validator => ({ one_of: values }),
  /** One of these texts in any case. */
  oneOfIgnoreCase: (values: readonly string[]): Validator => ({ one_of_ignore_case: values }),
  /** Text that is not empty; null is accepted. */
  nonEmpty: { non_empty: true } as Validator,
  /** Anything but null. */
  nonNull: { non_null: true } as Validator,
  /** Text that is not empty and has no control characters; null is accepted. */
  nonEmptyWithoutControlChars: { non_empty_without_control_chars: true } as Validator,
  /** A list without empty items. Without further rules it has at least one, and none of them twice. */
  list: ({ allowEmpty = false, allowNull = false, allowDuplicates = false, oneOf = [] }: ListRules = {}): Validator => ({
    list: { allow_empty: allowEmpty, allow_null: allowNull, allow_duplicates: allowDuplicates, one_of: oneOf },
  }),
  /** A list that is not null and names nothing twice. */
  uniqueAliases: { unique_aliases: true } as Validator,
  /** A list with at least one item, whatever the items are. */
  someItems: { some_items: true } as Validator,
  /** A regular expression in Java's syntax; null is accepted. Only the host checks it. */
  regex: { regex: true } as Validator,
  /** All of these, in order. */
  all: (...rules: Validator[]): Validator => ({ all: rules }),
  /** Null, or what the condition inside accepts. */
  nullOr: (rule: Validator): Validator => ({ null_or: rule }),
};

/** Why a value is refused: a problem of the value or of an item, or a whole message. */
export type Refusal = { problem: string } | { item: string; problem: string } | { message: string };

/** What is wrong with the value of a key, in Kafka's words. */
export function checkValue(validator: Validator, name: string, value: ConfigValue, isDouble = false): Refusal | null {
  const text = typeof value === 'string' ? value : null;
  const refuse = (problem: string): Refusal => ({ problem });
  if ('range' in validator) return checkRange(value, validator.range, isDouble);
  if ('one_of' in validator) {
    return text !== null && validator.one_of.includes(text) ? null : refuse(`String must be one of: ${validator.one_of.join(', ')}`);
  }
  if ('one_of_ignore_case' in validator) {
    const lower = (word: string) => word.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    if (text !== null && validator.one_of_ignore_case.some((one) => lower(one) === lower(text))) return null;
    const all = validator.one_of_ignore_case.join(', ').replace(/[a-z]/g, (letter) => letter.toUpperCase());
    return refuse(`String must be one of (case insensitive): ${all}`);
  }
  if ('non_empty' in validator) return text === '' ? refuse('String must be non-empty') : null;
  if ('non_null' in validator) return value === null ? refuse('entry must be non null') : null;
  if ('non_empty_without_control_chars' in validator) {
    if (text === '') return refuse('String may not be empty');
    const found = [...(text ?? '')].filter((letter) => /\p{Cc}/u.test(letter)).map((letter) => letter.codePointAt(0));
    return found.length === 0 ? null : refuse(`String may not contain control sequences but had the following ASCII chars: ${found.join(', ')}`);
  }
  if ('list' in validator) {
    if (!Array.isArray(value)) return validator.list.allow_null ? null : { message: `Configuration '${name}' values must not be null.` };
    return checkList(name, value, validator.list);
  }
  if ('unique_aliases' in validator) {
    if (value === null) return refuse('entry must be non null');
    return Array.isArray(value) && new Set(value).size < value.length ? refuse('Duplicate alias provided.') : null;
  }
  if ('some_items' in validator) return Array.isArray(value) && value.length > 0 ? null : refuse('Empty list');
  if ('all' in validator) {
    for (const rule of validator.all) {
      const refusal = checkValue(rule, name, value, isDouble);
      if (refusal !== null) return refusal;
    }
    return null;
  }
  if ('null_or' in validator) return value === null ? null : checkValue(validator.null_or, name, value, isDouble);
  return null;
}

function checkRange(value: ConfigValue, { min, max }: { min?: number; max?: number }, isDouble: boolean): Refusal | null {
  if (typeof value !== 'number' && typeof value !== 'bigint') return { problem: 'Value must be non-null' };
  const shown = (bound: number) => (isDouble ? valueText(float64(bound)) : String(bound));
  if (min !== undefined && value < min) return { problem: `Value must be at least ${shown(min)}` };
  if (max !== undefined && value > max) return { problem: `Value must be no more than ${shown(max)}` };
  return null;
}

function checkList(name: string, items: string[], rules: { allow_empty: boolean; allow_duplicates: boolean; one_of: readonly string[] }): Refusal | null {
  const refuse = (problem: string): Refusal => ({ message: `Configuration '${name}' ${problem}` });
  if (items.length === 0 && !rules.allow_empty) {
    const accepted = rules.one_of.length === 0 ? 'any non-empty value' : `[${rules.one_of.join(', ')}]`;
    return refuse(`must not be empty. Valid values include: ${accepted}`);
  }
  if (!rules.allow_duplicates && new Set(items).size < items.length) return refuse('values must not be duplicated.');
  for (const item of items) {
    if (item === '') return refuse('values must not be empty.');
    if (rules.one_of.length > 0 && !rules.one_of.includes(item)) return { item, problem: `String must be one of: ${rules.one_of.join(', ')}` };
  }
  return null;
}
