import CircuitBreaker from 'opossum';
import type { Clock } from '#libs/kernel';
import type { Config } from '#libs/platform';
import { UpstreamError } from './upstream-error.js';
import type {
  Call,
  CallLimits,
  DeviceRequest,
  DeviceSigning,
  Grant,
  NewAuthenticator,
  OtpChoice,
  OtpProof,
  ParsedChoice,
  ParsedSubject,
  SentOtp,
  Subject,
  UpstreamProvider,
} from './upstream-provider.js';

export type BreakerState = 'closed' | 'half_open' | 'open';

/**
 * A provider behind a circuit breaker. While too many calls fail, the next ones are not made at all: they end
 * `not_sent`, cost nobody a try, and are made later. Only ends that may be the upstream's own failing count;
 * a "no" is an answer like any other.
 */
export class GuardedProvider implements UpstreamProvider {
  readonly kind;
  readonly custody;
  readonly #breaker: CircuitBreaker<[() => Promise<unknown>], unknown>;

  constructor(
    private readonly provider: UpstreamProvider,
    config: Pick<Config, 'BREAKER_CALLS' | 'BREAKER_WINDOW_MS' | 'BREAKER_OPEN_MS'>,
    private readonly clock: Clock,
  ) {
    this.kind = provider.kind;
    this.custody = provider.custody;
    this.#breaker = new CircuitBreaker((work: () => Promise<unknown>) => work(), {
      timeout: false, // each call has its own deadline
      volumeThreshold: config.BREAKER_CALLS,
      rollingCountTimeout: config.BREAKER_WINDOW_MS,
      errorThresholdPercentage: 49.9, // opossum opens above its threshold, and half of the calls is enough
      resetTimeout: config.BREAKER_OPEN_MS,
      errorFilter: (error: unknown) => !isFailing(error),
    });
  }

  get state(): BreakerState {
    if (this.#breaker.closed) return 'closed';
    return this.#breaker.halfOpen ? 'half_open' : 'open';
  }

  parseSubject(value: unknown): ParsedSubject {
    return this.provider.parseSubject(value);
  }

  keyOfContact(contact: string): string | null {
    return this.provider.keyOfContact(contact);
  }

  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice {
    return this.provider.parseOtpChoice(value, subject);
  }

  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[] {
    return this.provider.readDeviceRequest(device, signing);
  }

  initOtp(call: Call, subject: Subject, choice: OtpChoice) {
    return this.#guarded(() => this.provider.initOtp(call, subject, choice));
  }

  verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof) {
    return this.#guarded(() => this.provider.verifyOtp(call, subject, sent, proof));
  }

  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ) {
    return this.#guarded(() =>
      this.provider.createAuthenticators(call, subject, grant, authenticators, device),
    );
  }

  /** Not guarded: it is asked when everything else is stopped. */
  probe(call: CallLimits): Promise<void> {
    return this.provider.probe(call);
  }

  /** Stops the breaker's timers. */
  shutdown(): void {
    this.#breaker.shutdown();
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = this.clock.monotonicMs();
    try {
      return (await this.#breaker.fire(work)) as T;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EOPENBREAKER') throw error;
      throw new UpstreamError('not_sent', {
        detail: 'held back: too many calls to this provider failed',
        evidence: {
          bytesSent: false,
          headersSeen: false,
          status: null,
          durationMs: Math.round(this.clock.monotonicMs() - startedAt),
        },
      });
    }
  }
}

function isFailing(error: unknown): boolean {
  return error instanceof UpstreamError && (error.failure === 'unavailable' || error.failure === 'no_answer');
}
