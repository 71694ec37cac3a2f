import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import { plugin } from '../src/index.js';

test('text gets capitals, and what is no text fails alone', () => {
  using harness = Harness.enter();
  const values = [{ name: 'ada', age: 36 }, { name: null }, { age: 1 }, { name: 7 }];
  const { records, errors } = harness.transform(plugin, { field: 'name' }).apply(values.map((value) => ({ topic: 't', value })));
  assert.deepEqual(records.map(({ value }) => value), [{ name: 'ADA', age: 36 }, { name: null }, { age: 1 }]);
  assert.deepEqual(errors.map(({ row, error }) => [row, error.message]), [[3, 'expected text, found a java.lang.Long']]);
});

test('without a field the value itself is the text', () => {
  using harness = Harness.enter();
  const { records } = harness.transform(plugin).apply(['a', null].map((value) => ({ topic: 't', value })));
  assert.deepEqual(records.map(({ value }) => value), ['A', null]);
});
