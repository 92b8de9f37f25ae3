import fastifyFormbody from '@fastify/formbody';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import type { FormTokens } from './form-token.js';

/** Three texts of a person's, and a token. */
const FORM_LIMIT_BYTES = 4_096;

export const TOKEN_FIELD = z.string().max(64);
/** Longer than any password that is taken: what is too long is told from what is wrong by the rule, not the form. */
export const PASSWORD_FIELD = z.string().max(1_024);

/** Has a scope take forms, and nothing else. */
export async function takeForms(scope: FastifyInstance): Promise<void> {
  scope.removeAllContentTypeParsers();
  await scope.register(fastifyFormbody, { bodyLimit: FORM_LIMIT_BYTES });
}

/** @throws ProblemError `validation_failed` that repeats nothing of the form: there is a password in it. */
export function parsed<S extends z.ZodType>(schema: S, request: FastifyRequest): z.output<S> {
  const result = schema.safeParse(request.body);
  if (result.success) return result.data;
  throw new ProblemError('validation_failed', { detail: 'The form has the wrong fields.' });
}

/** @throws ProblemError `forbidden` where a form did not come with this session's page. */
export function checkToken(tokens: FormTokens, request: FastifyRequest, token: string): void {
  if (tokens.isOfSession(request, token)) return;
  throw new ProblemError('forbidden', { detail: 'This form had grown old. Go back and try again.' });
}
