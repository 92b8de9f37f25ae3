import type { Clock } from '#libs/kernel';
import { UpstreamError } from '../port/upstream-error.js';
import type { CallLimits } from '../port/upstream-provider.js';

/**
 * The several requests of one try, under the one deadline of its call. What it ends with is told of all of them: once
 * a request that may have an effect has left, no later one may claim that nothing did.
 */
export class OneTry {
  readonly #startedAt: number;
  /** Whether a request that may have an effect has left: the one under way, or one before it. */
  #thisLeft = false;
  #earlierLeft = false;

  constructor(
    private readonly call: CallLimits,
    private readonly clock: Clock,
  ) {
    this.#startedAt = clock.monotonicMs();
  }

  /** Milliseconds; negative once the deadline is over. */
  get leftMs(): number {
    return this.call.timeoutMs - (this.clock.monotonicMs() - this.#startedAt);
  }

  /** The limits of its next request. @param hasEffect whether that request changes anything upstream. */
  limits(hasEffect: boolean): CallLimits {
    this.#earlierLeft ||= this.#thisLeft;
    this.#thisLeft = false;
    return {
      timeoutMs: Math.max(1, this.leftMs),
      beforeSend: () => {
        // A request that nobody has time to hear the answer of would only be lost.
        if (this.leftMs <= 0) throw new Error('no time was left to send it');
        this.call.beforeSend();
        this.#thisLeft = hasEffect;
      },
    };
  }

  /** The last request was refused before anybody looked at what it asks for: it had no effect. */
  refused(): void {
    this.#thisLeft = false;
  }

  /** Makes the requests. @throws UpstreamError as of the whole try. */
  async run<T>(requests: () => Promise<T>): Promise<T> {
    try {
      return await requests();
    } catch (error) {
      throw error instanceof UpstreamError ? this.#asOfTheTry(error) : error;
    }
  }

  #asOfTheTry(error: UpstreamError): UpstreamError {
    const { failure, message, evidence, reason, retryAfterMs, mayBeOfSubject, heldBack, cause } = error;
    // Both say what became of the last request. Where an earlier one has left, the try is `unavailable`.
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
