/**
 * Compiles the sources of this folder into dist/, with the settings of tsconfig.build.json. It is a separate
 * process, because the compiler may not be installed yet when the launcher starts.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fingerprint, sourcesOf, stampOf } from './build.mjs';
import { fail } from './child.mjs';
import { swcOptions } from './swc.mjs';

const { transform } = await import('@swc/core').catch((/** @type {Error} */ error) => {
  // If the compiler cannot unpack itself into a folder, show the reason without the long stack.
  if (!hasCode(error, 'ERR_SWC_NATIVE_CACHE')) throw error;
  fail('The compiler needs a folder for its files: set HOME or TMPDIR to one that this user may write to.');
});

/** @param {any} error @param {string} code @returns {boolean} whether the error or a cause has this code */
function hasCode(error, code) {
  return error?.code === code || [error?.cause ?? []].flat().some((cause) => hasCode(cause, code));
}

const checkout = process.cwd();
const dist = join(checkout, 'dist');

/** A running process may load the file at any time, so write only a changed text. */
function write(file, text) {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** @param {string} path relative to the checkout */
const targetOf = (path) => join(dist, path.replace(/\.tsx?$/, '.js'));

async function compile(path) {
  const target = targetOf(path);
  const sourceFileName = relative(dirname(target), join(checkout, path));
  const text = readFileSync(join(checkout, path), 'utf8');
  const { code, map = '' } = await transform(text, {
    ...swcOptions(path),
    sourceMaps: true,
    filename: path,
    sourceFileName,
  });
  write(`${target}.map`, map);
  write(target, `${code}//# sourceMappingURL=${basename(target)}.map\n`);
}

const now = fingerprint(checkout);
const sources = sourcesOf(checkout);
await Promise.all(sources.map(compile));
const targets = new Set(sources.map(targetOf));
for (const path of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  // Delete compiled files without a source.
  const file = join(dist, path);
  if (/\.js(\.map)?$/.test(file) && !targets.has(file.replace(/\.map$/, ''))) rmSync(file);
}
writeFileSync(stampOf(checkout), now);
