/**
 * Runs the TypeScript of this folder, with decorators. Imports of other folders load dist/ (`npm run build`).
 *
 *   node --import ./bench/load.mjs bench/run.ts
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';
import { swcOptions } from '../tools/launcher/swc.mjs';

const CHECKOUT = new URL('../', import.meta.url).href;
const BENCH = `${CHECKOUT}bench/`;
const MODULES = `${BENCH}node_modules/`;

const isOurs = (url) => url?.startsWith(BENCH) && !url.startsWith(MODULES);

registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('.') || !isOurs(context.parentURL)) return next(specifier, context);
    const { href } = new URL(specifier, context.parentURL);
    if (!href.endsWith('.js')) return next(href, context);
    return next(
      isOurs(href) ? href.replace(/\.js$/, '.ts') : href.replace(CHECKOUT, `${CHECKOUT}dist/`),
      context,
    );
  },
  load(url, context, next) {
    if (!isOurs(url) || !url.endsWith('.ts')) return next(url, context);
    const filename = fileURLToPath(url);
    const { code } = transformSync(readFileSync(filename, 'utf8'), {
      ...swcOptions(filename),
      sourceMaps: 'inline',
      filename,
    });
    return { format: 'module', source: code, shortCircuit: true };
  },
});
