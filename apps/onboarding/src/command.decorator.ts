import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError, type Caller } from '#libs/kernel';
import type { Terms } from '#libs/onboarding';
import { waitOf } from '#libs/platform';

/** @throws Error on a route that nobody guards. */
export function callerOf({ caller }: FastifyRequest): Caller {
  if (caller) return caller;
  throw new Error('nobody was asked who this is: the route has no guard');
}

/** Who asks, as the guard has found. */
export const AskedBy = createParamDecorator((_: unknown, context: ExecutionContext): Caller =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);

/** Reads what every command takes: `Prefer`, `If-Match`, and the key that is taken along. */
export const CommandTerms = createParamDecorator((_: unknown, context: ExecutionContext): Terms => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const prefer = request.headers['prefer'];
  const waitMs = waitOf(Array.isArray(prefer) ? prefer.join(',') : prefer);
  return {
    caller: callerOf(request),
    waitMs,
    version: versionOf(request.headers['if-match']),
    along: request.keyed?.take(waitMs),
  };
});

/** No row has it: a tag that is none of ours, or weak, matches nothing (RFC 9110 §8.8.3.2). */
const NO_VERSION = -1;

/** RFC 9110 §13.1.1: our entity tags are the version in quotes; `*` matches whatever is there. */
function versionOf(header: string | undefined): number | undefined {
  const given = header?.trim();
  if (given === undefined || given === '*') return undefined;
  if (!/^(W\/)?"[\x21\x23-\x7e]*"$/.test(given)) {
    throw new ProblemError('validation_failed', {
      detail: 'If-Match takes one ETag of ours, such as "3", or *.',
    });
  }
  const version = /^"(\d{1,9})"$/.exec(given)?.[1];
  return version === undefined ? NO_VERSION : Number(version);
}
