/** The guest of the conformance kit: a plugin of each kind that does what its configuration says, and logs what it hears. */
import { plugins } from 'millstream';
import { kitConverter, kitHeaderConverter } from './convert';
import { kitSink } from './sink';
import { kitSource } from './source';
import { count, echo, hasText, odd, setField, split, stamp } from './transforms';
export default plugins(kitSource, kitSink, echo, stamp, setField, split, odd, count, hasText, kitConverter, kitHeaderConverter);
