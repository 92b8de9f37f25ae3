import type { Clock } from '#libs/kernel';
import { UpstreamError } from '../port/upstream-error.js';
import type { CallLimits } from '../port/upstream-provider.js';

/**
 * The requests of one attempt, with a common deadline. Once a request that may have an effect was sent, the
 * attempt never ends as `not_sent`.
 */
export class OneTry {
  readonly #startedAt: number;
  #currentMayHaveEffect = false;
  #earlierMayHaveEffect = false;

  constructor(
    private readonly call: CallLimits,
    private readonly clock: Clock,
  ) {
    this.#startedAt = clock.monotonicMs();
  }

  /** Negative after the deadline. */
  get leftMs(): number {
    return this.call.timeoutMs - (this.clock.monotonicMs() - this.#startedAt);
  }

  /** @param hasEffect whether the next request changes anything at the provider */
  limits(hasEffect: boolean): CallLimits {
    this.#earlierMayHaveEffect ||= this.#currentMayHaveEffect;
    this.#currentMayHaveEffect = false;
    return {
      timeoutMs: Math.max(1, this.leftMs),
      beforeSend: () => {
        if (this.leftMs <= 0) throw new Error('no time was left to send the request');
        this.call.beforeSend();
        this.#currentMayHaveEffect = hasEffect;
      },
    };
  }

  /**
   * Called if the provider refused the last request before it read the body, so the request had no effect.
   */
  refused(): void {
    this.#currentMayHaveEffect = false;
  }

  /** @throws UpstreamError that describes the whole attempt */
  async run<T>(requests: () => Promise<T>): Promise<T> {
    try {
      return await requests();
    } catch (error) {
      throw error instanceof UpstreamError ? this.#asOfTheTry(error) : error;
    }
  }

  #asOfTheTry(error: UpstreamError): UpstreamError {
    const { failure, message, evidence, reason, retryAfterMs, mayBeOfSubject, heldBack, cause } = error;
    // `throttled` and `not_sent` describe only the last request. If an earlier request may have had an
    // effect, the attempt is `unavailable`.
    const withoutEffect = failure === 'throttled' || failure === 'not_sent';
    const hadEffect = this.#earlierMayHaveEffect || (this.#currentMayHaveEffect && failure !== 'throttled');
    const ofTheTry = new UpstreamError(withoutEffect && hadEffect ? 'unavailable' : failure, {
      detail: message,
      evidence: {
        ...evidence,
        bytesSent: evidence.bytesSent || this.#earlierMayHaveEffect || this.#currentMayHaveEffect,
        durationMs: Math.floor(this.clock.monotonicMs() - this.#startedAt),
      },
      ...(reason && { reason }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      mayBeOfSubject,
      heldBack,
      cause,
    });
    ofTheTry.unknownText = error.unknownText;
    return ofTheTry;
  }
}
