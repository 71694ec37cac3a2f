/** What a component says about itself: the JSON of `describe`. */

import type { Key, Keys } from './config';
import type { Opens } from './opens';
import type { Plugin, Plugins } from './plugins';

/** The description of all plugins, as `description.md` beside the contract has it. */
export function describe(plugins: Plugins): string {
  return JSON.stringify({ batch_formats: [1], plugins: plugins.list.map(describePlugin) });
}

function describePlugin({ kind, definition }: Plugin): object {
  const connector = kind === 'source' || kind === 'sink' ? definition : null;
  const keys: Keys = definition.config ?? {};
  return {
    kind,
    class: definition.class,
    ...(connector?.taskClass === undefined ? {} : { task_class: connector.taskClass }),
    aliases: definition.aliases ?? [],
    ...(definition.version === undefined ? {} : { version: definition.version }),
    documentation: definition.doc ?? '',
    ...(kind === 'source' ? { commit_records: definition.wantsCommitted ?? false } : {}),
    ...(connector?.wantsLease === true ? { wants: ['lease'] } : {}),
    ...(kind !== 'source' && definition.batches === 'columns' ? { batches: 'columns' } : {}),
    config: Object.values(keys).map((key) => describeKey(key, keys)),
  };
}

function describeKey({ parts }: Key<unknown>, keys: Keys): object {
  // Spelled out, so that a new part cannot be overlooked.
  const { name, type, required, nullable: _nullable, default: value, importance, doc, group, order, width, displayName, dependents, recommended, validator, check: _check, opens } = parts;
  return {
    name,
    type,
    required,
    default: value,
    importance: importance.toUpperCase(),
    documentation: doc,
    group,
    order,
    width: width.toUpperCase(),
    display_name: displayName ?? name,
    dependents,
    recommended,
    ...(validator === null ? {} : { validator }),
    ...(opens === null ? {} : { opens: describeOpens(opens, keys) }),
  };
}

/** Roles with their keys, and what holds of those that are not set. */
function describeOpens(opens: Opens, keys: Keys): object {
  if (!('http' in opens)) return opens;
  const roles: Record<string, readonly string[]> = {};
  const defaults: Record<string, string> = {};
  for (const [role, names] of Object.entries(opens.with)) {
    roles[role] = typeof names === 'string' ? [names] : names;
    for (const name of roles[role]) {
      const value = Object.values(keys).find((key) => key.parts.name === name)?.parts.default;
      if (value !== undefined && value !== null && value !== '') defaults[role] ??= value;
    }
  }
  return { http: opens.http, with: roles, defaults };
}
