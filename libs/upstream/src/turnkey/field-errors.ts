import type { z } from 'zod';
import type { FieldError } from '#libs/kernel';
import { shownMember } from '#libs/platform';

/**
 * What a schema found wrong, located in the caller's own request. A member that there is none of is named itself,
 * and not the object that it is in.
 *
 * @param root where the value was, e.g. `/otp`.
 */
export function fieldErrors(error: z.ZodError, root: string): FieldError[] {
  const pointer = (path: readonly PropertyKey[]) =>
    [root, ...path.map((part) => escaped(shownMember(String(part))))].join('/');
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          pointer: pointer([...issue.path, key]),
          code: 'not_supported',
          detail: 'is not known',
        }))
      : [{ pointer: pointer(issue.path), code: issue.code, detail: issue.message }],
  );
}

/** RFC 6901 §3. */
const escaped = (part: string) => part.replaceAll('~', '~0').replaceAll('/', '~1');
