import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import type { Terms } from '#libs/onboarding';
import { waitOf } from '#libs/platform';

/** Reads what every command takes: `Prefer`, `If-Match`, and the key that is taken along. */
export const CommandTerms = createParamDecorator((_: unknown, context: ExecutionContext): Terms => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const prefer = request.headers['prefer'];
  const waitMs = waitOf(Array.isArray(prefer) ? prefer.join(',') : prefer);
  return {
    waitMs,
    version: versionOf(request.headers['if-match']),
    along: request.keyed?.take(waitMs),
  };
});

/** RFC 9110 §13.1.1: our entity tags are the version in quotes; `*` matches whatever is there. */
function versionOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const version = /^"(\d{1,9})"$/.exec(header.trim())?.[1];
  if (version !== undefined) return Number(version);
  throw new ProblemError('validation_failed', {
    detail: 'If-Match takes one ETag of ours, such as "3", or *.',
  });
}
