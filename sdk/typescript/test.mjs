#!/usr/bin/env node
// Runs the tests of a project: bundles test/*.test.ts and .js, and hands them to Node's own runner.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, checkNode, loadTool, Problem, projectOf, readArguments, resolver, run, SDK } from './tools/project.mjs';

await run(async () => {
  checkNode();
  const found = readArguments(['project'], []);
  const project = projectOf(found);
  const folder = join(project, 'test');
  const tests = existsSync(folder) ? readdirSync(folder).filter((name) => /\.test\.m?[jt]s$/.test(name)) : [];
  if (tests.length === 0) throw new Problem(`${folder} has no tests: files such as index.test.ts`);
  const esbuild = await loadTool(project, 'esbuild');
  const outdir = join(project, 'build', 'test');
  rmSync(outdir, { recursive: true, force: true });
  await bundle(esbuild, {
    absWorkingDir: project,
    entryPoints: tests.map((name) => join(folder, name)),
    bundle: true,
    format: 'esm',
    target: 'node20',
    platform: 'node',
    charset: 'utf8',
    outdir,
    outExtension: { '.js': '.mjs' },
    sourcemap: 'inline',
    plugins: [resolver(project, { component: false })],
  });
  const files = tests.map((name) => join(outdir, name.replace(/\.m?[jt]s$/, '.mjs')));
  const reporter = process.stdout.isTTY ? 'spec' : 'tap';
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', '--test', '--test-reporter', reporter, ...files], {
    cwd: project,
    stdio: 'inherit',
    env: { ...process.env, MILLSTREAM_SDK: SDK },
  });
  return status ?? 1;
});
