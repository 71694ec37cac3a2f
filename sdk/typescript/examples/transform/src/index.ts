/** Transforms: one that changes records, one that makes several of one, and one that works on whole columns. */

import { DataError, javaClass, key, plugins, transform } from 'millstream';

/** Turns text values into capitals, and drops records without a value. */
export const shout = transform({
  class: 'org.example.Shout',
  version: '1',
  doc: 'Capitals for text; nulls are dropped.',
  create: () => ({
    apply(record) {
      const { value, valueSchema } = record;
      if (value === null) return null;
      if (typeof value !== 'string') throw new DataError(`expected text, found a ${javaClass(value, valueSchema)}`);
      record.value = value.toUpperCase();
      return record;
    },
  }),
});

/** Makes a record of each word of a text value. */
export const splitWords = transform({
  class: 'org.example.SplitWords',
  version: '1',
  doc: 'A record for each word.',
  create: () => ({
    apply(record) {
      if (typeof record.value !== 'string') return record;
      const words = record.value.split(/\s+/).filter((word) => word !== '');
      return words.map((value) => ({ ...record, value }));
    },
  }),
});

/** Sends all records to one topic. Rows need not be looked at: the column of topics is replaced. */
export const retopic = transform({
  class: 'org.example.Retopic',
  version: '1',
  doc: 'One topic for all.',
  config: { topic: key.string('topic').required().nonEmpty().doc('The topic.') },
  create: ({ topic }) => ({
    applyBatch(records) {
      records.setTopic(topic);
    },
  }),
});

export default plugins(shout, splitWords, retopic);
