// Makes dist/: the SDK as JavaScript, and its type declarations.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { loadTool, Problem, run, SDK } from './project.mjs';

await run(async () => {
  const dist = join(SDK, 'dist');
  rmSync(dist, { recursive: true, force: true });
  const esbuild = await loadTool(SDK, 'esbuild');
  await esbuild.build({
    absWorkingDir: SDK,
    entryPoints: { index: 'src/index.ts', 'harness/index': 'src/harness/index.ts' },
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    outdir: dist,
  });
  const compiler = createRequire(join(SDK, 'package.json')).resolve('typescript/lib/tsc.js');
  const types = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', dist, '--rootDir', join(SDK, 'src')];
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', SDK, ...types], { encoding: 'utf8' });
  if (status !== 0) throw new Problem(stdout);
});
