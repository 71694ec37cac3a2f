import assert from 'node:assert/strict';
import test from 'node:test';
import { Column, cursor, DataError, Decimal, float64, int8, mapField, plugins, predicate, Role, Schema, Struct, transform, type Transform, Typed } from '../src/index';
import { batchOf } from '../src/collect';
import { Batch } from '../src/batch/batch';
import { Harness } from '../src/harness';

const made = (create: () => Transform, exact = false) => transform({ class: 'T', create, exact });
const records = (...values: unknown[]) => values.map((value) => ({ topic: 't', value }));

/** A batch with every kind of number, with and without a schema, uniform and not. */
function numbers(): Batch {
  const struct = Schema.struct({ n: Schema.int8, f: Schema.float32.asOptional() });
  return batchOf([
    { topic: 't', value: { i: int8(5), f: float64(2), many: [int8(1), float64(2), 3, 2n ** 70n], odd: float64(-0) }, headers: [{ key: 'h', value: int8(1) }, { key: 'h', value: null }] },
    { topic: 't', value: { i: int8(6), f: float64(2.5), many: [], when: new Date(5), money: new Decimal(120n, 2) } },
    { topic: 't', value: float64(7) },
    { topic: 't', value: new Map<any, any>([[int8(1), 'a'], [1, 'b']]) },
    { topic: 't', value: { n: 3, f: 1.5 }, valueSchema: struct },
    { topic: 't', value: [new Struct(struct, { n: 4, f: null })] },
    { topic: 't', value: null },
  ])!;
}

test('records that are taken apart and made anew are exactly what they were', () => {
  using _ = Harness.enter();
  const copies: Record<string, () => Transform> = {
    spread: () => ({ apply: (record) => ({ ...record }) }),
    json: () => ({ apply: ({ value, ...rest }) => ({ ...rest, value: value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Map ? value : { ...value } }) }),
    same: () => ({ apply: (record) => (void record.value, void record.headers, record) }),
  };
  for (const [name, create] of Object.entries(copies)) {
    const batch = numbers();
    const before = batch.read('value', true);
    const { chain, bytes } = run(create, batch);
    const after = Batch.open(chain.changed === null ? bytes : chain.changed.slice());
    assert.deepEqual(after.read('value', true), before, name);
    assert.deepEqual(after.get(Role.HEADERS)!.bytes(0), batch.get(Role.HEADERS)!.bytes(0), name);
  }
});

function run(create: () => Transform, batch: Batch) {
  const exports = exportsFor(create);
  const bytes = batch.write().slice();
  return { bytes, chain: exports.apply(bytes, null) };
}

import { exportsOf } from '../src/component';
const exportsFor = (create: () => Transform) => exportsOf(plugins(made(create))).transformApi.Chain.create([{ class: 'T', config: [], condition: null }]);

test('what no transform has touched is not written', () => {
  const { chain } = run(() => ({ apply: (record) => (record.value === 'never' ? null : record) }), batchOf(records('a', 1, true))!);
  assert.equal(chain.changed, null);
});

test('a number keeps its type where it fits, and a new one is INT64 or FLOAT64', () => {
  using harness = Harness.enter();
  const change = made(() => ({ apply: (record) => ({ ...record, value: { ...record.value, i: record.value.i + 1, f: 3, new: 1, half: 0.5 } }) }));
  const { records: [row] } = harness.transform(change).apply([{ topic: 't', value: { i: int8(5), f: float64(2) } }]);
  assert.deepEqual(row!.value, { i: 6, f: 3, new: 1, half: 0.5 });
  const exact = made(() => ({ apply: (record) => (assert.deepEqual(Object.values(record.value), [int8(6), float64(3), 1n, float64(0.5)]), record) }), true);
  const batch = batchOf([{ topic: 't', value: { i: int8(5), f: float64(2) } }])!;
  const changed = exportsOf(plugins(change)).transformApi.Chain.create([{ class: 'T', config: [], condition: null }]).apply(batch.write().slice(), null).changed!;
  const { errors } = harness.transform(exact).applyBatch(Batch.open(changed.slice()));
  assert.deepEqual(errors.map(({ error }) => error.message), []);
});

test('what cannot be in a record fails its row alone, and says where', () => {
  using harness = Harness.enter();
  const bad = made(() => ({
    apply(record) {
      if (record.value === 1) return { ...record, value: { a: { b: () => 1 } } };
      if (record.value === 2) return { ...record, value: { x: 1, extra: 2 }, valueSchema: Schema.struct({ x: Schema.int32 }) };
      if (record.value === 3) return 'no record' as never;
      if (record.value === 4) return { value: 1 } as never;
      if (record.value === 5) return Promise.resolve(record) as never;
      return record;
    },
  }));
  const { records: left, errors } = harness.transform(bad).apply(records(0, 1, 2, 3, 4, 5, 6));
  assert.deepEqual(left.map(({ value }) => value), [0, 6]);
  const shown = errors.sort((a, b) => a.row - b.row).map(({ row, error }) => [row, error.message.split('\n')[0], error.field]);
  assert.deepEqual(shown, [
    [1, 'a record cannot hold a function', 'a.b'],
    [2, 'Schema{STRUCT} has no field "extra": add it to the schema (withField), or leave it out', 'extra'],
    [3, 'a transform returns a record, an array of records or null, not a string', null],
    [4, "a record has a topic, which is text: this one's is undefined", null],
    [5, 'a transform returns a record, an array of records or null, not a Promise (functions of plugins are not async)', null],
  ]);
});

test('a value that breaks its schema survives, for the converter to refuse', () => {
  using harness = Harness.enter();
  const breaks = made(() => ({ apply: (record) => ({ ...record, valueSchema: Schema.int32 }) }));
  const { records: [row], errors } = harness.transform(breaks).apply(records('seven'));
  assert.deepEqual([row!.value, row!.valueSchema!.type, errors], ['seven', 'INT32', []]);
});

test('rows that became several say where they came from, and fail together', () => {
  using harness = Harness.enter();
  const split = transform({ class: 'Split', create: () => ({ apply: (record) => record.value.split(' ').map((value: string) => ({ ...record, value })) }) });
  const refuse = transform({
    class: 'Refuse',
    create: () => ({
      apply(record) {
        if (record.value === 'x') throw new DataError('an x');
        return record;
      },
    }),
  });
  const { records: left, errors } = harness.chain(plugins(split, refuse), { class: 'Split' }, { class: 'Refuse' }).apply(records('a', 'b x c', 'd e'));
  assert.deepEqual(left.map(({ value }) => value), ['a', 'd', 'e']);
  assert.deepEqual(errors.map(({ row, link, error }) => [row, link, error.message]), [[1, 1, 'an x']]);
  const { changed } = exportsOf(plugins(split)).transformApi.Chain.create([{ class: 'Split', config: [], condition: null }]).apply(batchOf(records('a', 'b c', 'd'))!.write().slice(), null);
  const batch = Batch.open(changed!.slice());
  const column = (role: number) => [0, 1, 2, 3].map((row) => batch.integer(role, row));
  assert.deepEqual([column(Role.ORIGIN), column(Role.CHILD)], [[0, 1, 1, 2], [0, 0, 1, 0]]);
});

test('a condition limits a link, can be negated, and fails what it cannot judge', () => {
  using harness = Harness.enter();
  const double = transform({ class: 'Double', create: () => ({ apply: (record) => ({ ...record, value: record.value * 2 }) }) });
  const even = predicate({
    class: 'Even',
    create: () => ({
      test({ value }) {
        if (value === null) throw new DataError('cannot tell');
        return value % 2 === 0;
      },
    }),
  });
  const values = (negate: boolean, only: number[] | null, ...rows: unknown[]) => {
    const chain = harness.chain(plugins(double, even), { class: 'Double', condition: { class: 'Even', negate } });
    const { records: left, errors } = chain.apply(records(...rows), only);
    return [left.map(({ value }) => value), errors.map(({ row }) => row)];
  };
  assert.deepEqual(values(false, null, 1, 2, 0), [[1, 4, 0], []]);
  assert.deepEqual(values(true, null, 1, 2, 0), [[2, 2, 0], []]);
  assert.deepEqual(values(false, null, 2, null), [[4], [1]]);
  assert.deepEqual(values(false, [0], 2, null, 4), [[4, null, 4], []]);
});

test('an exception of the author fails its row, with file and line', () => {
  using harness = Harness.enter();
  const broken = made(() => ({ apply: (record) => ({ ...record, value: record.value.missing.deep }) }));
  const { errors } = harness.transform(broken).apply(records('a'));
  const { message, className, kind } = errors[0]!.error;
  assert.deepEqual([kind, className], ['data', 'javascript.TypeError']);
  assert.match(message, /^Cannot read properties of undefined \(reading 'deep'\)\nCaused by: at .*records\.test\.ts:\d+/);
});

test('a field is read and changed in its column, whatever the shape of the rows', () => {
  using harness = Harness.enter();
  const struct = Schema.struct({ name: Schema.string.asOptional(), n: Schema.int32 });
  const rows = [
    { topic: 't', value: { name: 'a', n: 1 } },
    { topic: 't', value: { n: 2 } },
    { topic: 't', value: { name: 'b', n: 3 }, valueSchema: struct },
    { topic: 't', value: { name: null, n: 4 }, valueSchema: struct },
    { topic: 't', value: null },
    { topic: 't', value: { name: 5 } },
  ];
  const upper = made(() => ({
    applyBatch: (all) =>
      mapField(all, ['name'], (value) => {
        if (typeof value !== 'string') throw new DataError('no text');
        return value.toUpperCase();
      }),
  }));
  const { records: left, errors } = harness.transform(upper).apply(rows);
  assert.deepEqual(left.map(({ value }) => value), [{ name: 'A', n: 1 }, { n: 2 }, { name: 'B', n: 3 }, { name: null, n: 4 }, null]);
  assert.equal(left[2]!.valueSchema!.field('name')!.schema.type, 'STRING');
  assert.deepEqual(errors.map(({ row }) => row), [5]);
  const batch = batchOf(rows)!;
  const at = cursor(batch);
  const [name, n] = [at.value('name'), at.value('n')];
  const seen: unknown[] = [];
  while (at.next()) seen.push([name.text(), name.isNull, n.number(), name.get()]);
  assert.deepEqual(seen, [['a', false, 1, 'a'], [null, true, 2, null], ['b', false, 3, 'b'], [null, true, 4, null], [null, true, null, null], [null, false, null, 5]]);
});

test('a constant column is changed only where it is meant', () => {
  using harness = Harness.enter();
  const batch = new Batch(3);
  batch.set(Role.TOPIC, Column.constantText(3, 't'));
  batch.values.blocks.push({ schema: null, column: Column.constantText(3, 'same') });
  const chain = harness.transform(made(() => ({ applyBatch: (all) => mapField(all, [], (value, row) => `${value}${row}`) })));
  assert.deepEqual(chain.applyBatch(batch, [1]).records.map(({ value }) => value), ['same', 'same1', 'same']);
});

test('a map with a member named __proto__ keeps it', () => {
  using harness = Harness.enter();
  const value = JSON.parse('{"__proto__": 1, "a": 2}');
  const { records: [row] } = harness.transform(made(() => ({ apply: (record) => ({ ...record, value: record.value }) }))).apply([{ topic: 't', value }]);
  assert.deepEqual(Object.entries(row!.value), [['__proto__', 1], ['a', 2]]);
});

test('big integers, instants beyond what a Date can say, and mixed numbers are what they were', () => {
  const values = [2n ** 63n, -(2n ** 63n), 2n ** 53n, new Typed('INSTANT', 2n ** 62n), new Typed('BIG_INTEGER', 5n)];
  const { values: read } = Batch.open(batchOf([{ topic: 't', value: values }])!.write()).read('value');
  assert.deepEqual(read[0], [2n ** 63n, -(2n ** 63n), 9007199254740992n, new Typed('INSTANT', 2n ** 62n), 5n]);
});
