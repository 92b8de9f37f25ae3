/**
 * Makes Node.js run the TypeScript of test/ directly, but that of apps/, libs/ and tools/ from dist/.
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
