import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { callError } from '../src/errors';
import { httpErrorOf, urlParts } from '../src/http';
import { ConfigError, Database, DataError, Decimal, FatalError, File, http, HttpResponse, javaClass, key, Lease, log, opens, plugins, RetriableError, Schema, sink, source, validators, valueText } from '../src/index';
import { describe } from '../src/describe';
import { fromJson, toJson } from '../src/json';
import { Harness } from '../src/harness';
import { instantText } from '../src/sql';
import { authorsFrames, setLineTable } from '../src/stack';
import { decodeNatively, encodeNatively } from '../src/utf8';
import { bigintOfBytes, bytesOfBigint, float32, float64 } from '../src/values';

const sdk = process.env['MILLSTREAM_SDK'] ?? '.';

test('the copy of the contract is the contract', () => {
  const contract = readFileSync(join(sdk, '../../wit/millstream-connect@0.1.0/connect.wit'), 'utf8');
  assert.equal(readFileSync(join(sdk, 'wit/deps/millstream-connect/connect.wit'), 'utf8'), contract);
});

test('text is UTF-8 without TextEncoder, too', () => {
  const arrays = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array; prototype: { toBase64?: () => string } };
  const before = arrays.fromBase64;
  Object.defineProperty(Uint8Array.prototype, 'toBase64', { configurable: true, value: function (this: Uint8Array) { return Buffer.from(this).toString('base64'); } });
  try {
    for (const text of ['', 'plain', 'grüße 😀 漢', '\u0000\u007f\u0080\uffff']) {
      const bytes = new Uint8Array(Buffer.from(text, 'utf8'));
      assert.equal(decodeNatively(bytes), text);
      if (before !== undefined) assert.deepEqual(encodeNatively(text), bytes);
    }
    assert.throws(() => decodeNatively(new Uint8Array([0xff])), URIError);
  } finally {
    delete arrays.prototype.toBase64;
  }
});

test('numbers are written as Java does', () => {
  const texts: [number, string][] = [
    [1, '1.0'], [-0, '-0.0'], [0.001, '0.001'], [5e-4, '5.0E-4'], [9999999, '9999999.0'], [1e7, '1.0E7'], [12345678.9, '1.23456789E7'],
    [123.456, '123.456'], [1e21, '1.0E21'], [NaN, 'NaN'], [-Infinity, '-Infinity'],
  ];
  for (const [value, text] of texts) assert.equal(valueText(float64(value)), text);
  assert.deepEqual([1.1, 3.4028234663852886e38, 0.5, 16777216].map((value) => valueText(float32(Math.fround(value)))), ['1.1', '3.4028235E38', '0.5', '1.6777216E7']);
  assert.equal(valueText({ a: float64(1), b: [1, 2], c: null }), '{a=1.0, b=[1, 2], c=null}');
  assert.equal(valueText({ a: 1, b: null, c: 3 }, Schema.struct({ a: Schema.int8, b: Schema.int8.asOptional(), c: Schema.float64 })), 'Struct{a=1,c=3.0}');
  assert.equal(valueText(new Date(0)), 'Thu Jan 01 00:00:00 UTC 1970');
  assert.deepEqual(['1.20', '-0.05', '120'].map((text) => String(Decimal.parse(text))), ['1.20', '-0.05', '120']);
  assert.deepEqual([new Decimal(12n, -3), new Decimal(1n, 9)].map((value) => valueText(value)), ['1.2E+4', '1E-9']);
});

test('big integers are as short as they can be', () => {
  for (const value of [0n, 1n, -1n, 127n, 128n, -128n, -129n, 255n, 256n, 2n ** 64n, -(2n ** 200n)]) {
    const bytes = bytesOfBigint(value);
    assert.equal(bigintOfBytes(bytes), value);
    const shorter = bytes.slice(1);
    assert.ok(bytes.length === 1 || bigintOfBytes(shorter) !== value, String(value));
  }
});

test('Java classes are what Connect users know', () => {
  const values: [unknown, Schema | null, string][] = [
    [1, null, 'java.lang.Long'], [1.5, null, 'java.lang.Double'], [1, Schema.int8, 'java.lang.Byte'], ['a', null, 'java.lang.String'], [{}, null, 'java.util.HashMap'],
    [{}, Schema.struct({}), 'org.apache.kafka.connect.data.Struct'], [[], null, 'java.util.ArrayList'], [null, null, 'null'], [2n ** 64n, null, 'java.math.BigInteger'],
  ];
  for (const [value, schema, name] of values) assert.equal(javaClass(value, schema), name);
});

test('offsets survive the way through JSON', () => {
  const offset = { position: 2n ** 63n - 1n, ratio: 1.5, name: 'a "b"', parts: [null, true, {}] };
  assert.equal(toJson(offset), '{"position":9223372036854775807,"ratio":1.5,"name":"a \\"b\\"","parts":[null,true,{}]}');
  assert.deepEqual(fromJson(toJson(offset)), offset);
  assert.deepEqual(fromJson('{"n": 1234567890123456, "s": "12345678901234567890"}'), { n: 1234567890123456, s: '12345678901234567890' });
  assert.throws(() => toJson({ b: new Uint8Array(1) }), { message: 'a source partition or offset cannot hold a [B' });
  assert.throws(() => toJson(NaN), DataError);
});

test('what is thrown says its class, its causes and the lines of its author', () => {
  const inner = new TypeError('inner');
  const { causes, ...error } = callError(new RetriableError('connect to db:5432', { cause: inner, field: 'port' }));
  assert.deepEqual(error, { kind: 'retriable', class: 'org.apache.kafka.connect.errors.RetriableException', message: 'connect to db:5432' });
  assert.equal(causes[0], 'javascript.TypeError: inner');
  assert.match(causes[1]!, /^at .*parts\.test\.ts:\d+/);
  assert.equal(causes.at(-1), 'in field port');
  assert.deepEqual([callError('text').message, callError('text').class, callError(null).message], ['thrown: text', 'javascript.string', 'thrown: null']);
  const own = callError(new FatalError('mine', { className: 'org.example.Mine', causes: ['one', 'two'] }));
  assert.deepEqual([own.class, own.causes], ['org.example.Mine', ['one', 'two']]);
  assert.equal(new DataError('x').inField('zip').inField('home.address').inField('customer').field, 'customer.`home.address`.zip');
});

test('lines of a bundle are those of the author, and none of the SDK', () => {
  const error = new Error('boom');
  error.stack = '    at inner (componentize-qjs:user.js:12:30)\n    at apply (/x.js:40:7)\n    at <anonymous> (/x.js:13)\n    at native\n';
  setLineTable({ files: ['src/kit.ts'], runs: '10:0:100:5' });
  try {
    assert.deepEqual(authorsFrames(error), ['at inner (src/kit.ts:102)', 'at src/kit.ts:103']);
  } finally {
    setLineTable(null);
  }
});

test("a host's words become causes, and URLs have parts", () => {
  assert.ok(httpErrorOf('timeout: x') instanceof RetriableError);
  assert.ok(httpErrorOf('denied: x') instanceof ConfigError);
  assert.ok(httpErrorOf('auth: x') instanceof FatalError);
  assert.equal(httpErrorOf('odd: text').message, 'odd: text');
  assert.deepEqual(urlParts('http://h:1/a?b#c'), { secure: false, authority: 'h:1', path: '/a?b' });
  assert.deepEqual(urlParts('HTTPS://h?b'), { secure: true, authority: 'h', path: '/?b' });
  assert.equal(urlParts('ftp://h'), null);
});

test('requests, files, databases and the lease go to the harness', () => {
  using harness = Harness.enter();
  harness.server = ({ method, url, body }) => new HttpResponse(201, new TextEncoder().encode(`${method} ${url} ${body.length}`), [['x-y', new TextEncoder().encode('z')]]);
  const pending = [1, 2].map((n) => http.start('POST', 'http://api.example.com/', { body: 'x'.repeat(n) }));
  assert.deepEqual(pending.map((request) => request.wait().text()), ['POST http://api.example.com/ 1', 'POST http://api.example.com/ 2']);
  assert.equal(http.get('http://h/').header('X-Y'), 'z');

  const file = harness.file('file', 'one\n');
  const open = File.open('file')!;
  assert.equal(open.readText(), 'one\n');
  file.append('two\n');
  assert.equal(open.readText(), 'two\n');
  open.write('three\n');
  assert.deepEqual([file.text, file.synced, open.size], ['one\ntwo\nthree\n', 'one\n', 14]);
  assert.equal(File.open('other'), null);

  const fake = harness.database('db');
  fake.rows.set('select 1', [{ n: 1, s: 'x' }, { n: 2, s: null }]);
  const database = Database.open('db', { 'read.only': true });
  assert.deepEqual([...database.query('select 1', [7, null, new Date(1500)])], [{ n: 1, s: 'x' }, { n: 2, s: null }]);
  fake.fail('delete', new RetriableError('lost'));
  assert.throws(() => database.transaction(() => database.execute('delete')), { message: 'lost' });
  assert.deepEqual(fake.calls, [
    ['open', { 'read.only': true }], ['query', 'select 1', [['int64', '7'], ['string', null], ['timestamp', '1.500000000']]], ['begin'], ['execute', 'delete', []], ['rollback'],
  ]);
  assert.equal(instantText(new Date(-4750)), '-5.250000000');

  const lease = Lease.obtain();
  lease.write({ snapshot: 'files 1 to 7' });
  harness.takeLease();
  assert.throws(() => lease.write({ snapshot: 'files 1 to 8' }), (error) => error.isLeaseLost);
  assert.equal(new TextDecoder().decode(harness.kept.get('snapshot')), 'files 1 to 7');
});

test('a description says all that was declared', () => {
  const all = plugins(
    source({
      class: 'org.example.LineSourceConnector',
      taskClass: 'org.example.LineTask',
      aliases: ['Lines'],
      version: '1.0',
      doc: 'Reads *lines*.',
      wantsLease: true,
      wantsCommitted: true,
      config: {
        file: key.string('file').doc('What to read.').importance('high').opens(opens.readFileOrStdin),
        n: key.int('n').default(3).range(1, 9).group('Limits', 2).displayName('Number').dependents('file').width('short'),
        url: key.string('url').opens(opens.httpUrl({ password: 'pw', headers: ['headers', 'more'], 'connect-timeout-ms': 'n' })),
      },
      task: () => ({ poll: () => [] }),
    }),
  );
  assert.deepEqual(JSON.parse(describe(all)), {
    batch_formats: [1],
    plugins: [
      {
        kind: 'source', class: 'org.example.LineSourceConnector', task_class: 'org.example.LineTask', aliases: ['Lines'], version: '1.0',
        documentation: 'Reads *lines*.', commit_records: true, wants: ['lease'],
        config: [
          { name: 'file', type: 'STRING', required: false, default: null, importance: 'HIGH', documentation: 'What to read.', group: null, order: -1, width: 'NONE', display_name: 'file', dependents: [], recommended: [], opens: { file: 'read', or: 'stdin' } },
          { name: 'n', type: 'INT', required: false, default: '3', importance: 'MEDIUM', documentation: '', group: 'Limits', order: 2, width: 'SHORT', display_name: 'Number', dependents: ['file'], recommended: [], validator: { range: { min: 1, max: 9 } } },
          { name: 'url', type: 'STRING', required: false, default: null, importance: 'MEDIUM', documentation: '', group: null, order: -1, width: 'NONE', display_name: 'url', dependents: [], recommended: [], opens: { http: 'url', with: { password: ['pw'], headers: ['headers', 'more'], 'connect-timeout-ms': ['n'] }, defaults: { 'connect-timeout-ms': '3' } } },
        ],
      },
    ],
  });
  assert.deepEqual(validators.nullOr(validators.all(validators.nonEmpty)), { null_or: { all: [{ non_empty: true }] } });
  assert.throws(() => plugins(sink({ class: 'x', config: { a: key.string('k'), b: key.int('k') }, task: () => ({}) })), { message: 'the sink x: key k is declared twice' });
});

test('mistakes of an author are named', () => {
  using harness = Harness.enter();
  assert.throws(() => harness.sourceTask(source({ class: 'x', task: () => 5 as never })), { message: 'task of x returns an object with poll, not a number' });
  const wrong = (answer: unknown) => harness.sourceTask(source({ class: 'x', task: () => ({ poll: () => answer as never }) })).poll();
  assert.throws(() => wrong(7), { message: 'poll returns an array of records, a Batch or nothing, not a number' });
  assert.throws(() => wrong([7]), { message: 'poll returns records, such as { topic, value }; number 0 is a number' });
  assert.throws(() => wrong([{ topic: 'a', value: 1 }, { topic: 'a', value: new Set() }]), { message: 'record 1 of those that were made: a record cannot hold a Set' });
  assert.throws(() => wrong(Promise.resolve([])), { message: /not a Promise \(functions of plugins are not async\)$/ });
  assert.throws(() => harness.sinkTask(sink({ class: 'x', task: () => ({ put: async () => {} }) })).put([]), { message: /async/ });
  harness.leave();
  assert.throws(() => log.info('x'), { message: /^there is no host here/ });
});
