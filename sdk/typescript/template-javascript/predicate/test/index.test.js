import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import { plugin } from '../src/index.js';

test('it holds where the field has the text', () => {
  using harness = Harness.enter();
  const values = [{ name: 'hello' }, { name: 'bye' }, { name: 5 }, {}, null, 'hello'];
  const predicate = harness.predicate(plugin, { field: 'name', text: 'lo' });
  assert.deepEqual(predicate.test(values.map((value) => ({ topic: 't', value }))), [true, false, false, false, false, false]);
});

test('without a field the value itself is the text', () => {
  using harness = Harness.enter();
  const predicate = harness.predicate(plugin, { text: 'lo' });
  assert.deepEqual(predicate.test(['hello', 'bye', null].map((value) => ({ topic: 't', value }))), [true, false, false]);
});
