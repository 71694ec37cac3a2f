/** A converter: structs and maps as text such as `a=1;b=2`. */

import { converter, DataError, javaClass, key, plugins, tryDecodeUtf8, valueText } from 'millstream';

export const plugin = converter({
  class: '__CLASS__',
  version: '0.1.0',
  doc: 'Pairs as `a=1;b=2`.',
  config: { separator: key.string('separator').default(';').nonEmpty().doc('What stands between two pairs.') },
  create: ({ separator }) => ({
    toConnect(bytes) {
      if (bytes === null) return { value: null };
      const text = tryDecodeUtf8(bytes);
      if (text === null) throw new DataError('read pairs: the bytes are no UTF-8');
      const pairs = text.split(separator).filter((pair) => pair !== '');
      const entries = pairs.map((pair) => {
        const at = pair.indexOf('=');
        if (at < 0) throw new DataError(`expected a pair with '=', found '${pair}'`);
        return [pair.slice(0, at), pair.slice(at + 1)];
      });
      return { value: Object.fromEntries(entries) };
    },
    fromConnect(value, schema) {
      if (value === null) return null;
      if (schema?.type === 'STRUCT') {
        return schema.fields.map((field) => `${field.name}=${valueText(value[field.name], field.schema)}`).join(separator);
      }
      if (javaClass(value, schema) !== 'java.util.HashMap') throw new DataError(`expected pairs, found a ${javaClass(value, schema)}`);
      const entries = value instanceof Map ? [...value] : Object.entries(value);
      return entries.map(([name, item]) => `${valueText(name, schema?.keySchema)}=${valueText(item, schema?.valueSchema)}`).join(separator);
    },
  }),
  // Numbers say their type, so that 1 and 1.0 are told apart.
  exact: true,
});

export default plugins(plugin);
