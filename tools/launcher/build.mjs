import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from './child.mjs';

const FOLDERS = ['apps', 'libs', 'tools'];
const SETTINGS = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const STAMP = join('dist', '.built');
const COMPILER = join(dirname(fileURLToPath(import.meta.url)), 'compile.mjs');

/** As tsconfig.build.json has it: what only tests use is not built. */
const LEFT_OUT = /spec\.ts$|\.d\.m?ts$|\/(fixtures|node_modules)\/|^apps\/[^/]+\/test\/|^libs\/testing\//;

/** @param {string} checkout @returns {string[]} paths from the checkout */
export function sourcesOf(checkout) {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => join(folder, path))
      .filter((path) => path.endsWith('.ts') && !LEFT_OUT.test(path)),
  );
}

/**
 * Names a state of all that the build reads: path, size and time of each file. Another name means a stale build, also
 * where a file was deleted.
 *
 * @param {string} checkout
 */
export function fingerprint(checkout) {
  const lines = [...sourcesOf(checkout), ...SETTINGS].sort().map((path) => {
    const { size, mtimeMs } = statSync(join(checkout, path));
    return `${path} ${size} ${mtimeMs}`;
  });
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/** Holds the fingerprint of what was built. @param {string} checkout */
export const stampOf = (checkout) => join(checkout, STAMP);

/**
 * Whether dist/ holds what the sources say now.
 *
 * @param {string} checkout
 */
export function isBuilt(checkout) {
  const stamp = stampOf(checkout);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(checkout);
}

/**
 * Compiles into dist/ what the sources say, without a check of types: that is for the editor and `npm run typecheck`, and
 * takes thirty times as long.
 *
 * @param {string} checkout
 * @param {string} node the Node.js to compile with
 */
export function build(checkout, node) {
  if (!isBuilt(checkout)) runToEnd('Building', node, [COMPILER], { cwd: checkout });
}
