import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, Harness } from 'millstream/harness';
import { plugin } from '../src/index.js';

test('pairs survive both ways and what is no pair fails alone', () => {
  using harness = Harness.enter();
  const converter = harness.converter(plugin);
  const [pairs, oops] = converter.toConnect(bytes('a=1;b=2'), bytes('oops'));
  assert.deepEqual(pairs, { value: { a: '1', b: '2' }, schema: null });
  assert.ok(oops instanceof Error);
  assert.deepEqual(converter.fromConnect({ value: { a: '1', b: 2, c: 1.5 } }, { value: null }), [bytes('a=1;b=2;c=1.5'), null]);
});
