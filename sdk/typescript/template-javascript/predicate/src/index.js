/** A predicate: holds for records with a text in a field of the value, or in the whole value. */

import { cursor, key, plugins, predicate } from 'millstream';

export const plugin = predicate({
  class: '__CLASS__',
  version: '0.1.0',
  doc: 'Whether a text has another in it.',
  config: {
    field: key.string('field').default('').doc('Field with the text; the whole value if empty.'),
    text: key.string('text').required().nonEmpty().importance('high').doc('What to look for.'),
  },
  create: ({ field, text }) => ({
    // Goes over the rows without making an object of each. `test(record)` in place of it would be the comfortable way.
    testBatch(records, verdict) {
      const row = cursor(records);
      const value = field === '' ? row.value() : row.value(field);
      while (row.next()) verdict.set(row.row, value.text()?.includes(text) ?? false);
    },
  }),
});

export default plugins(plugin);
