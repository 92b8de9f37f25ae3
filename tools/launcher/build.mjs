import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from './child.mjs';

const FOLDERS = ['apps', 'libs', 'tools'];
const SETTINGS = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const STAMP = join('dist', '.built');
const COMPILER = join(dirname(fileURLToPath(import.meta.url)), 'compile.mjs');

/** Only tests use these files, which are not compiled (see tsconfig.build.json). */
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
 * Makes a fingerprint of the path, size and time of each file that the build reads. It changes when the build
 * becomes out of date.
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

/** @param {string} checkout @returns whether dist/ is up to date with the sources */
export function isBuilt(checkout) {
  const stamp = stampOf(checkout);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(checkout);
}

/**
 * Compiles the sources into dist/, without a check of types, which would take thirty times as long.
 *
 * @param {string} checkout
 * @param {string} node the Node.js to compile with
 */
export function build(checkout, node) {
  if (!isBuilt(checkout)) runToEnd('Building', node, [COMPILER], { cwd: checkout });
}
