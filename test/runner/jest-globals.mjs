/**
 * Replaces `@jest/globals`, which works only inside jest’s loader. Its bindings belong to the current test
 * file.
 */
export let afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest, test;

/** @param {typeof import('@jest/globals')} globals the globals of the next test file */
export function use(globals) {
  ({ afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest, test } = globals);
}
