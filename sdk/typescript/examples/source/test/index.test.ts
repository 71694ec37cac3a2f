import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import { tickSource } from '../src/index';

test('ticks go on after a restart', () => {
  using harness = Harness.enter();
  harness.storeOffset({ clock: 'main' }, { tick: 41 });
  const task = harness.sourceTask(tickSource, { topic: 'ticks', 'every.ms': '250' });
  const [record] = task.poll({ maxWaitMs: 5000 });
  assert.equal(record!.value, 42);
  assert.equal(record!.valueSchema!.type, 'INT64');
  assert.deepEqual(record!.sourceOffset, { tick: 42 });
  assert.deepEqual(harness.waits, [250]);
});

test('a task that is to stop makes no tick', () => {
  using harness = Harness.enter();
  const task = harness.sourceTask(tickSource, { topic: 'ticks' });
  harness.stopping = true;
  assert.deepEqual(task.poll(), []);
});
