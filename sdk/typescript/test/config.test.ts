import assert from 'node:assert/strict';
import test from 'node:test';
import { ConfigError, ConfigMap, key, parseConfig, validators } from '../src/index';
import { runChecks } from '../src/config';

const keys = {
  topic: key.string('topic').required().nonEmpty(),
  batchSize: key.int('batch.size').default(2000).range(1),
  mode: key.string('mode').default('slow').oneOf('slow', 'fast'),
  tags: key.list('tags'),
  loud: key.boolean('loud').default(false),
  ratio: key.double('ratio'),
  big: key.long('big'),
  secret: key.password('secret').check((text) => (text !== null && text.length < 3 ? 'too short' : null)),
};
const parse = (config: Record<string, string | null>) => parseConfig(keys, new ConfigMap(config));

function checkRefused(config: Record<string, string | null>, message: string): void {
  assert.throws(() => parse(config), (error) => error instanceof ConfigError && (assert.equal(error.message, message), true));
}

test('values are trimmed and defaults filled in', () => {
  const { originals, ...values } = parse({ topic: ' a ', tags: ' x , y,', loud: ' TRUE', ratio: '1.5e3d', big: '9007199254740993', other: 'z' });
  assert.deepEqual(values, { topic: 'a', batchSize: 2000, mode: 'slow', tags: ['x', 'y', ''], loud: true, ratio: 1500, big: 9007199254740993n, secret: null });
  assert.equal(originals.get('other'), 'z');
});

test("a refusal has Kafka's words", () => {
  checkRefused({}, 'Missing required configuration "topic" which has no default value.');
  checkRefused({ topic: ' ' }, 'Invalid value  for configuration topic: String must be non-empty');
  checkRefused({ topic: 't', 'batch.size': 'x' }, 'Invalid value x for configuration batch.size: Not a number of type INT');
  checkRefused({ topic: 't', 'batch.size': '2147483648' }, 'Invalid value 2147483648 for configuration batch.size: Not a number of type INT');
  checkRefused({ topic: 't', 'batch.size': '0' }, 'Invalid value 0 for configuration batch.size: Value must be at least 1');
  checkRefused({ topic: 't', mode: 'Fast' }, 'Invalid value Fast for configuration mode: String must be one of: slow, fast');
  checkRefused({ topic: 't', loud: 'yes' }, 'Invalid value yes for configuration loud: Expected value to be either true or false');
  checkRefused({ topic: 't', ratio: 'inf' }, 'Invalid value inf for configuration ratio: Not a number of type DOUBLE');
  checkRefused({ topic: 't', secret: '12' }, 'Invalid value [hidden] for configuration secret: too short');
});

test('a key set to nothing is null despite its default', () => {
  checkRefused({ topic: 't', 'batch.size': null }, 'Invalid value null for configuration batch.size: Value must be non-null');
  assert.equal(parse({ topic: 't', tags: null }).tags, null);
});

test('numbers are read as Java reads them', () => {
  const read = (text: string) => parseConfig({ n: key.int('n') }, new ConfigMap({ n: text })).n;
  assert.deepEqual(['+5', '-7', '٣', '007'].map(read), [5, -7, 3, 7]);
  const double = (text: string) => parseConfig({ n: key.double('n') }, new ConfigMap({ n: text })).n;
  const texts = ['1.', '.5f', '-1d', '0x1p3', '0x.8p1D', '0x1.fffffffffffff8p1023', '0x1p-1074', '0x1p-1075', '0x1.8p-1075', '1e400', '-Infinity'];
  assert.deepEqual(texts.map(double), [1, 0.5, -1, 8, 1, Infinity, 5e-324, 0, 5e-324, Infinity, -Infinity]);
  for (const text of ['', '1 0', '1.5', '-', '--1', '0x1']) assert.throws(() => read(text), ConfigError);
});

test('lists are what their rules allow', () => {
  const read = (text: string, validator = validators.list()) => parseConfig({ names: key.list('names').validator(validator) }, new ConfigMap({ names: text })).names;
  assert.deepEqual(read('a, b,a'), ['a', 'b']);
  assert.throws(() => read('a,'), { message: "Configuration 'names' values must not be empty." });
  assert.throws(() => read('', validators.someItems), { message: 'Invalid value [] for configuration names: Empty list' });
  assert.throws(() => read('a,b', validators.list({ oneOf: ['a'] })), { message: 'Invalid value b for configuration names: String must be one of: a' });
});

test("the plugin's own checks run alone for the host", () => {
  const problems = runChecks(keys, new ConfigMap({ secret: '1', loud: 'no such thing' }));
  assert.deepEqual(problems, [['secret', 'Invalid value [hidden] for configuration secret: too short']]);
});
