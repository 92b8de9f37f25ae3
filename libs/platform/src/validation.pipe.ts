import { StandardSchemaValidationPipe } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import { shownDetail, shownMember } from './shown.js';

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Checks each `@Body`, `@Query` and `@Param` that names a schema; what is wrong is located by JSON pointer. */
export const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues: readonly Issue[]) =>
    new ProblemError('validation_failed', {
      detail: 'The request has the wrong shape; errors says where.',
      errors: issues.map((issue) => ({
        pointer: pointerOf(issue),
        code: codeOf(issue),
        detail: shownDetail(issue),
      })),
    }),
});

/** RFC 6901. */
function pointerOf({ path = [] }: Issue): string {
  return path
    .map((part) => shownMember(String(typeof part === 'object' ? part.key : part)))
    .map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}

/** zod adds its own code to the standard's issue. */
function codeOf(issue: Issue): string {
  const { code } = issue as { code?: unknown };
  return typeof code === 'string' ? code : 'invalid';
}
