/**
 * Lets Node.js run the TypeScript of test/ as it is, with imports as everywhere else in the project: a
 * file under test/ is its own source, and everything of apps/, libs/ and tools/ is what `npm run build` made.
 *
 *   node --import ./test/support/drivers/load.mjs test/chaos/run.ts
 */
import { registerHooks } from 'node:module';

const CHECKOUT = new URL('../../../', import.meta.url).href;
const TESTS = `${CHECKOUT}test/`;

registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('.') || !context.parentURL?.startsWith(TESTS)) return next(specifier, context);
    const { href } = new URL(specifier, context.parentURL);
    if (href.startsWith(TESTS)) return next(href.replace(/\.js$/, '.ts'), context);
    return next(href.replace(CHECKOUT, `${CHECKOUT}dist/`), context);
  },
});
