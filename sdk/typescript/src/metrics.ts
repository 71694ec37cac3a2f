/** Numbers about the plugin's own work, and how far a task has come, shown where the worker's own are. */

import { host } from './host';

/** How far one piece of work has come. */
export interface Progress {
  /** How much is done, in units. */
  done: number;
  /** How much there is to do, as far as that is known. */
  total?: number | null;
  /** What is counted, in the plural: `rows`, `bytes`, `files`. */
  unit: string;
}

/**
 * Counters and gauges at `/metrics`, with the names of connector and task. A name has letters, digits and `_`; a plugin may
 * have 100. What is too much or misspelt throws, and counts nothing.
 */
export const metrics = {
  /** Says what a metric is before it has a value. Metrics that are not declared are made by the first use. */
  declare: (name: string, kind: 'counter' | 'gauge', help: string): void => host().declareMetric(name, kind, help),
  /** Adds to a counter. */
  count: (name: string, more = 1): void => host().count(name, more),
  /** Sets a gauge. */
  gauge: (name: string, value: number): void => host().gauge(name, value),
  /** How far the task has come with `what` (a table, a file); null when it is through, or has given up. */
  progress: (what: string, now: Progress | null): void => host().reportProgress(what, now === null ? null : { done: now.done, total: now.total ?? null, unit: now.unit }),
};
