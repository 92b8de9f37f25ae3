import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { fieldErrors } from './field-errors.js';

/** Checks each `@Body`, `@Query` and `@Param` that has a zod schema. */
export const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues) =>
    new ProblemError('validation_failed', {
      detail: 'The request has the wrong shape. The member "errors" lists the faults.',
      errors: fieldErrors(issues as readonly unknown[] as readonly z.core.$ZodIssue[]),
    }),
});
