import type { Clock } from '#libs/kernel';
import { UpstreamError } from '../port/upstream-error.js';
import type { CallLimits } from '../port/upstream-provider.js';

/**
 * The requests of one attempt. They have a common deadline. Once a request that may have an effect was sent,
 * the attempt never ends as `not_sent`.
 */
export class OneTry {
  readonly #startedAt: number;
  /**
   * Whether the current request may have an effect and was sent. The next field says this about the earlier
   * requests.
   */
  #thisLeft = false;
  #earlierLeft = false;

  constructor(
    private readonly call: CallLimits,
    private readonly clock: Clock,
  ) {
    this.#startedAt = clock.monotonicMs();
  }

  /** The time left in ms. Negative after the deadline. */
  get leftMs(): number {
    return this.call.timeoutMs - (this.clock.monotonicMs() - this.#startedAt);
  }

  /**
   * @param hasEffect whether the next request changes anything at the provider.
   * @returns the limits of this request.
   */
  limits(hasEffect: boolean): CallLimits {
    this.#earlierLeft ||= this.#thisLeft;
    this.#thisLeft = false;
    return {
      timeoutMs: Math.max(1, this.leftMs),
      beforeSend: () => {
        // No time would be left to read an answer.
        if (this.leftMs <= 0) throw new Error('no time was left to send the request');
        this.call.beforeSend();
        this.#thisLeft = hasEffect;
      },
    };
  }

  /**
   * Called when the provider has refused the last request before it read the body. The request had no effect.
   */
  refused(): void {
    this.#thisLeft = false;
  }

  /**
   * Runs the requests.
   * @throws UpstreamError that describes the whole attempt.
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
    // These two classes describe only the last request. If an earlier request was sent, the attempt is
    // `unavailable`.
    const withoutEffect = failure === 'throttled' || failure === 'not_sent';
    const left = this.#earlierLeft || (this.#thisLeft && failure !== 'throttled');
    const ofTheTry = new UpstreamError(withoutEffect && left ? 'unavailable' : failure, {
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
    ofTheTry.unknownText = error.unknownText;
    return ofTheTry;
  }
}
