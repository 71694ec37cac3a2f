/**
 * Configuration: what keys a plugin knows, and what a user has set them to.
 *
 * Keys are declared once. The host documents and checks them from the declaration, and the plugin's own configuration is
 * parsed with it, so that both say the same in the same words.
 *
 * ```ts
 * const keys = {
 *   topic: key.string('topic').required().nonEmpty().importance('high').doc('Where ticks go.'),
 *   everyMs: key.int('every.ms').default(1000).range(1, 3_600_000).doc('Milliseconds between ticks.'),
 * };
 * // Within a plugin: config.topic is a string, config.everyMs a number.
 * ```
 */

import { readConfigText } from './config-text';
import { ConfigError } from './errors';
import type { Opens } from './opens';
import type { Int64 } from './values';
import { checkValue, type ConfigValue, type Validator, validators } from './validator';

/** Type of a key's values, as in Kafka's ConfigDef. */
export type KeyType = 'STRING' | 'PASSWORD' | 'BOOLEAN' | 'SHORT' | 'INT' | 'LONG' | 'DOUBLE' | 'LIST' | 'CLASS';
/** How much a key matters to a user. */
export type Importance = 'high' | 'medium' | 'low';
/** How wide a field user interfaces give a value. */
export type Width = 'none' | 'short' | 'medium' | 'long';
/** A check that only the plugin can make: says what is wrong, or nothing. */
export type Check = (value: any) => string | null | undefined | void;

interface KeyParts {
  name: string;
  type: KeyType;
  required: boolean;
  nullable: boolean;
  default: string | null;
  importance: Importance;
  doc: string;
  group: string | null;
  order: number;
  width: Width;
  displayName: string | null;
  dependents: readonly string[];
  recommended: readonly string[];
  validator: Validator | null;
  check: Check | null;
  opens: Opens | null;
}

/** A configuration key, whose parsed values are of type `T`. Functions return another key with one thing more said. */
export class Key<T> {
  /** Stands for the type of values; there is nothing in it. */
  declare readonly valueType: T;

  constructor(readonly parts: Readonly<KeyParts>) {}

  #with<U = T>(parts: Partial<KeyParts>): Key<U> {
    return new Key<U>({ ...this.parts, ...parts });
  }

  /** The key must be set. */
  required(): Key<NonNullable<T>> {
    return this.#with({ required: true });
  }

  /** The value if the key is not set. */
  default(value: NonNullable<T> | string): Key<NonNullable<T>> {
    return this.#with({ default: Array.isArray(value) ? value.join(',') : String(value) });
  }

  /** Null is accepted, too: a user can set the key to nothing. */
  nullable(): Key<T | null> {
    return this.#with({ nullable: true });
  }

  /** How much the key matters; medium if not said. */
  importance(importance: Importance): Key<T> {
    return this.#with({ importance });
  }

  /** What the key does, in a sentence or two. */
  doc(doc: string): Key<T> {
    return this.#with({ doc });
  }

  /** Heading under which user interfaces show the key, and its place there. */
  group(group: string, order: number): Key<T> {
    return this.#with({ group, order });
  }

  /** How wide a field user interfaces give the value. */
  width(width: Width): Key<T> {
    return this.#with({ width });
  }

  /** Name for people; the key itself if not said. */
  displayName(displayName: string): Key<T> {
    return this.#with({ displayName });
  }

  /** Keys whose meaning depends on this one. */
  dependents(...dependents: string[]): Key<T> {
    return this.#with({ dependents });
  }

  /** Values that user interfaces offer. */
  recommended(...recommended: string[]): Key<T> {
    return this.#with({ recommended });
  }

  /** What values are accepted; the host checks it before the plugin is started. */
  validator(validator: Validator): Key<T> {
    return this.#with({ validator });
  }

  /** Text that is not empty. */
  nonEmpty(): Key<T> {
    return this.validator(validators.nonEmpty);
  }

  /** Numbers within bounds, both inclusive. */
  range(min: number | null, max: number | null = null): Key<T> {
    return this.validator(validators.range(min, max));
  }

  /** Lists with at least one item, none of them empty or given twice. */
  nonEmptyList(): Key<T> {
    return this.validator(validators.list());
  }

  /** One of these texts exactly. */
  oneOf<const V extends string>(...values: V[]): Key<T extends string ? V : T extends string | null ? V | null : T> {
    return this.#with({ validator: validators.oneOf(values) });
  }

  /**
   * A further check of the parsed value, in the plugin's own code: the text says what is wrong and is shown as
   * `Invalid value … for configuration …: <text>`. It runs when a user submits a connector, and when any plugin starts.
   */
  check(check: (value: T) => string | null | undefined | void): Key<T> {
    return this.#with({ check });
  }

  /** What the value opens for the plugin: see {@link opens}. */
  opens(opened: Opens): Key<T> {
    return this.#with({ opens: opened });
  }
}

function declare<T>(name: string, type: KeyType): Key<T> {
  return new Key<T>({
    name,
    type,
    required: false,
    nullable: false,
    default: null,
    importance: 'medium',
    doc: '',
    group: null,
    order: -1,
    width: 'none',
    displayName: null,
    dependents: [],
    recommended: [],
    validator: null,
    check: null,
    opens: null,
  });
}

/** Declares keys. One that is neither required nor given a default is null when it is not set. */
export const key = {
  /** Text, trimmed. */
  string: (name: string) => declare<string | null>(name, 'STRING'),
  /** Text that is never shown. */
  password: (name: string) => declare<string | null>(name, 'PASSWORD'),
  /** `true` or `false`, in any case. */
  boolean: (name: string) => declare<boolean | null>(name, 'BOOLEAN'),
  /** 16-bit integer. */
  short: (name: string) => declare<number | null>(name, 'SHORT'),
  /** 32-bit integer. */
  int: (name: string) => declare<number | null>(name, 'INT'),
  /** 64-bit integer: a bigint where a number would not be exact. */
  long: (name: string) => declare<Int64 | null>(name, 'LONG'),
  /** Floating-point number. */
  double: (name: string) => declare<number | null>(name, 'DOUBLE'),
  /** Texts between commas. */
  list: (name: string) => declare<string[] | null>(name, 'LIST'),
  /** Name of a class or plugin. */
  class: (name: string) => declare<string | null>(name, 'CLASS'),
};

/** Keys by the names under which the plugin reads them. */
export type Keys = Readonly<Record<string, Key<any>>>;

/** Parsed values of keys. */
export type ConfigOf<K extends Keys> = { readonly [Name in keyof K]: K[Name]['valueType'] } & {
  /** What the user wrote, also keys that were not declared. A plugin's own key of this name hides it. */
  readonly originals: ConfigMap;
};

/** A configuration as the user wrote it. A key may be present without a value. */
export class ConfigMap {
  readonly #entries = new Map<string, string | null>();

  constructor(entries: Iterable<readonly [string, string | null]> | Readonly<Record<string, string | null>> = []) {
    const pairs = Symbol.iterator in entries ? (entries as Iterable<readonly [string, string | null]>) : Object.entries(entries as Record<string, string | null>);
    for (const [name, value] of pairs) this.#entries.set(name, value);
  }

  /** The value of a key; null if it is absent or has none. */
  get(name: string): string | null {
    return this.#entries.get(name) ?? null;
  }

  /** Whether the key is present, be it without a value. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** All keys with their values, in the order given. */
  entries(): [string, string | null][] {
    return [...this.#entries];
  }

  /** The same configuration with one key more, or another value. */
  with(name: string, value: string | null): ConfigMap {
    return new ConfigMap([...this.#entries, [name, value]]);
  }

  /** Keys that begin with a prefix, without it. */
  withPrefix(prefix: string): ConfigMap {
    return new ConfigMap(this.entries().filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]));
  }
}

/** Parses a configuration. Throws a ConfigError for the first key at fault, in Kafka's words. */
export function parseConfig<K extends Keys>(keys: K, config: ConfigMap): ConfigOf<K> {
  const values: Record<string, unknown> = { originals: config };
  for (const [property, { parts }] of Object.entries(keys)) {
    const value = parseUnchecked(parts, config);
    runCheck(parts, value);
    const mustHave = !parts.nullable && (parts.required || parts.default !== null);
    if (value === null && mustHave) throw invalid(parts, 'null', 'Value must be non-null');
    values[property] = value;
  }
  return values as ConfigOf<K>;
}

/** What the plugin's own checks say: keys at fault, each with a text. What the host refuses anyway is left out. */
export function runChecks(keys: Keys, config: ConfigMap): [string, string][] {
  const problems: [string, string][] = [];
  for (const { parts } of Object.values(keys)) {
    if (parts.check === null) continue;
    let value: ConfigValue;
    try {
      value = parseUnchecked(parts, config);
    } catch {
      continue;
    }
    try {
      runCheck(parts, value);
    } catch (error) {
      problems.push([parts.name, (error as Error).message]);
    }
  }
  return problems;
}

function runCheck(parts: KeyParts, value: ConfigValue): void {
  const problem = parts.check?.(value);
  if (typeof problem === 'string') throw invalid(parts, shown(value), problem);
}

function parseUnchecked(parts: KeyParts, config: ConfigMap): ConfigValue {
  const present = config.has(parts.name);
  if (!present && parts.required) throw new ConfigError(`Missing required configuration "${parts.name}" which has no default value.`);
  // A key that is present without a value is null, whatever its default.
  const raw = present ? config.get(parts.name) : parts.default;
  let value: ConfigValue = null;
  if (raw !== null) {
    const read = readConfigText(raw, parts.type);
    if ('problem' in read) throw invalid(parts, raw, read.problem);
    value = read.value;
  }
  const { validator } = parts;
  if (validator === null) return value;
  // What such a list names twice counts once where a configuration is read; the host refuses it before.
  if (Array.isArray(value) && 'list' in validator && !validator.list.allow_duplicates) value = [...new Set(value)];
  const refusal = checkValue(validator, parts.name, value, parts.type === 'DOUBLE');
  if (refusal === null) return value;
  if ('message' in refusal) throw new ConfigError(refusal.message);
  throw invalid(parts, 'item' in refusal ? refusal.item : shown(value), refusal.problem);
}

/** As Java prints it in messages. */
function shown(value: ConfigValue): string {
  if (Array.isArray(value)) return `[${value.join(', ')}]`;
  return String(value);
}

function invalid(parts: KeyParts, value: string, problem: string): ConfigError {
  const visible = parts.type === 'PASSWORD' && value !== 'null' ? '[hidden]' : value;
  return new ConfigError(`Invalid value ${visible} for configuration ${parts.name}: ${problem}`);
}
