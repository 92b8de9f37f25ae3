import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEMS, ProblemError, problemType, type ProblemCode } from '#libs/kernel';
import { shownPath } from './shown.js';

/**
 * Describes the outage of a server such as PostgreSQL, so that the answer is 503, not 500. Null for other
 * errors.
 */
export type OutageTest = (error: unknown) => string | null;

const RETRY_AFTER_S = 2;

/** For errors that Nest or Fastify throw by themselves. */
const CODE_OF_STATUS: Record<number, ProblemCode> = {
  400: 'validation_failed',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  429: 'rate_limited',
  503: 'not_ready',
};

/** For codes whose title does not say what to do. */
const WORDS_OF_CODE: Partial<Record<ProblemCode, string>> = {
  unsupported_media_type: 'Send the body with the Content-Type "application/json".',
};

/** For an answer that does not come from a {@link ProblemError}. */
export const codeOfStatus = (status: number): ProblemCode | undefined =>
  CODE_OF_STATUS[status] ?? (status >= 500 ? 'internal' : undefined);

export type ProblemAnswer = (
  problem: ProblemError,
  request: FastifyRequest,
  reply: FastifyReply,
) => FastifyReply;

/** Turns every error into a problem (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly findOutage: OutageTest,
    private readonly write: ProblemAnswer = sendProblem,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    this.write(this.problemOf(error), request, reply);
  }

  /** An outage or an unexpected error becomes the `cause` of the problem, for the log. */
  problemOf(error: unknown): ProblemError {
    if (error instanceof ProblemError) return error;
    const outage = this.findOutage(error);
    if (outage !== null) {
      return new ProblemError('not_ready', { detail: outage, retryAfterS: RETRY_AFTER_S, cause: error });
    }
    const status = statusOf(error);
    const code = status === null ? undefined : CODE_OF_STATUS[status];
    if (code) {
      return new ProblemError(code, {
        detail: wordsOf(error) ?? WORDS_OF_CODE[code] ?? PROBLEMS[code].title,
        ...(status === 503 && { retryAfterS: RETRY_AFTER_S }),
      });
    }
    // A status of Fastify that has no code above, e.g. 414 for a path that is too long.
    if (status !== null && status >= 400 && status < 500 && isFastify(error)) {
      return new ProblemError('validation_failed', {
        status,
        detail: 'The server cannot process this request.',
      });
    }
    return new ProblemError('internal', {
      detail: 'The service has a fault. Tell its operators the traceId.',
      cause: error,
    });
  }
}

/** Fastify's errors whose texts may be shown. The texts of other errors repeat the path, query or headers. */
const FIXED_WORDS: ReadonlySet<unknown> = new Set([
  'FST_ERR_CTP_BODY_TOO_LARGE',
  'FST_ERR_CTP_EMPTY_JSON_BODY',
  'FST_ERR_CTP_INVALID_CONTENT_LENGTH',
  'FST_ERR_CTP_INVALID_JSON_BODY',
]);

function wordsOf(error: unknown): string | null {
  return error instanceof Error && FIXED_WORDS.has((error as { code?: unknown }).code) ? error.message : null;
}

const isFastify = (error: unknown) => String((error as { code?: unknown }).code).startsWith('FST_');

export function sendProblem(
  problem: ProblemError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  request.problem = problem;
  if (problem.retryAfterS !== undefined) reply.header('Retry-After', String(problem.retryAfterS));
  if (problem.rateLimit) {
    // No requests remain until the time in Retry-After (draft-ietf-httpapi-ratelimit-headers).
    const { policy, quota, windowS } = problem.rateLimit;
    reply.header('RateLimit-Policy', `"${policy}";q=${quota};w=${windowS}`);
    reply.header('RateLimit', `"${policy}";r=0;t=${problem.retryAfterS ?? 0}`);
  }
  if (problem.status === 401 && !reply.hasHeader('WWW-Authenticate'))
    reply.header('WWW-Authenticate', 'Bearer');
  return reply
    .status(problem.status)
    .type('application/problem+json')
    .send({
      type: problemType(problem.code),
      title: PROBLEMS[problem.code].title,
      status: problem.status,
      detail: problem.message,
      instance: shownPath(request.url),
      code: problem.code,
      traceId: request.id,
      retryable: problem.retryable,
      ...(problem.errors && { errors: problem.errors }),
      ...problem.extensions,
    });
}

function statusOf(error: unknown): number | null {
  if (error instanceof HttpException) return error.getStatus();
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : null;
}
