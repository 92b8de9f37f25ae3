/** The libs that each lib may import (ARCHITECTURE.md), and only through their index. */
const MAY_IMPORT = {
  kernel: [],
  platform: ['kernel'],
  signing: ['kernel'],
  database: ['kernel', 'platform'],
  jobs: ['kernel', 'platform'],
  callers: ['kernel', 'platform', 'database', 'jobs'],
  operators: ['kernel', 'platform', 'database', 'jobs', 'callers'],
  upstream: ['kernel', 'platform', 'signing'],
  onboarding: ['kernel', 'platform', 'database', 'jobs', 'upstream'],
  otp: ['kernel', 'platform', 'upstream', 'onboarding'],
  authenticators: ['kernel', 'platform', 'upstream', 'onboarding'],
};

const SPEC = '\\.(spec|int-spec|e2e-spec|long-spec)\\.ts$|/fixtures/';
/** The folders of libs/upstream/src that belong to one vendor each. */
const VENDORS = '^libs/upstream/src/(?!(port|transport|fixtures)/)[^/]+/';
const APP_LIBS = [
  'kernel',
  'platform',
  'database',
  'jobs',
  'callers',
  'operators',
  'upstream',
  'onboarding',
  'otp',
  'authenticators',
];

const except = (names) => (names.length > 0 ? `^libs/(?!(${names.join('|')})/)` : '^libs/');

const libRules = Object.entries(MAY_IMPORT).map(([lib, allowed]) => ({
  name: `libs-${lib}`,
  comment:
    `libs/${lib} may import ${allowed.map((name) => `#libs/${name}`).join(', ') || 'no other lib'}. ` +
    'Move what you need down into one of these, or turn the dependency round: ' +
    'let the upper lib register with the lower one.',
  severity: 'error',
  from: { path: `^libs/${lib}/`, pathNot: SPEC },
  to: { path: except([lib, ...allowed]) },
}));

const appRule = (app, allowed, remedy) => ({
  name: `apps-${app}`,
  comment: remedy,
  severity: 'error',
  from: { path: `^apps/${app}/`, pathNot: SPEC },
  to: { path: except(allowed) },
});

export default {
  forbidden: [
    ...libRules,
    appRule(
      '(onboarding|worker)',
      APP_LIBS,
      'An app uses libs/signing only through libs/upstream: add a verb to the provider port.',
    ),
    appRule(
      'console',
      ['kernel', 'platform', 'database', 'jobs', 'callers', 'operators', 'onboarding'],
      'The console holds no key and calls no provider: it commits an operation for the worker.',
    ),
    appRule(
      'cli',
      ['kernel', 'platform', 'database', 'callers', 'operators', 'upstream', 'onboarding'],
      'The command line reads and writes rows and runs no job. It calls upstream only for contract-check.',
    ),
    appRule(
      'sandbox',
      ['kernel', 'platform'],
      'The sandbox reads the upstream contract by itself: a shared signer or type would let one misreading ' +
        'pass on both sides. Write it again here.',
    ),
    appRule(
      'demo',
      [],
      'The demo is an example of a caller that others copy: it uses only the REST interface of the service.',
    ),
    {
      name: 'only-the-registry-names-vendors',
      comment:
        'In libs/upstream, only providers.ts names a vendor. Add what you need to the definition of a ' +
        'provider (define-provider.ts), and read it there.',
      severity: 'error',
      from: {
        path: '^libs/upstream/src/',
        pathNot: [SPEC, VENDORS, '^libs/upstream/src/providers\\.ts$'],
      },
      to: { path: VENDORS },
    },
    {
      name: 'libs-through-their-index',
      comment:
        'Import another lib as #libs/<name>. Names that its index does not list are private: ' +
        'list them there, or do without.',
      severity: 'error',
      from: { path: '^(libs|apps)/([^/]+)/' },
      to: { path: '^libs/', pathNot: ['^$1/$2/', '^libs/[^/]+/src/index\\.ts$'] },
    },
    {
      name: 'apps-never-import-apps',
      comment: 'Apps meet over HTTP and queues. Move what both need into a lib.',
      severity: 'error',
      from: { path: '^(?:apps/([^/]+)|libs|tools)/', pathNot: SPEC },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'nothing-ships-tests',
      comment: 'libs/testing and test/ are for specs only. Move what production needs out of them.',
      severity: 'error',
      from: { path: '^(libs|apps|tools)/', pathNot: [SPEC, '^libs/testing/', '^apps/[^/]+/test/'] },
      to: { path: '^(libs/testing|test)/' },
    },
    {
      name: 'tools-know-the-database-only',
      comment:
        'Tools start programs and migrate. They use the apps over HTTP, and import only #libs/database.',
      severity: 'error',
      from: { path: '^tools/', pathNot: SPEC },
      to: { path: '^libs/(?!database/)' },
    },
    {
      name: 'the-tracer-is-imported-when-needed',
      comment: 'Import tracer.ts by import(): without traces, the SDK must not be loaded.',
      severity: 'error',
      from: {},
      to: {
        path: '^libs/platform/src/signals/tracer\\.ts$',
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-cycles',
      comment:
        'Two files that need each other are one idea: merge them, or move the shared part into a third.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'declared-dependencies',
      comment: 'Add the package to package.json, pinned; development tools stay out of what ships.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: [SPEC, '^libs/testing/', '^apps/[^/]+/test/'] },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nothing-unresolvable',
      comment: 'The import does not resolve. Import a lib as #libs/<name>: no other path exists.',
      severity: 'error',
      from: {},
      // No file has this path: the demo's server serves it from node_modules.
      to: { couldNotResolve: true, pathNot: '^/vendor/simplewebauthn/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Imports in test/clients do not resolve, because only some tests install its packages.
    exclude: { path: '(^|/)dist/|^test/clients/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'require', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
