import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, Harness } from 'millstream/harness';
import { pairsConverter } from '../src/index';

test('pairs survive both ways and what is no pair fails alone', () => {
  using harness = Harness.enter();
  const converter = harness.converter(pairsConverter);
  const [pairs, oops, empty] = converter.toConnect(bytes('a=1;b=2'), bytes('oops'), bytes(''));
  assert.deepEqual(pairs, { value: { a: '1', b: '2' }, schema: null });
  assert.equal((oops as Error).message, "expected a pair with '=', found 'oops'");
  assert.deepEqual(empty, { value: {}, schema: null });
  assert.deepEqual(converter.fromConnect({ value: { a: '1', b: 2, c: 1.5 } }, { value: null }), [bytes('a=1;b=2;c=1.5'), null]);
});
