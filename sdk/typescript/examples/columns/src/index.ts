/** Plugins over the host's columns: no bytes of records come into the component, and no row is interpreted. */

import { HostColumn, HostTable, key, metrics, plugins, predicate, rest, source, transform } from 'millstream';

/** Trims the text in a field, turns it into capitals, and makes a whole number of another; rows where that fails fail alone. */
const clean = transform({
  class: 'org.example.Clean',
  version: '1',
  doc: 'A field in capitals, another as a number.',
  batches: 'columns',
  config: {
    text: key.string('text').default('name').doc('Field with the text.'),
    number: key.string('number').default('age').doc('Field with the number.'),
  },
  create: (config) => ({
    applyTable(table) {
      metrics.count('batches');
      const text = table.get('value', config.text);
      if (text !== null) table.set(['value', config.text], text.trim().upper());
      const number = table.get('value', config.number);
      if (number !== null) table.set(['value', config.number], table.checked(number.cast('int32')));
    },
  }),
});

/** Makes two records of each. */
const twice = transform({
  class: 'org.example.Twice',
  version: '1',
  doc: 'Every record twice.',
  batches: 'columns',
  create: () => ({
    applyTable(table) {
      table.repeat(new Array<number>(table.rows).fill(2));
    },
  }),
});

/** A transform that looks at records one by one: it can stand in one chain with the others. */
const mark = transform({
  class: 'org.example.Mark',
  version: '1',
  doc: 'A header for every record.',
  create: () => ({
    apply: (record) => ({ ...record, headers: [...record.headers, { key: 'marked', value: true }] }),
  }),
});

/** Holds where a number is above another. */
const above = predicate({
  class: 'org.example.Above',
  version: '1',
  doc: 'Whether a field is above a number.',
  batches: 'columns',
  config: { field: key.string('field').default('age').doc('Field with the number.'), number: key.int('number').required().doc('What it has to be above.') },
  create: ({ field, number }) => ({
    testTable: (table) => HostColumn.constant(number).less(table.get('value', field) ?? HostColumn.absent()),
  }),
});

/** Makes its records as a table. */
const people = source({
  class: 'org.example.PeopleSourceConnector',
  version: '1',
  doc: 'Three people, once.',
  config: { topic: key.string('topic').required().nonEmpty().doc('Where they go.') },
  task({ topic }, context) {
    let done = context.offset({ list: 'people' }) !== null;
    return {
      poll() {
        if (done) return rest(60_000);
        done = true;
        const table = HostTable.make(3);
        table.set(['topic'], HostColumn.constant(topic));
        const values = [{ name: ' ada ', age: 36 }, { name: 'bob', age: 5 }, { name: 'eve', age: 18 }];
        table.set(['value'], table.checked(HostColumn.json(values)));
        table.set(['source-partition'], HostColumn.constant({ list: 'people' }));
        table.set(['source-offset'], table.checked(HostColumn.json([{ n: 0 }, { n: 1 }, { n: 2 }])));
        return table;
      },
    };
  },
});

export default plugins(clean, twice, mark, above, people);
