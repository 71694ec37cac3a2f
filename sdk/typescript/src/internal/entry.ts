/** What a component is made of: the plugins of the project, and the contract's exports for them. */

import * as project from 'millstream:plugins';
import { exportsOf } from '../component';
import { setHost } from '../host';
import { Plugins } from '../plugins';
import { type LineTable, setLineTable } from '../stack';
import { componentHost } from './host';

declare const __millstreamLines: LineTable | undefined;

const registered: unknown = project.default;
if (!(registered instanceof Plugins)) throw new TypeError('src/index has no default export of plugins(...)');

setHost(componentHost);
// The build puts the table in front of this code.
setLineTable(typeof __millstreamLines === 'undefined' ? null : __millstreamLines);

export const { plugin, sourceApi, sinkApi, transformApi, predicateApi, converterApi } = exportsOf(registered);
