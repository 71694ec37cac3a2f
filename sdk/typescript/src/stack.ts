/**
 * Stacks in the author's own files and lines.
 *
 * A component runs one bundled file. The build leaves a table of where its lines came from, and frames of the SDK itself
 * are left out.
 */

/** The author's files, and runs of lines of the bundle that came from them: see `tools/lines.mjs`. */
export interface LineTable {
  files: string[];
  /** `LINE:FILE:LINE THERE:COUNT` between semicolons. */
  runs: string;
}

/** Most frames that are shown. */
const MOST_FRAMES = 12;

let table: LineTable | null = null;

/** Says where the lines of the running file came from. */
export function setLineTable(lines: LineTable | null): void {
  table = lines;
}

/** `Class: message`, as traces begin. */
export function headline(className: string, message: string): string {
  return `${className}: ${message}`;
}

const FRAME = /^\s*at (?:(.*?) \()?(?:file:\/\/)?([^()]*?):(\d+)(?::(\d+))?\)?$/;

/** Where an error came from, innermost first: `at put (src/index.ts:12)`. Without frames of the SDK. */
export function authorsFrames(error: Error): string[] {
  const frames: string[] = [];
  for (const line of String(error.stack ?? '').split('\n')) {
    const found = FRAME.exec(line);
    if (found === null || frames.length === MOST_FRAMES) continue;
    const place = authorsPlace(found[2]!, Number(found[3]));
    if (place === null) continue;
    const name = found[1] === undefined || found[1] === '<anonymous>' ? '' : `${found[1]} `;
    frames.push(name === '' ? `at ${place}` : `at ${name}(${place})`);
  }
  return frames;
}

function authorsPlace(file: string, line: number): string | null {
  if (file === 'native' || file.startsWith('node:')) return null;
  if (table === null) return /sdk\/typescript\/src\//.test(file) ? null : `${file}:${line}`;
  for (const run of table.runs.split(';')) {
    const [begin, number, there, count] = run.split(':').map(Number) as [number, number, number, number];
    if (line >= begin && line < begin + count) return `${table.files[number]}:${there + line - begin}`;
  }
  return null;
}
