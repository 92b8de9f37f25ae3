import {
  Catch,
  Inject,
  Injectable,
  UseFilters,
  UseGuards,
  applyDecorators,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
} from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CLOCK, ProblemError, uuidV7, type Clock, type ProblemCode } from '#libs/kernel';
import {
  Fingerprint,
  IdempotencyKeys,
  OnboardingService,
  Operations,
  nextActionOf,
  stepOfState,
  type KeptAnswer,
  type KeyedRequest,
  type Row,
  type AnswerMaker,
} from '#libs/onboarding';
import { Log } from '#libs/platform';
import {
  answer,
  answerDecision,
  answerOperation,
  answerStep,
  keptAnswer,
  answerAsStored,
  stepOfRoute,
} from './answer.js';
import { callerOf } from './command.decorator.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on a POST that carries an `Idempotency-Key`. */
    keyed?: {
      request: KeyedRequest;
      keep: boolean;
      /** Only for a route that runs a step. */
      answerMaker: AnswerMaker | undefined;
      lockMs(waitMs: number): number;
    };
  }
}

const KEY = /^[\x21-\x7e]{1,255}$/;
const NEVER_REPLAYED: ReadonlySet<string> = new Set(['validation_failed', 'forbidden', 'not_found']);
const KEPT_HEADERS = ['content-type', 'etag', 'location', 'retry-after'];

/**
 * Implements `Idempotency-Key` for every POST: the same key and body give the first answer again, byte for
 * byte. Write `@Idempotent()` above `@UseGuards(CallerGuard)`, because the caller must be checked first, and
 * decorators apply from the bottom up.
 *
 * The SQL statement that does the work also stores the key. If the key exists already, the statement does
 * nothing, and {@link IdempotencyFilter} looks up the stored answer.
 */
export const Idempotent = () => applyDecorators(UseGuards(IdempotencyGuard), UseFilters(IdempotencyFilter));

@Injectable()
class IdempotencyGuard implements CanActivate {
  constructor(
    private readonly keys: IdempotencyKeys,
    private readonly fingerprint: Fingerprint,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST' || key === undefined) return true;
    if (typeof key !== 'string' || !KEY.test(key)) {
      throw new ProblemError('validation_failed', {
        detail: 'Idempotency-Key takes 1 to 255 visible ASCII characters.',
      });
    }
    const keyed = {
      // An operation that the request starts gets this id too.
      id: uuidV7(this.clock.nowMs()),
      caller: callerOf(request).name,
      route: `POST ${request.routeOptions.url ?? ''}`,
      key,
      fingerprint: this.fingerprint.compute('idempotency', `${request.url}\n${textOf(request.body)}`),
    };
    const run = stepOfRoute(request);
    request.keyed = {
      request: keyed,
      keep: true,
      answerMaker: run && { from: (row) => keptAnswer(row, run) },
      lockMs: (waitMs) => this.keys.lockMs(waitMs),
    };
    return true;
  }
}

/** If an earlier request had the same key, repeats its answer. Otherwise, answers with the error. */
@Catch()
class IdempotencyFilter implements ExceptionFilter {
  constructor(
    private readonly keys: IdempotencyKeys,
    private readonly onboardings: OnboardingService,
    private readonly operations: Operations,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (!request.keyed) return reply.sendError(thrown);
    this.#again(thrown, request, reply)
      .then((body) => void reply.send(body))
      .catch((final: unknown) => reply.sendError(final));
  }

  async #again(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const keyed = request.keyed!;
    keyed.keep = false;
    // A caller that has lost a permission must not get an answer that needs this permission.
    if (!(error instanceof ProblemError) || NEVER_REPLAYED.has(error.code)) throw error;
    const kept = await this.keys.find(keyed.request);
    // No key is stored, because the request was refused without any effect.
    if (!kept) throw error;
    if (kept.erased) {
      throw new ProblemError('onboarding_erased', {
        detail: 'The onboarding of this Idempotency-Key was erased. Use a new key for a new request.',
      });
    }
    if (kept.takenBy === keyed.request.id) {
      // A temporary problem must not be the answer for two days.
      keyed.keep = !error.retryable && error.status < 500;
      throw error;
    }
    if (kept.fingerprint !== keyed.request.fingerprint) {
      throw new ProblemError('idempotency_key_reused', {
        detail: 'Another request has already used this Idempotency-Key. Use a new key for a new request.',
      });
    }
    if (kept.answer) {
      return replay(request, reply, kept.answer);
    }
    if (keyed.request.route === 'POST /v1/operations' && kept.takenBy !== null) {
      const started = await this.operations.find(kept.takenBy);
      if (started) return answerOperation(reply, started);
    }
    const row = kept.onboardingId ? await this.onboardings.load(kept.onboardingId, callerOf(request)) : null;
    if (!row || (kept.locked && !isAtRest(row))) {
      throw new ProblemError('idempotency_in_progress', {
        detail: 'The first request with this Idempotency-Key is still being answered.',
        retryable: true,
        retryAfterS: 1,
        ...(row && {
          extensions: { onboardingId: row.id, state: row.state, nextAction: nextActionOf(row) },
        }),
      });
    }
    // The first request did its work, but stored no answer, so the answer is made from the onboarding.
    const route = request.routeOptions.url ?? '';
    if (route.endsWith('/options')) {
      // The client never received the challenge of the first request. Without the stored key, the next
      // repetition creates a new challenge.
      await this.keys.release(keyed.request);
      throw error;
    }
    keyed.keep = true;
    keyed.request.id = kept.takenBy ?? keyed.request.id;
    if (route.endsWith('/resolve')) return answerDecision(reply, row);
    return stepOfRoute(request) ? answerStep(reply, row) : answer(reply, row);
  }
}

function replay(request: FastifyRequest, reply: FastifyReply, kept: KeptAnswer): string {
  if (kept.status >= 400) request.problem = problemIn(kept.body);
  else delete request.problem;
  return answerAsStored(reply.header('Idempotent-Replayed', 'true'), kept);
}

function sendInstead(request: FastifyRequest, reply: FastifyReply, kept: KeptAnswer): string {
  for (const name of KEPT_HEADERS) reply.removeHeader(name);
  return replay(request, reply, kept);
}

/** Only problems that the same request would get again are stored. */
function problemIn(body: string) {
  const { code } = JSON.parse(body) as { code: ProblemCode };
  return { code, retryable: false };
}

/** If a step ended longer ago than this, its request no longer waits for an answer. */
const ANSWERED_BY_NOW_MS = 1_000;

const isAtRest = (row: Row) =>
  stepOfState(row.state) === null && row.now.getTime() - row.updatedAt.getTime() > ANSWERED_BY_NOW_MS;

/**
 * Stores the first answer to each key before sending it, unless it was stored when a step ended. If the key
 * already has another answer, sends that one.
 */
export function keepAnswers(app: NestFastifyApplication): void {
  const keys = app.get(IdempotencyKeys);
  const logger = new Log('IdempotencyKeys');
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onSend', async (request, reply, payload) => {
      const { keyed } = request;
      if (!keyed?.keep || reply.statusCode >= 500) return payload;
      if (keyed.answerMaker?.stored?.body === payload) return payload;
      const headers = Object.fromEntries(
        KEPT_HEADERS.flatMap((name) =>
          reply.hasHeader(name) ? [[name, String(reply.getHeader(name))]] : [],
        ),
      );
      try {
        const body = typeof payload === 'string' ? payload : '';
        const sent = { status: reply.statusCode, headers, body };
        const first = await keys.answer(keyed.request, sent);
        return first === sent ? payload : sendInstead(request, reply, first);
      } catch (error) {
        // A warning is enough, because a repeated request gets an answer that is made from the onboarding.
        const { id: onboardingId } = request.params as { id?: string };
        logger.warn({ onboardingId }, `an answer was not stored: ${(error as Error).message}`);
        return payload;
      }
    });
}

/** A body that nests too deeply exceeds the call stack, and is refused. */
function textOf(body: unknown): string {
  try {
    return JSON.stringify(body ?? null);
  } catch {
    throw new ProblemError('validation_failed', { detail: 'The body is nested too deeply.' });
  }
}
