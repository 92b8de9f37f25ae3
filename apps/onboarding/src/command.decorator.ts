import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, type Caller } from '#libs/kernel';
import type { Terms } from '#libs/onboarding';
import { RUNS_STEP } from './api-docs.decorator.js';
import { preferencesOf } from './prefer.js';

export function callerOf({ caller }: FastifyRequest): Caller {
  if (caller) return caller;
  throw new Error('the request is not authenticated: its route has no guard');
}

/** The caller that the guard has authenticated. */
export const AskedBy = createParamDecorator((_: unknown, context: ExecutionContext): Caller =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);

/** Includes the idempotency key, because the SQL statement that starts the step also stores it. */
export const CommandTerms = createParamDecorator((_: unknown, context: ExecutionContext): Terms => {
  const http = context.switchToHttp();
  const request = http.getRequest<FastifyRequest>();
  const { waitMs, applied } = preferencesOf([request.headers['prefer'] ?? []].flat().join(','));
  const waits = Reflect.hasMetadata(RUNS_STEP, context.getHandler());
  if (waits && applied) http.getResponse<FastifyReply>().header('Preference-Applied', applied);
  return {
    caller: callerOf(request),
    waitMs,
    versions: versionsOf(request.headers['if-match']),
    key: request.keyed && { ...request.keyed.request, lockMs: request.keyed.lockMs(waitMs) },
    answerMaker: request.keyed?.answerMaker,
  };
});

/** An entity tag may contain commas (RFC 9110 §8.8.3). */
const TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/** Empty members of the list are allowed (RFC 9110 §5.6.1.2). */
function isList(header: string): boolean {
  const [before = '', ...rest] = header.split(TAG);
  const after = rest.pop();
  return (
    after !== undefined &&
    [before, after].every((text) => /^[ \t,]*$/.test(text)) &&
    rest.every((between) => /^[ \t,]+$/.test(between) && between.includes(','))
  );
}

/**
 * Reads `If-Match` (RFC 9110 §13.1.1). A weak tag (§8.8.3.2), or one that is not a number, matches no
 * version.
 *
 * @returns undefined for `*`: every version matches.
 */
function versionsOf(header: string | undefined): number[] | undefined {
  const given = header?.trim();
  if (given === undefined || given === '*') return undefined;
  if (!isList(given)) {
    throw new ProblemError('validation_failed', {
      detail: 'If-Match takes ETags of this service, such as "3", separated by commas, or a single *.',
    });
  }
  return [...given.matchAll(TAG)].flatMap(([tag]) => {
    const version = /^"(\d{1,9})"$/.exec(tag)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
}
