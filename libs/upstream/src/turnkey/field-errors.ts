import type { z } from 'zod';
import type { FieldError } from '#libs/kernel';
import { faultsIn, pointerOf } from '#libs/platform';

/**
 * What a schema found wrong, located in the caller's own request. A member that there is none of is named itself,
 * and not the object that it is in.
 *
 * @param root where the value was, e.g. `/otp`.
 */
export const fieldErrors = (error: z.ZodError, root: string): FieldError[] =>
  faultsIn(error.issues).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          pointer: root + pointerOf([...issue.path, key]),
          code: 'not_supported',
          detail: 'is not known',
        }))
      : [{ pointer: root + pointerOf(issue.path), code: issue.code ?? 'invalid', detail: issue.message }],
  );
