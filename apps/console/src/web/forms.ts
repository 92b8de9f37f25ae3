import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import type { FormTokens } from './form-token.js';

export const TOKEN_FIELD = z.string().max(64);
/** Why an operator acts, for the audit. */
export const REASON_FIELD = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .refine((value) => !value.includes('\0'));
export const PASSWORD_FIELD = z.string().max(1_024);

/** @throws ProblemError `validation_failed`, without the form's values, which may contain a password */
export function parsed<S extends z.ZodType>(schema: S, request: FastifyRequest): z.output<S> {
  const result = schema.safeParse(request.body);
  if (result.success) return result.data;
  const wrong = new Set(result.error.issues.map(({ path: [field] }) => field ?? 'an unknown field'));
  const detail = `The form has missing, unknown or wrong fields: ${[...wrong].join(', ')}.`;
  throw new ProblemError('validation_failed', { detail });
}

/** @throws ProblemError `forbidden` if the form does not come from a page of this session */
export function checkToken(tokens: FormTokens, request: FastifyRequest, token: string): void {
  if (tokens.isOfSession(request, token)) return;
  throw new ProblemError('forbidden', {
    detail: 'This form has expired. Go back, reload the page and try again.',
  });
}

export const isUuid = (text: string): boolean => z.uuid().safeParse(text).success;
