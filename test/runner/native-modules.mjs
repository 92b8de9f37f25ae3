/**
 * Makes Node.js load the modules of tests, so that a jest worker loads packages and `libs/` only once. jest
 * would need about four seconds of CPU time for each test file.
 */
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';
import { swcOptions } from '../../tools/launcher/swc.mjs';

const CHECKOUT = new URL('../../', import.meta.url).href;
const PACKAGES = `${CHECKOUT}node_modules/`;
const OF_TESTS = /^(?:test|libs\/testing)\/|\/fixtures\//;
const GLOBALS = new URL('./jest-globals.mjs', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL = '' } = context;
    if (!parentURL.startsWith(CHECKOUT) || parentURL.startsWith(PACKAGES)) return next(specifier, context);
    if (specifier === '@jest/globals') return { url: GLOBALS, format: 'module', shortCircuit: true };
    const url = sourceUrl(specifier, parentURL);
    if (url === undefined) return next(specifier, context);
    const file = new URL(parentURL).search;
    const search = OF_TESTS.test(url.slice(CHECKOUT.length)) ? file : '';
    return { url: url + search, format: isTypeScript(url) ? 'module' : undefined, shortCircuit: true };
  },
  load(url, context, next) {
    const { href, search } = new URL(url);
    if (!href.startsWith(CHECKOUT) || href.startsWith(PACKAGES)) return next(url, context);
    const file = href.slice(0, href.length - search.length);
    if (!isTypeScript(file)) return next(url, context);
    const filename = fileURLToPath(file);
    const { code } = transformSync(readFileSync(filename, 'utf8'), {
      ...swcOptions(filename),
      sourceMaps: 'inline',
      filename,
    });
    return { format: 'module', source: code, shortCircuit: true };
  },
});

const isTypeScript = (url) => /\.tsx?$/.test(url);

/** @returns undefined for a package */
function sourceUrl(specifier, parentURL) {
  const lib = /^#libs\/([\w-]+)$/.exec(specifier);
  if (lib !== null) return `${CHECKOUT}libs/${lib[1]}/src/index.ts`;
  if (!specifier.startsWith('.')) return undefined;
  const { href } = new URL(specifier, parentURL);
  for (const type of ['.ts', '.tsx']) {
    const typed = href.replace(/\.js$/, type);
    if (typed !== href && existsSync(fileURLToPath(typed))) return typed;
  }
  return existsSync(fileURLToPath(href)) ? href : undefined;
}
