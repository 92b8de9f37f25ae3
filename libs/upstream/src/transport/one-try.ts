import type { Clock } from '#libs/kernel';
import { UpstreamError } from '../port/upstream-error.js';
import type { CallLimits } from '../port/upstream-provider.js';

/**
 * The requests of one try, with one deadline. Once a request with a possible effect was sent, the try never
 * reports that nothing was sent.
 */
export class OneTry {
  readonly #startedAt: number;
  /** Whether a request with a possible effect was sent: the current one, or an earlier one. */
  #thisLeft = false;
  #earlierLeft = false;

  constructor(
    private readonly call: CallLimits,
    private readonly clock: Clock,
  ) {
    this.#startedAt = clock.monotonicMs();
  }

  /** The time left, in milliseconds. Negative after the deadline. */
  get leftMs(): number {
    return this.call.timeoutMs - (this.clock.monotonicMs() - this.#startedAt);
  }

  /**
   * @param hasEffect whether the next request changes anything upstream.
   * @returns the limits of that request.
   */
  limits(hasEffect: boolean): CallLimits {
    this.#earlierLeft ||= this.#thisLeft;
    this.#thisLeft = false;
    return {
      timeoutMs: Math.max(1, this.leftMs),
      beforeSend: () => {
        // No time would be left to read the answer.
        if (this.leftMs <= 0) throw new Error('no time was left to send it');
        this.call.beforeSend();
        this.#thisLeft = hasEffect;
      },
    };
  }

  /** Upstream refused the last request before it read the content. Therefore the request had no effect. */
  refused(): void {
    this.#thisLeft = false;
  }

  /**
   * Runs the requests.
   * @throws UpstreamError for the whole try.
   */
  async run<T>(requests: () => Promise<T>): Promise<T> {
    try {
      return await requests();
    } catch (error) {
      throw error instanceof UpstreamError ? this.#asOfTheTry(error) : error;
    }
  }

  #asOfTheTry(error: UpstreamError): UpstreamError {
    const { failure, message, evidence, reason, retryAfterMs, mayBeOfSubject, heldBack, cause } = error;
    // Both classes describe only the last request. If an earlier one was sent, the try is `unavailable`.
    const withoutEffect = failure === 'throttled' || failure === 'not_sent';
    const left = this.#earlierLeft || (this.#thisLeft && failure !== 'throttled');
    return new UpstreamError(withoutEffect && left ? 'unavailable' : failure, {
      detail: message,
      evidence: {
        ...evidence,
        bytesSent: evidence.bytesSent || this.#earlierLeft || this.#thisLeft,
        durationMs: Math.floor(this.clock.monotonicMs() - this.#startedAt),
      },
      ...(reason && { reason }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      mayBeOfSubject,
      heldBack,
      cause,
    });
  }
}
