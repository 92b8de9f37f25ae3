/**
 * Four sizes of test: unit; int with real servers; e2e for the whole service; long with other programs too.
 */
// In UTC, a bug with times that lack a zone would not show.
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
  // With a limit, jest runs even a single file in a worker. The limit is never reached, because test/runner
  // restarts workers.
  workerIdleMemoryLimit: '100%',
  // Ends only tests that hang. A slow machine must not reach it.
  testTimeout: 120_000,
  projects: [
    project('unit', ['<rootDir>/{apps,bench,libs,tools,docs,test}/**/*.spec.ts']),
    project('int', ['<rootDir>/{apps,libs,test,tools}/**/*.int-spec.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e-spec.ts']),
    project('long', ['<rootDir>/test/long/**/*.long-spec.ts']),
  ],
};
