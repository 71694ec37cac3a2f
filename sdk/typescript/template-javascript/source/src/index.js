/** A source: a clock that ticks, and after a restart goes on where it was. */

import { key, plugins, Schema, source, wait } from 'millstream';

/** What the ticks come from. Offsets are stored for each source partition; there is one clock. */
const clock = { clock: 'main' };

export const plugin = source({
  class: '__CLASS__',
  version: '0.1.0',
  doc: 'Counts, at a steady pace.',
  config: {
    topic: key.string('topic').required().nonEmpty().importance('high').doc('Where ticks go.'),
    everyMs: key.int('every.ms').default(1000).range(1, 3_600_000).doc('Milliseconds between ticks.'),
  },
  task({ topic, everyMs }, context) {
    // The offset of the last tick that has safely arrived, as `poll` wrote it below.
    const stored = context.offset(clock);
    let next = stored === null ? 0 : stored.tick + 1;
    return {
      poll({ maxWaitMs }) {
        // Waiting is the host's business: it costs nothing, and ends early when the task is to stop.
        if (wait(Math.min(everyMs, maxWaitMs))) return [];
        const tick = next++;
        return [{ topic, key: 'main', value: tick, valueSchema: Schema.int64, sourcePartition: clock, sourceOffset: { tick } }];
      },
    };
  },
  exactlyOnceSupport: () => 'supported',
});

export default plugins(plugin);
