// Finding a project, its tools and its modules: what the builds of components and of tests share.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The folder of this SDK. */
export const SDK = dirname(dirname(fileURLToPath(import.meta.url)));

const VERSIONS = { esbuild: '0.28.2', 'componentize-qjs': '0.4.5', typescript: '5.9.3' };
const LEAST_NODE = 20;

/** Something that the author has to do something about: printed without a stack. */
export class Problem extends Error {}

/** Reads `--name value` and `--flag`; anything else is refused. */
export function readArguments(names, flags) {
  const found = {};
  const rest = process.argv.slice(2);
  while (rest.length > 0) {
    const argument = rest.shift();
    const name = argument.replace(/^--/, '');
    if (argument.startsWith('--') && flags.includes(name)) found[name] = true;
    else if (argument.startsWith('--') && names.includes(name) && rest.length > 0) found[name] = rest.shift();
    else throw new Problem(`unknown argument ${argument}: expected ${[...names.map((n) => `--${n} …`), ...flags.map((f) => `--${f}`)].join(', ')}`);
  }
  return found;
}

export function checkNode() {
  const version = Number(process.versions.node.split('.')[0]);
  if (version < LEAST_NODE) throw new Problem(`Node ${process.version} is too old: Millstream's SDK needs Node ${LEAST_NODE} or newer`);
}

/** Loads a tool from the project's own modules; `null` if it is optional and not there. */
export async function loadTool(project, name, optional = false) {
  const require = createRequire(join(project, 'package.json'));
  let path;
  try {
    path = require.resolve(name);
  } catch {
    if (optional) return null;
    throw new Problem(`${name} is not installed in this project: run "npm install" in ${project} (needs ${name} ${VERSIONS[name]})`);
  }
  return import(pathToFileURL(path).href);
}

/** The project's name, as `millstream.json` says it, or else `package.json`. */
export function nameOf(project) {
  for (const file of ['millstream.json', 'package.json']) {
    const path = join(project, file);
    if (!existsSync(path)) continue;
    let name;
    try {
      ({ name } = JSON.parse(readFileSync(path, 'utf8')));
    } catch (error) {
      throw new Problem(`${path} is no JSON: ${error.message}`);
    }
    if (typeof name === 'string') return name.replace(/^@[^/]*\//, '');
  }
  throw new Problem(`${project} is no project: neither millstream.json nor package.json there has a name`);
}

/** The file that exports the plugins. */
export function entryOf(project) {
  for (const file of ['src/index.ts', 'src/index.mts', 'src/index.js', 'src/index.mjs']) {
    if (existsSync(join(project, file))) return join(project, file);
  }
  throw new Problem(`${project} has neither src/index.ts nor src/index.js: it exports the plugins, as in "export default plugins(…)"`);
}

/** Where imports lead: the SDK's own names, the plugins of the project, and what no component has. */
export function resolver(project, { component }) {
  return {
    name: 'millstream',
    setup(build) {
      build.onResolve({ filter: /^millstream:plugins$/ }, () => ({ path: entryOf(project) }));
      build.onResolve({ filter: /^(millstream:connect|wasi:|wasj:)/ }, ({ path }) => ({ path, external: true }));
      build.onResolve({ filter: /^millstream$/ }, () => ({ path: join(SDK, 'src/index.ts') }));
      build.onResolve({ filter: /^millstream\/harness$/ }, () => {
        if (component) return { errors: [{ text: '"millstream/harness" is for tests: a component has a host of its own' }] };
        return { path: join(SDK, 'src/harness/index.ts') };
      });
      if (!component) return;
      build.onResolve({ filter: /^[a-z]/ }, ({ path }) => {
        if (!isBuiltin(path)) return null;
        return { errors: [{ text: `"${path}" is a module of Node.js, which a component does not have: files, HTTP and databases are reached through the SDK` }] };
      });
    },
  };
}

/** Says what esbuild found wrong, as it does itself. */
export async function bundle(esbuild, options) {
  try {
    const result = await esbuild.build({ ...options, logLevel: 'silent' });
    const warnings = await esbuild.formatMessages(result.warnings, { kind: 'warning', color: process.stderr.isTTY });
    warnings.forEach((text) => process.stderr.write(text));
    return result;
  } catch (error) {
    if (!Array.isArray(error.errors)) throw error;
    const texts = await esbuild.formatMessages(error.errors, { kind: 'error', color: process.stderr.isTTY });
    throw new Problem(texts.join('').trimEnd());
  }
}

/** Runs what a command does; a problem ends it with 1 and its message. */
export async function run(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

export const projectOf = (found) => resolve(found.project ?? '.');
