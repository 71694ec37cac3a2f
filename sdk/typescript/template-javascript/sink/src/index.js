/** A sink: writes a line for each record into a file. */

import { FatalError, File, key, opens, plugins, sink, valueText } from 'millstream';

export const plugin = sink({
  class: '__CLASS__',
  version: '0.1.0',
  doc: 'Writes records as lines.',
  config: {
    // `opens` is what lets the plugin open the file that the user names: it can reach no other.
    file: key.string('file').required().importance('high').doc('File that gets a line for each record.').opens(opens.appendFile),
  },
  task() {
    const file = File.open('file');
    if (file === null) throw new FatalError('the file was not created');
    return {
      put(records) {
        /** @param {import('millstream').SinkRecord} record */
        const line = ({ key, keySchema, value, valueSchema }) => `${valueText(key, keySchema)}=${valueText(value, valueSchema)}\n`;
        file.write(records.map(line).join(''));
      },
      flush() {
        // Offsets are committed when this returns, so everything has to be safe by then.
        file.sync();
      },
    };
  },
  // Numbers say their type, so that 1 and 1.0 are told apart.
  exact: true,
});

export default plugins(plugin);
