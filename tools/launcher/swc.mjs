/**
 * The compiler's settings, as in tsconfig.build.json. The build and the tests (test/runner) use them.
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
