/** One file, three sizes of test: unit beside the code, int against real servers, e2e for whole stories. */
// A bug with instants that lack a zone does not show in UTC.
process.env.TZ = 'Asia/Kolkata';

const base = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  setupFiles: ['<rootDir>/libs/testing/src/jest-preload.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
        module: { type: 'es6' },
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.gangway/'],
};

const project = (displayName, testMatch, more = {}) => ({ ...base, displayName, testMatch, ...more });

export default {
  // Nothing is timed; this only ends a test that hangs.
  testTimeout: 30_000,
  projects: [
    project('unit', ['<rootDir>/{apps,libs,tools,docs,test}/**/*.spec.ts']),
    project('int', ['<rootDir>/{apps,libs,tools}/**/*.int-spec.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e-spec.ts']),
  ],
};
