import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from './child.mjs';

const FOLDERS = ['apps', 'libs', 'tools'];
const SETTINGS = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const STAMP = join('dist', '.built');
const COMPILER = join(dirname(fileURLToPath(import.meta.url)), 'compile.mjs');

/** Files that only tests use are not compiled (see tsconfig.build.json). */
const LEFT_OUT = /spec\.ts$|\.d\.m?ts$|\/(fixtures|node_modules)\/|^apps\/[^/]+\/test\/|^libs\/testing\//;

/** @param {string} checkout @returns {string[]} paths relative to the checkout */
export function sourcesOf(checkout) {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => join(folder, path))
      .filter((path) => /\.tsx?$/.test(path) && !LEFT_OUT.test(path)),
  );
}

/**
 * Makes a fingerprint of the paths, sizes and times of all files that the build reads. If the fingerprint has
 * changed, the build is out of date. A deleted file changes the fingerprint too.
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

/** @param {string} checkout @returns the file with the fingerprint of the last build */
export const stampOf = (checkout) => join(checkout, STAMP);

/**
 * Whether dist/ is up to date with the sources.
 *
 * @param {string} checkout
 */
export function isBuilt(checkout) {
  const stamp = stampOf(checkout);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(checkout);
}

/**
 * Compiles the sources into dist/. It does not check types, which would take thirty times as long. The editor
 * and `npm run typecheck` check types.
 *
 * @param {string} checkout
 * @param {string} node the Node.js to compile with
 */
export function build(checkout, node) {
  if (!isBuilt(checkout)) runToEnd('Building', node, [COMPILER], { cwd: checkout });
}
