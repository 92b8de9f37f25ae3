import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runToEnd } from './child.mjs';

const SOURCES = ['apps', 'libs', 'tools'];
const SETTINGS = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const STAMP = join('dist', '.built');

/**
 * One line for each file that the build reads: path, size and time. Any other line means a stale build, a
 * deleted file included.
 *
 * @param {string} checkout
 */
function fingerprint(checkout) {
  const files = SOURCES.flatMap((folder) =>
    readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('spec.ts'))
      .map((path) => join(folder, path)),
  );
  const lines = [...files, ...SETTINGS].sort().map((path) => {
    const { size, mtimeMs } = statSync(join(checkout, path));
    return `${path} ${size} ${mtimeMs}`;
  });
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/**
 * Compiles into dist/ what is newer than the last build.
 *
 * @param {string} checkout
 * @param {string} node the Node.js to compile with
 * @param {NodeJS.ProcessEnv} env
 */
export function build(checkout, node, env) {
  const now = fingerprint(checkout);
  const stamp = join(checkout, STAMP);
  try {
    if (readFileSync(stamp, 'utf8') === now) return;
  } catch {
    // Never built.
  }
  const tsc = join(checkout, 'node_modules', 'typescript', 'bin', 'tsc');
  runToEnd('Building', node, [tsc, '-p', 'tsconfig.build.json'], { cwd: checkout, env });
  mkdirSync(join(checkout, 'dist'), { recursive: true });
  writeFileSync(stamp, now);
}
