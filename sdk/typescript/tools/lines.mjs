// Where the lines of a bundle came from, out of its source map.

import { dirname, isAbsolute, join, relative, resolve } from 'node:path';

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The numbers of a segment of a source map. */
function decode(segment) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const letter of segment) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) * 2 ** shift;
    if (digit & 32) {
      shift += 5;
      continue;
    }
    numbers.push(value % 2 === 1 ? -Math.floor(value / 2) : value / 2);
    value = 0;
    shift = 0;
  }
  return numbers;
}

/**
 * The table that the SDK reads (`src/stack.ts`): files of the author, and runs of lines that came from them, as a text of
 * `LINE:FILE:LINE THERE:COUNT` between semicolons. `above` lines will be put in front of the bundle.
 */
export function lineTable(map, mapFile, project, sdk, above) {
  const files = [];
  const numbers = map.sources.map((source) => {
    const path = resolve(dirname(mapFile), source);
    const inside = relative(join(sdk, 'src'), path);
    if (!inside.startsWith('..') && !isAbsolute(inside)) return -1;
    files.push(relative(project, path).replaceAll('\\', '/'));
    return files.length - 1;
  });
  const runs = [];
  let [source, sourceLine] = [0, 0];
  map.mappings.split(';').forEach((line, at) => {
    let first = null;
    for (const segment of line === '' ? [] : line.split(',')) {
      const [, sources, linesOn] = decode(segment);
      if (sources === undefined) continue;
      source += sources;
      sourceLine += linesOn;
      first ??= [numbers[source], sourceLine + 1];
    }
    if (first === null || first[0] < 0) return;
    const here = at + 1 + above;
    const last = runs.at(-1);
    if (last !== undefined && last[1] === first[0] && last[0] + last[3] === here && last[2] + last[3] === first[1]) last[3]++;
    else runs.push([here, first[0], first[1], 1]);
  });
  return { files, runs: runs.map((run) => run.join(':')).join(';') };
}

/** The author's `FILE:LINE` for a line of the bundle; null for lines of the SDK. */
export function placeOf({ files, runs }, line) {
  for (const run of runs.split(';')) {
    const [begin, file, there, count] = run.split(':').map(Number);
    if (line >= begin && line < begin + count) return `${files[file]}:${there + line - begin}`;
  }
  return null;
}
