/**
 * The compiler's settings for the build and the tests (test/runner), as in tsconfig.build.json.
 *
 * @param {string} path of a .ts or .tsx file
 * @returns {import('@swc/core').Options}
 */
export const swcOptions = (path) => ({
  swcrc: false,
  jsc: {
    target: 'es2024',
    parser: { syntax: 'typescript', decorators: true, tsx: path.endsWith('.tsx') },
    transform: {
      legacyDecorator: true,
      decoratorMetadata: true,
      verbatimModuleSyntax: true,
      react: { runtime: 'automatic', importSource: 'preact' },
    },
    keepClassNames: true,
  },
  module: { type: 'es6' },
});
