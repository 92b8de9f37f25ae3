import type { Clock } from '#libs/kernel';
import { UpstreamError } from '../upstream-error.js';
import type { CallLimits } from '../upstream-provider.js';

/**
 * The several requests of one try, under the one deadline of its call. What it ends with is told of all of them: once
 * a request that may have an effect has left, no later one may claim that nothing did.
 */
export class OneTry {
  readonly #startedAt: number;
  #effectLeft = false;

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
    return {
      timeoutMs: Math.max(1, this.leftMs),
      beforeSend: () => {
        this.call.beforeSend();
        this.#effectLeft ||= hasEffect;
      },
    };
  }

  /** Makes the requests. @throws UpstreamError as of the whole try. */
  async run<T>(requests: () => Promise<T>): Promise<T> {
    try {
      return await requests();
    } catch (error) {
      throw error instanceof UpstreamError ? this.#asOfTheTry(error) : error;
    }
  }

  #asOfTheTry({ failure, message, evidence, reason, retryAfterMs, cause }: UpstreamError): UpstreamError {
    const nothingLeft = failure === 'not_sent' || failure === 'throttled';
    return new UpstreamError(nothingLeft && this.#effectLeft ? 'unavailable' : failure, {
      detail: message,
      evidence: {
        ...evidence,
        bytesSent: evidence.bytesSent || this.#effectLeft,
        durationMs: Math.round(this.clock.monotonicMs() - this.#startedAt),
      },
      ...(reason && { reason }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      cause,
    });
  }
}
