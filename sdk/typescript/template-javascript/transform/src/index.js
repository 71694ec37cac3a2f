/** A transform: capitals for the text in a field of the value, or for the whole value. */

import { DataError, javaClass, key, mapField, plugins, transform } from 'millstream';

export const plugin = transform({
  class: '__CLASS__',
  version: '0.1.0',
  doc: 'Capitals for text.',
  config: { field: key.string('field').default('').doc('Field with the text; the whole value if empty.') },
  create: ({ field }) => ({
    // Works on the field's column: nothing else of the records is looked at. Nulls and missing fields stay as they are.
    applyBatch(records) {
      mapField(records, field === '' ? [] : [field], (value, _, schema) => {
        if (typeof value !== 'string') throw new DataError(`expected text, found a ${javaClass(value, schema)}`);
        return value.toUpperCase();
      });
    },
  }),
});

export default plugins(plugin);
