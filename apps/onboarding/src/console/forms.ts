import fastifyFormbody from '@fastify/formbody';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import type { FormTokens } from './form-token.js';

/** Fits three short texts and a token. */
const FORM_LIMIT_BYTES = 4_096;

export const TOKEN_FIELD = z.string().max(64);
/** Longer than any accepted password, so that the password rule refuses a long one, with its own text. */
export const PASSWORD_FIELD = z.string().max(1_024);

/** Makes a scope accept forms, and no other content type. */
export async function takeForms(scope: FastifyInstance): Promise<void> {
  scope.removeAllContentTypeParsers();
  await scope.register(fastifyFormbody, { bodyLimit: FORM_LIMIT_BYTES });
}

/** @throws ProblemError `validation_failed`; it repeats nothing of the form, which contains a password */
export function parsed<S extends z.ZodType>(schema: S, request: FastifyRequest): z.output<S> {
  const result = schema.safeParse(request.body);
  if (result.success) return result.data;
  throw new ProblemError('validation_failed', { detail: 'The form has the wrong fields.' });
}

/** @throws ProblemError `forbidden` for a form that is not from a page of this session */
export function checkToken(tokens: FormTokens, request: FastifyRequest, token: string): void {
  if (tokens.isOfSession(request, token)) return;
  throw new ProblemError('forbidden', {
    detail: 'This form has expired. Go back, reload the page and try again.',
  });
}
