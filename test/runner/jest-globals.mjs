/**
 * Replaces `@jest/globals`, which works only inside jest’s own module loader. It exports the globals of the
 * test file that runs now.
 */
export let afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest, test;

/** @param {typeof import('@jest/globals')} globals the globals of the next test file */
export function use(globals) {
  ({ afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest, test } = globals);
}
