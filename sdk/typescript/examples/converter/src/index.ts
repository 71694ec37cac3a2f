/** A converter: maps as text of the form `a=1;b=2`. */

import { converter, DataError, javaClass, plugins, tryDecodeUtf8, valueText, type Value } from 'millstream';

/** The pairs of a text. */
function parsed(text: string): Record<string, string> {
  const pairs = text.split(';').filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 0) throw new DataError(`expected a pair with '=', found '${pair}'`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

export const pairsConverter = converter({
  class: 'org.example.PairsConverter',
  version: '1',
  doc: 'Maps as `a=1;b=2`.',
  create: () => ({
    toConnect(bytes) {
      if (bytes === null) return { value: null };
      const text = tryDecodeUtf8(bytes);
      if (text === null) throw new DataError('read pairs: the bytes are no UTF-8');
      return { value: parsed(text) };
    },
    fromConnect(value, schema) {
      if (value === null) return null;
      if (javaClass(value, schema) !== 'java.util.HashMap') throw new DataError(`expected a map, found a ${javaClass(value, schema)}`);
      const entries: [Value, Value][] = value instanceof Map ? [...value] : Object.entries(value);
      return entries.map(([name, item]) => `${valueText(name, schema?.keySchema)}=${valueText(item, schema?.valueSchema)}`).join(';');
    },
  }),
  // Numbers say their type, so that 1 and 1.0 are told apart.
  exact: true,
});

export default plugins(pairsConverter);
