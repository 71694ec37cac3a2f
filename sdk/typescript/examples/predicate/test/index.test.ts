import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from 'millstream/harness';
import { contains } from '../src/index';

test('it holds for text that contains the other', () => {
  using harness = Harness.enter();
  const predicate = harness.predicate(contains, { text: 'lo' });
  assert.deepEqual(predicate.test(['hello', 'bye', null].map((value) => ({ topic: 't', value }))), [true, false, false]);
});

test('it has to be told what to look for', () => {
  using harness = Harness.enter();
  assert.throws(() => harness.predicate(contains), { message: 'Missing required configuration "text" which has no default value.' });
});
