/**
 * Four sizes of test: unit beside the code, int against real servers, e2e for whole stories, and long for tests that
 * need programs which `npm test` does not.
 */
// A bug with instants that lack a zone does not show in UTC.
process.env.TZ = 'Asia/Kolkata';

const base = {
  testEnvironment: 'node',
  testRunner: '<rootDir>/test/runner/runner.mjs',
  extensionsToTreatAsEsm: ['.ts'],
  modulePathIgnorePatterns: [
    '<rootDir>/dist/',
    '<rootDir>/.gangway/',
    '<rootDir>/test/clients/',
    '<rootDir>/bench/node_modules/',
  ],
};

const project = (displayName, testMatch, more = {}) => ({ ...base, displayName, testMatch, ...more });

export default {
  // A worker that has run a story restarts: what the story left running must not affect the next one.
  workerIdleMemoryLimit: '300MB',
  // Nothing is timed; this only ends a test that hangs, on the slowest of machines.
  testTimeout: 120_000,
  projects: [
    project('unit', ['<rootDir>/{apps,bench,libs,tools,docs,test}/**/*.spec.ts']),
    project('int', ['<rootDir>/{apps,libs,test,tools}/**/*.int-spec.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e-spec.ts']),
    project('long', ['<rootDir>/test/long/**/*.long-spec.ts']),
  ],
};
