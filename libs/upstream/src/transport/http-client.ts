import { isUtf8 } from 'node:buffer';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Pool, buildConnector, type Dispatcher } from 'undici';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, traced, type Config, type Span } from '#libs/platform';
import { CertificateEnds } from './certificate-ends.js';
import { withoutInterimAnswers } from './interim-answers.js';
import { UpstreamError, type CallEvidence, type UpstreamErrorOptions } from '../port/upstream-error.js';
import type { CallLimits } from '../port/upstream-provider.js';

/** All answers that the service needs are far smaller. */
const MAX_ANSWER_BYTES = 256 * 1024;

/** How many times, after the deadline, the client reads the rest of an answer that has already arrived. */
const LAST_ROUNDS = 16;

export interface HttpRequest {
  /** Scheme, host and port. */
  baseUrl: string;
  /**
   * Lanes share no connections, so if the requests of one lane hang, the other lanes still have connections.
   */
  lane: string;
  method: 'GET' | 'POST';
  pathAndQuery: string;
  headers: Record<string, string>;
  /** The exact text that the signature covers. */
  body?: string;
}

/** One moment on both clocks. The wall clock can be set, the monotonic clock cannot. */
export interface Instant {
  wallMs: number;
  monotonicMs: number;
}

export interface HttpAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The body is not valid UTF-8, so the text contains replacement characters. */
  garbled?: boolean;
  evidence: CallEvidence;
  /** When the request was begun, and when the head of the answer arrived. */
  sentAt: Instant;
  headAt: Instant;
}

/**
 * Never repeats a request and never follows a redirect. Undici's pools report when the first byte is sent
 * (docs/decisions/0005-http-client.md).
 */
@Injectable()
export class UpstreamHttpClient implements OnApplicationShutdown {
  readonly #pools = new Map<string, Pool>();
  readonly #certificates;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.#certificates = new CertificateEnds(clock);
  }

  /**
   * @returns each complete answer, whatever its status.
   * @throws UpstreamError `not_sent` or `no_answer`.
   */
  send(call: CallLimits, request: HttpRequest): Promise<HttpAnswer> {
    const [path = ''] = request.pathAndQuery.split('?', 1);
    const exchange = (span?: Span) => {
      if (span) noteRequest(span, request, path);
      return new Exchange(call, this.clock).run(this.#pool(request), request);
    };
    return traced(`${request.method} ${path}`, exchange, noteAnswer, 'client');
  }

  /**
   * @returns Unix time in milliseconds. Undefined if no TLS connection to the server opened in the last day.
   */
  certificateEndsMs(baseUrl: string): number | undefined {
    return this.#certificates.endsMs(new URL(baseUrl).origin);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  #pool({ baseUrl, lane }: HttpRequest): Pool {
    const key = `${baseUrl} ${lane}`;
    let pool = this.#pools.get(key);
    if (!pool) {
      const { origin } = new URL(baseUrl);
      pool = new Pool(origin, {
        connections: this.config.UPSTREAM_CONNECTIONS,
        pipelining: 1,
        // Over HTTP/2, undici repeats requests that a closing server (GOAWAY) has not accepted.
        connect: this.#certificates.watch(
          origin,
          withoutInterimAnswers(buildConnector({ timeout: this.config.CONNECT_TIMEOUT_MS, allowH2: false })),
        ),
        allowH2: false,
        // The class Exchange limits the whole call, so undici's own timeouts are off.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      this.#pools.set(key, pool);
    }
    return pool;
  }
}

/** The span gets no query, because a query may contain personal data. */
function noteRequest(span: Span, { baseUrl, method }: HttpRequest, path: string): void {
  const { hostname, port, protocol } = new URL(baseUrl);
  span.set({
    'http.request.method': method,
    'url.template': path,
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
  });
}

function noteAnswer(span: Span, { status }: HttpAnswer): void {
  span.set({ 'http.response.status_code': status });
  if (status >= 400) span.fail(String(status));
}

class Exchange {
  readonly #startedAt: number;
  #bytesSent = false;
  #status: number | null = null;
  #sentAt: Instant;
  #headAt: Instant;

  constructor(
    private readonly call: CallLimits,
    private readonly clock: Clock,
  ) {
    this.#sentAt = this.#headAt = instantOf(clock);
    this.#startedAt = this.#sentAt.monotonicMs;
  }

  #evidence(): CallEvidence {
    return {
      bytesSent: this.#bytesSent,
      headersSeen: this.#status !== null,
      status: this.#status,
      durationMs: Math.floor(this.clock.monotonicMs() - this.#startedAt),
    };
  }

  run(pool: Pool, request: HttpRequest): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      let headers: HttpAnswer['headers'] = {};
      let over = false;
      let controller: Dispatcher.DispatchController | undefined;

      const fail = (detail: string, more: Pick<UpstreamErrorOptions, 'cause' | 'heldBack'> = {}) => {
        if (over) return;
        over = true;
        clearTimeout(deadline);
        reject(this.#failure(detail, more));
      };
      const cutOff = (detail: string) => {
        fail(detail);
        controller?.abort(new Error(detail));
      };
      const tooLate = () => cutOff(`no whole answer within ${Math.round(this.call.timeoutMs)} ms`);
      // After a suspension, Node.js runs timers before it reads sockets. The answer may already be in the
      // socket.
      const readWhatIsThere = (roundsLeft: number) => {
        const before = `${this.#status} ${size}`;
        setImmediate(() => {
          if (over) return;
          if (before === `${this.#status} ${size}` || roundsLeft === 0) return tooLate();
          readWhatIsThere(roundsLeft - 1);
        });
      };
      const deadline = setTimeout(
        () => (this.#bytesSent ? readWhatIsThere(LAST_ROUNDS) : tooLate()),
        this.call.timeoutMs,
      );

      pool.dispatch(
        {
          path: request.pathAndQuery,
          method: request.method,
          headers: request.headers,
          body: request.body ?? null,
        },
        {
          onRequestStart: (started) => {
            controller = started;
            // The call ended while its request waited for a connection.
            if (over) return started.abort(new Error('abandoned before it was sent'));
            try {
              this.call.beforeSend();
            } catch (error) {
              const detail = error instanceof Error ? error.message : 'stopped before it was sent';
              fail(detail, { cause: error, heldBack: true });
              return started.abort(new Error('stopped before it was sent'));
            }
            this.#bytesSent = true;
            this.#sentAt = instantOf(this.clock);
          },
          onResponseStart: (_controller, status, raw) => {
            this.#status = status;
            this.#headAt = instantOf(this.clock);
            headers = raw;
          },
          onResponseData: (_controller, chunk) => {
            size += chunk.length;
            if (size > MAX_ANSWER_BYTES) return cutOff(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
            chunks.push(chunk);
          },
          onResponseEnd: () => {
            if (over) return;
            over = true;
            clearTimeout(deadline);
            const bytes = Buffer.concat(chunks);
            resolve({
              status: this.#status ?? 0,
              headers,
              text: bytes.toString('utf8'),
              ...(!isUtf8(bytes) && { garbled: true }),
              evidence: this.#evidence(),
              sentAt: this.#sentAt,
              headAt: this.#headAt,
            });
          },
          onResponseError: (_controller, error) => fail(describe(error), { cause: error }),
        },
      );
    });
  }

  #failure(detail: string, more: Pick<UpstreamErrorOptions, 'cause' | 'heldBack'>): UpstreamError {
    const evidence = this.#evidence();
    return new UpstreamError(evidence.bytesSent ? 'no_answer' : 'not_sent', { detail, evidence, ...more });
  }
}

const instantOf = (clock: Clock): Instant => ({ wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });

/** By its code only, because its message may contain parts of the request. */
function describe(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  return code ? `the connection failed (${code})` : 'the connection failed';
}
