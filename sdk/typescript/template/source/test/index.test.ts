import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import { plugin } from '../src/index';

test('ticks go on after a restart', () => {
  using harness = Harness.enter();
  harness.storeOffset({ clock: 'main' }, { tick: 41 });
  const task = harness.sourceTask(plugin, { topic: 'ticks', 'every.ms': '250' });
  const records = task.poll({ maxWaitMs: 5000 });
  assert.deepEqual(records.map(({ topic, key, value, sourceOffset }) => [topic, key, value, sourceOffset]), [['ticks', 'main', 42, { tick: 42 }]]);
  assert.deepEqual(harness.waits, [250]);
});
