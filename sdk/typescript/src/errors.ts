/** What a plugin reports when it cannot do what it was asked. */

import { authorsFrames, headline } from './stack';

/**
 * What the host does about an error: `retriable` has the same tried again, `data` blames a record, `config` the
 * configuration, and `fatal` fails the task.
 */
export type ErrorKind = 'retriable' | 'data' | 'config' | 'fatal';

/** Names of Java exception classes that users of Kafka Connect know from traces and from the headers of dead letters. */
export const javaExceptions = {
  config: 'org.apache.kafka.common.config.ConfigException',
  connect: 'org.apache.kafka.connect.errors.ConnectException',
  data: 'org.apache.kafka.connect.errors.DataException',
  retriable: 'org.apache.kafka.connect.errors.RetriableException',
  illegalState: 'java.lang.IllegalStateException',
  fenced: 'org.apache.kafka.common.errors.ProducerFencedException',
} as const;

/** What may be said beside the message of an error. */
export interface ErrorDetails {
  /** The error that led to this one; what it says is shown below. */
  cause?: unknown;
  /** Java class shown to users in place of the usual one of the kind. */
  className?: string;
  /** Lines of what led to it, outermost first, where there is no error for it. */
  causes?: string[];
  /** Path of the field at fault: `customer.address.city`. */
  field?: string;
}

/** A failure in the plugin's own words. The plugin stays usable after it has thrown one. */
export class PluginError extends Error {
  readonly kind: ErrorKind;
  /** Java class shown to users. */
  readonly className: string;
  /** What led to it, outermost first, beside `cause`. */
  readonly causes: string[];
  /** Path of the field at fault, if one is. */
  field: string | null;

  constructor(kind: ErrorKind, className: string, message: string, details: ErrorDetails = {}) {
    super(message);
    if (details.cause !== undefined) this.cause = details.cause;
    this.kind = kind;
    this.className = details.className ?? className;
    this.causes = details.causes ?? [];
    this.field = details.field ?? null;
  }

  /** Whether a task has heard by it that it does not own the lease of its connector, or not any more. */
  get isLeaseLost(): boolean {
    return this.className === javaExceptions.fenced;
  }

  /** The same failure in a field. Where it is in one already, this is the one around it: `b`, then `a`, is `a.b`. */
  inField(name: string): this {
    const step = name === '' || name.includes('.') ? `\`${name}\`` : name;
    if (this.field === null) this.field = step;
    else this.field = this.field.length > 1000 ? `${step}…` : `${step}.${this.field}`;
    return this;
  }
}

/** Trying the same again later may succeed (`RetriableException`). */
export class RetriableError extends PluginError {
  override name = 'RetriableError';
  constructor(message: string, details?: ErrorDetails) {
    super('retriable', javaExceptions.retriable, message, details);
  }
}

/** The record is at fault (`DataException`). */
export class DataError extends PluginError {
  override name = 'DataError';
  constructor(message: string, details?: ErrorDetails) {
    super('data', javaExceptions.data, message, details);
  }
}

/** The configuration is at fault (`ConfigException`). */
export class ConfigError extends PluginError {
  override name = 'ConfigError';
  constructor(message: string, details?: ErrorDetails) {
    super('config', javaExceptions.config, message, details);
  }
}

/** The task cannot go on (`ConnectException`). */
export class FatalError extends PluginError {
  override name = 'FatalError';
  constructor(message: string, details?: ErrorDetails) {
    super('fatal', javaExceptions.connect, message, details);
  }
}

/** An error as the contract has it. */
export interface ReportedError {
  kind: ErrorKind;
  class: string;
  message: string;
  causes: string[];
}

/** The failure of one row as the contract has it. */
export interface ReportedRowError {
  row: number;
  link: number;
  kind: ErrorKind;
  class: string;
  message: string;
  field: string | null;
}

/** Most causes and frames that are reported of one failure. */
const MOST_CAUSES = 40;
/** Longest message that is reported, in characters. */
const LONGEST_MESSAGE = 10_000;

/** The name under which an exception of JavaScript is shown: `javascript.TypeError`. */
function shownClass(thrown: unknown): string {
  if (thrown instanceof PluginError) return thrown.className;
  return `javascript.${thrown instanceof Error ? thrown.name || 'Error' : typeof thrown}`;
}

function shownMessage(thrown: unknown): string {
  let text: string;
  try {
    text = thrown instanceof Error ? String(thrown.message) : `thrown: ${describeThrown(thrown)}`;
  } catch {
    text = 'an error that has no text';
  }
  if (text === '' && thrown instanceof Error) text = thrown.name;
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text;
}

function describeThrown(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null) return JSON.stringify(thrown) ?? 'an object';
  return String(thrown);
}

function causesOf(thrown: unknown): string[] {
  const causes: string[] = [];
  let next = thrown;
  const seen = new Set<unknown>();
  while (next !== undefined && next !== null && !seen.has(next) && causes.length < MOST_CAUSES) {
    seen.add(next);
    if (next !== thrown) causes.push(next instanceof PluginError ? shownMessage(next) : headline(shownClass(next), shownMessage(next)));
    if (next instanceof PluginError) causes.push(...next.causes);
    // What a plugin throws on purpose speaks for itself; of anything else its author wants to see the place.
    if (next instanceof Error && !(next instanceof PluginError)) causes.push(...authorsFrames(next));
    next = next instanceof Error ? (next as { cause?: unknown }).cause : undefined;
  }
  return causes.slice(0, MOST_CAUSES);
}

/**
 * What is reported of anything that was thrown. Exceptions that are none of ours have the given kind, and the author's
 * files and lines among their causes.
 */
export function reported(thrown: unknown, otherwise: ErrorKind = 'fatal'): ReportedError & { field: string | null } {
  const own = thrown instanceof PluginError ? thrown : null;
  return {
    kind: own?.kind ?? otherwise,
    class: shownClass(thrown),
    message: shownMessage(thrown),
    causes: causesOf(thrown),
    field: own?.field ?? null,
  };
}

/** For the failure of a call as a whole, whose field stands among the causes. */
export function callError(thrown: unknown): ReportedError {
  const { field, causes, ...rest } = reported(thrown);
  return { ...rest, causes: field === null ? causes : [...causes, `in field ${field}`] };
}

/** For the failure of one row, whose causes stand behind the message, where the host finds them again. */
export function rowError(row: number, link: number, thrown: unknown): ReportedRowError {
  const { causes, message, ...rest } = reported(thrown, 'data');
  return { ...rest, row, link, message: [message, ...causes].join('\nCaused by: ') };
}

/** An error of the host's as one that can be thrown. */
export function raised(error: ReportedError, field: string | null = null): PluginError {
  const details: ErrorDetails = { causes: error.causes };
  if (error.class !== '') details.className = error.class;
  if (field !== null) details.field = field;
  const Kind = { retriable: RetriableError, data: DataError, config: ConfigError, fatal: FatalError }[error.kind];
  return new Kind(error.message, details);
}
