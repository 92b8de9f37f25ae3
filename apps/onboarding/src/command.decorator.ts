import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import { waitOf } from '#libs/platform';

/** What every command takes from its headers. */
export interface CommandTerms {
  /** From `Prefer`, in milliseconds. */
  waitMs: number;
  /** From `If-Match`. */
  version: number | undefined;
}

/** Reads `Prefer`, `If-Match` and `Idempotency-Key`. @throws ProblemError for a header that cannot be honoured. */
export const Terms = createParamDecorator((_: unknown, context: ExecutionContext): CommandTerms => {
  const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
  if (headers['idempotency-key'] !== undefined) {
    throw new ProblemError('validation_failed', {
      detail:
        'Idempotency-Key is not supported yet. It is refused, because ignoring it would break its promise.',
      errors: [{ pointer: '', code: 'idempotency_key_unsupported', detail: 'Leave the header out.' }],
    });
  }
  const prefer = headers['prefer'];
  return {
    waitMs: waitOf(Array.isArray(prefer) ? prefer.join(',') : prefer),
    version: versionOf(headers['if-match']),
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
