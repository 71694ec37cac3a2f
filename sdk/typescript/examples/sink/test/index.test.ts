import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import { totalSink } from '../src/index';

test('numbers are added up and others reported', () => {
  using harness = Harness.enter();
  const file = harness.file('file');
  const task = harness.sinkTask(totalSink, { file: 'totals.txt' });
  task.put([2, 'two', 3].map((value) => ({ topic: 't', key: 'a', value })));
  assert.equal(file.text, 'a=2\na=5\n');
  assert.deepEqual(harness.sink.reported.map(({ row, error }) => [row, error.message]), [[1, 'expected a whole number, found a java.lang.String']]);
});

test('offsets are committed when the file is on disk', () => {
  using harness = Harness.enter();
  const file = harness.file('file');
  const task = harness.sinkTask(totalSink, { file: 'totals.txt' });
  task.put([{ topic: 't', key: 'a', value: 2n ** 62n }]);
  assert.equal(file.synced, '');
  assert.equal(task.preCommit({ topic: 't', partition: 0, offset: 1 }), null);
  assert.equal(file.synced, 'a=4611686018427387904\n');
});
