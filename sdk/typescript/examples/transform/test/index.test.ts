import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import all from '../src/index';

const records = (...values: unknown[]) => values.map((value) => ({ topic: 't', value }));

test('a chain changes, multiplies and drops', () => {
  using harness = Harness.enter();
  const chain = harness.chain(all, { class: 'org.example.SplitWords' }, { class: 'org.example.Shout' }, { class: 'org.example.Retopic', config: { topic: 'words' } });
  const { records: made, errors } = chain.apply(records('a bc', null, 1, 'd'));
  assert.deepEqual(made.map(({ topic, value }) => [topic, value]), [['words', 'A'], ['words', 'BC'], ['words', 'D']]);
  // The third row, by the number it came in with, failed in the second link.
  assert.deepEqual(errors.map(({ row, link, error }) => [row, link, error.message]), [[2, 1, 'expected text, found a java.lang.Long']]);
});

test('rows that are not meant stay as they are', () => {
  using harness = Harness.enter();
  const chain = harness.chain(all, { class: 'org.example.Retopic', config: { topic: 'new' } });
  assert.deepEqual(chain.apply(records('a', 'b'), [1]).records.map(({ topic }) => topic), ['t', 'new']);
});
