/** A source: a clock that ticks, and after a restart goes on counting where it was. */

import { key, log, plugins, type PollLimits, Schema, source, type SourceContext, type SourceRecord, wait } from 'millstream';

/** What the ticks come from. Offsets are stored per source partition; there is one clock. */
const clock = { clock: 'main' };

/** The task makes the records. */
class TickTask {
  #next: number;

  constructor(
    readonly topic: string,
    readonly everyMs: number,
    context: SourceContext,
  ) {
    // The offset of the last tick that has safely arrived, as this task wrote it below.
    const stored = context.offset<{ tick: number }>(clock);
    this.#next = stored === null ? 0 : stored.tick + 1;
    log.info(`ticking from ${this.#next} on`);
  }

  poll({ maxWaitMs }: PollLimits): SourceRecord[] {
    // Waiting is the host's business: it costs nothing, and ends early when the task is to stop.
    if (wait(Math.min(this.everyMs, maxWaitMs))) return [];
    const tick = this.#next++;
    return [{ topic: this.topic, key: 'main', value: tick, valueSchema: Schema.int64, sourcePartition: clock, sourceOffset: { tick } }];
  }
}

/** A clock cannot be divided: without a `connector` of its own, the source has one task. */
export const tickSource = source({
  class: 'org.example.TickSourceConnector',
  version: '0.1.0',
  doc: 'Counts, at a steady pace.',
  config: {
    topic: key.string('topic').required().nonEmpty().importance('high').doc('Where ticks go.'),
    everyMs: key.int('every.ms').default(1000).range(1, 3_600_000).doc('Milliseconds between ticks.'),
  },
  task: (config, context) => new TickTask(config.topic, config.everyMs, context),
  exactlyOnceSupport: () => 'supported',
});

export default plugins(tickSource);
