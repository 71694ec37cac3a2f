import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import { plugin } from '../src/index';

test('each record becomes a line', () => {
  using harness = Harness.enter();
  const file = harness.file('file');
  const task = harness.sinkTask(plugin, { file: 'lines.txt' });
  task.put([2, 'two'].map((value) => ({ topic: 't', key: 'a', value })));
  assert.equal(file.text, 'a=2\na=two\n');
  assert.equal(file.synced, '');
  task.preCommit();
  assert.equal(file.synced, file.text);
});
