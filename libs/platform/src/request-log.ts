import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import { isUuid, type ProblemError } from '#libs/kernel';
import { Health } from './health.js';
import { outsideRequests } from './signals/current-work.js';
import { codeOfStatus } from './problem.filter.js';
import { shownPath } from './shown.js';
import type { LogFields } from './signals/log-fields.js';
import type { LogModule } from './signals/log-modules.js';
import { errorOf } from './signals/log.js';

type Problem = Pick<ProblemError, 'code' | 'retryable'> &
  Partial<Pick<ProblemError, 'message' | 'cause' | 'extensions' | 'limit'>>;

declare module 'fastify' {
  interface FastifyRequest {
    problem?: Problem;
  }
}

/** Contains no body, query, header or full path. */
type ProblemLine = LogFields & { traceId: string; status: number };

/** Operators change the level of these lines under this name. */
const CONTEXT = { context: 'RequestLog' satisfies LogModule };

const WINDOW_MS = 60_000;
const LINES_PER_WINDOW = 60;
/** In an outage, or if a caller sends too much, each request gets one of these codes. */
const REPEATED: ReadonlySet<unknown> = new Set(['not_ready', 'rate_limited']);

interface Count {
  level: 'info' | 'error';
  fields: Pick<ProblemLine, 'status' | 'code' | 'caller'>;
  count: number;
}

/**
 * Writes one line for each answered request: a 4xx at `info`, a 5xx at `error`, others at `debug`. Lines
 * about senders without a login, and lines with a code in {@link REPEATED}, are limited per minute.
 */
@Injectable()
export class RequestLog implements OnApplicationShutdown {
  readonly #counts = new Map<string, Count>();
  #window: NodeJS.Timeout | undefined;

  constructor(private readonly health: Health) {}

  /** Also called for an answer that a plugin sent. */
  answered(request: FastifyRequest, reply: FastifyReply): void {
    const { statusCode: status } = reply;
    if (status < 400 && !PinoLogger.root.isLevelEnabled('debug')) return;
    const { caller, operator, address = request.ip, reason } = request.raw.logged ?? {};
    const route = request.routeOptions?.url;
    const line: ProblemLine = {
      traceId: request.id,
      traceparent: reply.getHeader('traceparent') as string | undefined,
      status,
      method: request.method,
      route,
      ...(route === undefined && { path: shownPath(request.url) }),
      caller,
      operator,
      address,
      // Only the log has the reason why a token was refused.
      reason,
      onboardingId: onboardingOf(request, route),
      durationMs: Math.round(reply.elapsedTime),
    };
    if (status < 400) {
      PinoLogger.root.debug({ ...CONTEXT, ...line }, `${status} ${request.method} ${route}`);
      return;
    }
    const { problem } = request;
    this.problem({
      ...line,
      code: problem?.code ?? codeOfStatus(status),
      retryable: problem?.retryable ?? false,
      ...(reply.hasHeader('Idempotent-Replayed') && { replayed: true }),
      ...(status >= 500 && causeOf(problem)),
    });
  }

  problem(line: ProblemLine): void {
    const { status, code, method, route } = line;
    // A stopping process refuses requests on purpose. That is not an outage.
    const planned = code === 'not_ready' && this.health.draining;
    const level = status >= 500 && !planned ? 'error' : 'info';
    if (!this.#hasRoom(line, level)) return;
    PinoLogger.root[level](
      { ...CONTEXT, ...line },
      ['problem', status, code, method, route].filter(Boolean).join(' '),
    );
  }

  onApplicationShutdown(): void {
    clearTimeout(this.#window);
    this.#endWindow();
  }

  #hasRoom({ status, code, caller, operator }: ProblemLine, level: Count['level']): boolean {
    const known = caller ?? operator ?? undefined;
    if (known !== undefined && !REPEATED.has(code)) return true;
    this.#window ??= outsideRequests(() => setTimeout(() => this.#endWindow(), WINDOW_MS).unref());
    const key = `${known ?? ''} ${status} ${code}`;
    const seen = this.#counts.get(key) ?? { level, fields: { status, code, caller: known }, count: 0 };
    this.#counts.set(key, seen);
    return ++seen.count <= LINES_PER_WINDOW;
  }

  #endWindow(): void {
    for (const { level, fields, count } of this.#counts.values()) {
      const more = count - LINES_PER_WINDOW;
      if (more > 0)
        PinoLogger.root[level](
          { ...CONTEXT, ...fields, more },
          `and ${more} more: ${fields.status} ${fields.code}`,
        );
    }
    this.#counts.clear();
    this.#window = undefined;
  }
}

export function onboardingOf(
  { params, problem }: FastifyRequest,
  route: string | undefined,
): string | undefined {
  const inPath = /\/onboardings\/:id\b/.test(route ?? '') && (params as { id?: unknown } | undefined)?.id;
  const id = inPath || problem?.extensions?.['onboardingId'];
  return typeof id === 'string' && isUuid(id) ? id.toLowerCase() : undefined;
}

function causeOf(problem: Problem | undefined) {
  const { code, message, cause } = problem ?? {};
  const err = cause ?? (code === 'internal' ? problem : undefined);
  return {
    detail: message,
    ...(err !== undefined && { err: errorOf(err) }),
  };
}
