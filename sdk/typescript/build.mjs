#!/usr/bin/env node
// Makes a component of a project: bundles its code with the SDK, and puts it into a component with QuickJS.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { lineTable, placeOf } from './tools/lines.mjs';
import { bundle, checkNode, entryOf, loadTool, nameOf, Problem, projectOf, readArguments, resolver, run, SDK } from './tools/project.mjs';

await run(async () => {
  checkNode();
  const found = readArguments(['project', 'out'], ['no-types']);
  const project = projectOf(found);
  const out = resolve(project, found.out ?? join('build', `${nameOf(project)}.wasm`));
  const entry = entryOf(project);
  const esbuild = await loadTool(project, 'esbuild');
  const { componentize } = await loadTool(project, 'componentize-qjs');
  if (!found['no-types']) checkTypes(project, entry);
  const source = await bundled(esbuild, project);
  const component = await made(componentize, source);
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, component);
  process.stdout.write(`${out} (${Math.round(component.length / 1024)} KiB)\n`);
});

/** Has the compiler of TypeScript look at the project, if it is there. */
function checkTypes(project, entry) {
  if (!existsSync(join(project, 'tsconfig.json'))) return;
  let compiler;
  try {
    compiler = createRequire(join(project, 'package.json')).resolve('typescript/lib/tsc.js');
  } catch {
    if (entry.endsWith('ts')) process.stderr.write('types are not checked, since typescript is not installed in this project\n');
    return;
  }
  const { stdout, status } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', project, '--pretty', String(process.stdout.isTTY === true)], { cwd: project, encoding: 'utf8' });
  if (status !== 0) throw new Problem(stdout.trimEnd());
}

/** The code of project and SDK as one module, with the table of where its lines came from. */
async function bundled(esbuild, project) {
  const outfile = join(project, 'build', 'bundle.js');
  const { outputFiles } = await bundle(esbuild, {
    absWorkingDir: project,
    entryPoints: [join(SDK, 'src/internal/entry.ts')],
    bundle: true,
    format: 'esm',
    // What QuickJS knows.
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'module'],
    charset: 'utf8',
    write: false,
    outfile,
    sourcemap: 'external',
    sourcesContent: false,
    // Said better when the module is loaded.
    logOverride: { 'import-is-undefined': 'silent' },
    plugins: [resolver(project, { component: true })],
  });
  const code = outputFiles.find(({ path }) => path.endsWith('.js')).text;
  const map = outputFiles.find(({ path }) => path.endsWith('.map'));
  const lines = lineTable(JSON.parse(map.text), map.path, project, SDK, 1);
  return { code: `globalThis.__millstreamLines = ${JSON.stringify(lines)};\n${code}`, lines };
}

async function made(componentize, { code, lines }) {
  let component;
  try {
    ({ component } = await componentize({ witPath: join(SDK, 'wit'), world: 'component', jsSource: code, sync: true }));
  } catch (error) {
    throw new Problem(`the plugin failed while it was loaded: ${explained(String(error.message ?? error), lines)}`);
  }
  return renamed(component);
}

/** What went wrong, with the author's files and lines in place of the bundle's. */
function explained(message, lines) {
  const text = message.replace(/^(: )?Failed to evaluate user JavaScript module: (Failed to finish JavaScript module evaluation: )?/, '');
  const shown = text.split('\n').map((line) => {
    const place = /^(\s*at (?:.* \()?)[^\s()]*\.js:(\d+):\d+(\)?)$/.exec(line);
    if (place === null) return line;
    const authors = placeOf(lines, Number(place[2]));
    return authors === null ? null : `${place[1]}${authors}${place[3]}`;
  });
  return shown.filter((line) => line !== null).join('\n').trimEnd();
}

/**
 * `wasj:` becomes `wasi:`, in place. While a component is made it runs once to load the module, with WASI there but not HTTP;
 * what HTTP shares with WASI's streams would then not be the same type on both sides. Under another name neither is there.
 */
function renamed(component) {
  const [from, to] = ['wasj:', 'wasi:'].map((name) => Buffer.from(name));
  const bytes = Buffer.from(component);
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + from.length)) to.copy(bytes, at);
  return bytes;
}
