/** The converters: everything as text. */

import { converter, type Converter, DataError, headerConverter, key, Schema, tryDecodeUtf8 } from 'millstream';
import { Actions, doKey, failure } from './kit';
import { show } from './show';

const info = (name: string) => ({
  class: `org.millstream.kit.${name}`,
  version: '1.0.0',
  doc: 'Kit converter.',
  config: { prefix: key.string('prefix').default(''), do: doKey },
  exact: true,
});

const schema = Schema.string.asOptional();

function create(config: { prefix: string; do: string }): Converter {
  const actions = new Actions(config.do);
  actions.run('configure');
  return {
    toConnect(bytes) {
      actions.run('to-connect');
      if (bytes === null) return { value: null, schema };
      const text = tryDecodeUtf8(bytes);
      if (text === null) throw new DataError('not UTF-8');
      if (!text.startsWith(config.prefix)) throw new DataError(`expected the prefix ${config.prefix}`);
      return { value: text.slice(config.prefix.length), schema };
    },
    fromConnect(value, own) {
      actions.run('from-connect');
      if (value === null) return null;
      if (value === 'fail data') throw failure('data', 'record');
      return config.prefix + show(value, own);
    },
  };
}

/** Of keys and values. */
export const kitConverter = converter({ ...info('KitConverter'), create });
/** Of headers. */
export const kitHeaderConverter = headerConverter({ ...info('KitHeaderConverter'), create });
