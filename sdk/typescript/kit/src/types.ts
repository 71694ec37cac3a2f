/** A record of each type that there is. */

import { Decimal, Schema, type SourceRecord } from 'millstream';

const inner = Schema.struct({ n: Schema.int32 }).named('kit.Inner').withParameter('p', 'q').asOptional();

const everything = Schema.struct({
  i8: Schema.int8,
  i16: Schema.int16,
  i32: Schema.int32,
  i64: Schema.int64,
  f32: Schema.float32,
  f64: Schema.float64,
  yes: Schema.boolean,
  text: Schema.string.asOptional().withDefault('dflt'),
  raw: Schema.bytes,
  dec: Schema.decimal(2),
  date: Schema.date,
  time: Schema.time,
  ts: Schema.timestamp,
  list: Schema.array(Schema.int32),
  map: Schema.map(Schema.string, Schema.int64.asOptional()),
  inner,
  gone: Schema.string.asOptional(),
  dflt: Schema.int32.asOptional().withDefault(5),
})
  .named('kit.Everything', 3)
  .documented('All types.');

/** The records of mode `types`. */
export function typedRecords(topic: string): SourceRecord[] {
  const records: SourceRecord[] = [
    {
      topic,
      timestamp: 1_700_000_000_123,
      key: 'everything',
      keySchema: Schema.string,
      headers: [
        { key: 'h', value: 'x', schema: Schema.string },
        { key: 'n', value: 5, schema: Schema.int64 },
        { key: 'h', value: null },
      ],
      valueSchema: everything,
      value: {
        i8: -128,
        i16: 32767,
        i32: -2147483648,
        i64: 9223372036854775807n,
        f32: 1.5,
        f64: -0.25,
        yes: true,
        text: 'grüße 😀',
        raw: new Uint8Array([0x00, 0xff, 0x10]),
        dec: Decimal.parse('1234.50'),
        date: new Date('2022-01-08'),
        time: new Date(3_600_000),
        ts: new Date(1_700_000_000_123),
        list: [1, 2, 3],
        map: { a: 1, b: null },
        inner: { n: 7 },
      },
    },
    { topic, value: { s: 'text', n: 9007199254740993n, x: 2.5, t: true, nil: null, l: [1, 'two'], m: { k: 'v' }, b: new Uint8Array([1]) } },
    { topic, key: 'gone', keySchema: Schema.string, value: null, partition: 3, timestamp: 1_700_000_000_000 },
    { topic, value: NaN, valueSchema: Schema.float64 },
    { topic, value: [-(2n ** 63n), 2n ** 63n - 1n] },
    { topic, value: [123456789012345678901234567890n, Decimal.parse('1.20'), new Date(1_700_000_000_123), new Uint8Array(0)] },
    { topic, value: null, valueSchema: Schema.int32.asOptional() },
  ];
  return records.map((record, row) => ({ ...record, sourcePartition: { kit: 'types' }, sourceOffset: { n: row } }));
}
