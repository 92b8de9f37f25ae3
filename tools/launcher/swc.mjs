/**
 * How sources become JavaScript, as tsconfig.build.json would have it: for the build, and for tests (test/runner).
 *
 * @type {import('@swc/core').Options}
 */
export const SWC = {
  swcrc: false,
  jsc: {
    target: 'es2024',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, verbatimModuleSyntax: true },
    keepClassNames: true,
  },
  module: { type: 'es6' },
};
