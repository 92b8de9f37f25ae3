/** One file, three sizes of test: unit beside the code, int against real servers, e2e for whole stories. */
// A bug with instants that lack a zone does not show in UTC.
process.env.TZ = 'Asia/Kolkata';

const base = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  setupFiles: ['reflect-metadata'],
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
  // jest does not let go of all the modules that a file has loaded: some 50 MB a story, which are walked through at every
  // collection of garbage from then on.
  workerIdleMemoryLimit: '1GB',
  // Nothing is timed; this only ends a test that hangs.
  testTimeout: 30_000,
  projects: [
    project('unit', ['<rootDir>/{apps,libs,tools,docs,test}/**/*.spec.ts']),
    project('int', ['<rootDir>/{apps,libs,tools}/**/*.int-spec.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e-spec.ts']),
  ],
};
