import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Batch, encodeUnion } from '../src/batch/batch';
import { Role } from '../src/batch/layout';
import { readHeaders } from '../src/batch/headers';
import { Decimal, Struct, Typed } from '../src/values';

const folder = join(process.env['MILLSTREAM_SDK'] ?? '.', '../../host/record/tests/golden');
const golden = (name: string) => new Uint8Array(readFileSync(join(folder, `${name}.batch`)));
const names = ['empty', 'lines', 'schemas', 'shredded', 'variants', 'envelope'];

test('a batch that was read is written as the same bytes', () => {
  for (const name of names) assert.deepEqual(Buffer.from(Batch.open(golden(name)).write()), Buffer.from(golden(name)), name);
});

test('keys and values that are read and made anew become the same bytes', () => {
  for (const exact of [false, true]) {
    for (const name of names.slice(2)) {
      const old = Batch.open(golden(name));
      const batch = new Batch(old.rows);
      for (const [role, column] of old.envelope) batch.set(role, column);
      // Headers name the schemas of the batch by their places.
      if (name === 'envelope') batch.schemas = old.schemas;
      for (const side of ['key', 'value'] as const) {
        const { schemas, values } = old.read(side, exact);
        batch.setSide(side, encodeUnion(schemas, values, exact ? null : { batch: old, side, parents: null }, batch.schemas));
      }
      assert.deepEqual(Buffer.from(batch.write()), Buffer.from(golden(name)), `${name}, exact: ${exact}`);
    }
  }
});

test('every type of a schema is a value of JavaScript', () => {
  const { schemas, values } = Batch.open(golden('schemas')).read('value');
  const row = (n: number, some: boolean) => ({
    i8: n,
    i16: -300,
    i32: 70_000,
    i64: some ? 2 ** 40 : null,
    f32: 1.5,
    f64: -0.25,
    bool: some,
    string: 'note',
    bytes: some ? new Uint8Array([0, 255]) : null,
    list: Array.from({ length: n }, (_, at) => at),
    map: { k: n },
    inner: some ? { x: n === 1 ? 9 : null } : null,
    decimal: new Decimal(300n, 2),
    date: new Date(86_400_000),
    timestamp: some ? new Date(1_700_000_000_123) : null,
  });
  assert.deepEqual(values, [row(1, true), null, row(2, false), 'other']);
  const note = schemas[0]!.field('string')!.schema;
  assert.deepEqual(
    [note.name, note.version, note.doc, note.default, note.parameters],
    ['org.example.Note', 7, 'a note', 'none', new Map([['unit', 'piece']])],
  );
  assert.equal(schemas[1], null);
  assert.equal(schemas[3]!.optional, true);
});

test('data without a schema is plain, and says its types when asked', () => {
  const batch = Batch.open(golden('variants'));
  const values = batch.read('value').values;
  assert.deepEqual(values.slice(0, 13), [
    true, false, -1, 2, -3, 4, 0.5, 1e300, 'text', new Uint8Array([1, 2, 3]), new Decimal(-1n, -1), 2n ** 64n, new Date(-1),
  ]);
  assert.deepEqual(values[14], new Map<unknown, unknown>([[1, 'one'], [null, 'none']]));
  assert.deepEqual(values[15], { a: 1, b: { a: null } });
  const struct = (values[16] as unknown[])[0];
  assert.ok(struct instanceof Struct);
  assert.equal(struct['n'], 7);
  const exact = batch.read('value', true).values;
  assert.deepEqual(exact.slice(2, 8), [
    new Typed('INT8', -1), new Typed('INT16', 2), new Typed('INT32', -3), 4n, new Typed('FLOAT32', 0.5), new Typed('FLOAT64', 1e300),
  ]);
  assert.deepEqual(exact[11], new Typed('BIG_INTEGER', 2n ** 64n));
});

test('a member that is absent is not one that is null', () => {
  assert.deepEqual(Batch.open(golden('shredded')).read('value').values, [
    { id: 1, name: 'a', in: { deep: 5 }, tags: ['x'] },
    { id: 2, in: { deep: 6 }, tags: [], ok: true },
    { id: null, name: null, in: {}, tags: null },
    {},
  ]);
});

test('the envelope is read by its roles', () => {
  const batch = Batch.open(golden('envelope'));
  const rows = [0, 1, 2, 3];
  assert.deepEqual(rows.map((row) => batch.topic(row)), ['one', 'two', 'two', 'one']);
  assert.deepEqual(rows.map((row) => batch.isSelected(row)), [true, true, true, false]);
  assert.deepEqual(rows.map((row) => batch.integer(Role.TIMESTAMP, row)), [1_700_000_000_000, null, -1, 0]);
  assert.deepEqual(rows.map((row) => batch.integer(Role.OFFSET, row)), [100, 7, 7, 101]);
  const headers = readHeaders(batch.get(Role.HEADERS)!, 0, batch.schemas, false);
  assert.deepEqual(headers.map(({ key, value, schema }) => [key, value, schema?.type]), [['trace', 'abc', 'STRING'], ['trace', { n: 1 }, undefined]]);
  assert.equal(readHeaders(batch.get(Role.HEADERS)!, 1, batch.schemas, false).length, 0);
});

test('rows can be taken in any order, more than once', () => {
  const batch = Batch.open(golden('variants'));
  batch.values = batch.values.take([17, 0, 0, 15], batch.rows);
  const taken = new Batch(4);
  taken.values = batch.values;
  taken.schemas = batch.schemas;
  assert.deepEqual(Batch.open(taken.write()).read('value').values, [null, true, true, { a: 1, b: { a: null } }]);
});
