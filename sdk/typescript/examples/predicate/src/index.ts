/** A predicate: holds for records whose text contains another text. */

import { key, plugins, predicate } from 'millstream';

export const contains = predicate({
  class: 'org.example.Contains',
  version: '1',
  doc: 'Whether a text value contains a text.',
  config: { text: key.string('text').required().nonEmpty().importance('high').doc('What to look for.') },
  create: ({ text }) => ({
    test: ({ value }) => typeof value === 'string' && value.includes(text),
  }),
});

export default plugins(contains);
