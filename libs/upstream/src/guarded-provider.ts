import CircuitBreaker from 'opossum';
import type { Clock } from '#libs/kernel';
import type { Config } from '#libs/platform';
import { CallEnds } from './call-ends.js';
import { KeyOrSubject } from './key-or-subject.js';
import { withoutValues } from './refusal-text.js';
import { NOTHING_SENT, UpstreamError } from './port/upstream-error.js';
import type {
  Call,
  CallLimits,
  CallName,
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
} from './port/upstream-provider.js';

export type BreakerState = 'closed' | 'half_open' | 'open';

export type GuardConfig = Pick<
  Config,
  | 'BREAKER_CALLS'
  | 'BREAKER_WINDOW_MS'
  | 'BREAKER_OPEN_MS'
  | 'CALL_TIMEOUT_MS'
  | 'PROBE_EVERY_MS'
  | 'RETRY_AFTER_MAX_MS'
  | 'RETRY_CAP_MS'
>;

/** A failed probe counts until two further probes were due. */
const PROBES_MISSED = 2;
/** Due probes start only every few seconds, so a probe may start this late. */
const PROBE_SLACK_MS = 5_000;

/**
 * A provider's client behind a circuit breaker. While the breaker is open, a call ends as `not_sent` and can
 * be retried. The breaker counts only failures that the provider may have caused.
 */
export class GuardedProvider implements UpstreamProvider {
  readonly kind;
  readonly custody;
  /** Without the calls that the breaker stopped. */
  readonly ends: CallEnds;
  breakerChanged: ((state: BreakerState) => void) | null = null;
  readonly #keyOrSubject: KeyOrSubject;
  readonly #breaker: CircuitBreaker<[() => Promise<unknown>], unknown>;
  #notClosedSinceMs: number | null = null;
  #halfOpenSinceMs = -Infinity;
  #lastProbeAtMs = -Infinity;

  constructor(
    private readonly provider: UpstreamProvider,
    private readonly config: GuardConfig,
    private readonly clock: Clock,
  ) {
    this.ends = new CallEnds(clock, {
      probeGoodForMs: PROBES_MISSED * config.PROBE_EVERY_MS + config.CALL_TIMEOUT_MS + PROBE_SLACK_MS,
      retryAfterMaxMs: config.RETRY_AFTER_MAX_MS,
    });
    this.kind = provider.kind;
    this.custody = provider.custody;
    this.#keyOrSubject = new KeyOrSubject(clock, (limits) => this.probe(limits));
    this.#breaker = new CircuitBreaker((work: () => Promise<unknown>) => work(), {
      timeout: false, // each call has its own deadline
      volumeThreshold: config.BREAKER_CALLS,
      rollingCountTimeout: config.BREAKER_WINDOW_MS,
      errorThresholdPercentage: 49.9, // opossum opens only above this percentage, and half must be enough
      resetTimeout: config.BREAKER_OPEN_MS,
      errorFilter: (error: unknown) => !isFailing(error),
    });
    this.#breaker.on('open', () => this.#noteBreaker());
    this.#breaker.on('halfOpen', () => this.#noteBreaker());
    this.#breaker.on('close', () => this.#noteBreaker());
  }

  get state(): BreakerState {
    if (this.#breaker.closed) return 'closed';
    return this.#breaker.halfOpen ? 'half_open' : 'open';
  }

  /** On the monotonic clock. Null while the breaker is closed. */
  get notClosedSinceMs(): number | null {
    return this.#notClosedSinceMs;
  }

  /** When the last probe began, on the monotonic clock. */
  get lastProbeAtMs(): number {
    return this.#lastProbeAtMs;
  }

  parseSubject(value: unknown): ParsedSubject {
    return this.provider.parseSubject(value);
  }

  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice {
    return this.provider.parseOtpChoice(value, subject);
  }

  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[] {
    return this.provider.readDeviceRequest(device, signing);
  }

  initOtp(call: Call, subject: Subject, choice: OtpChoice) {
    return this.#guarded('init-otp', call, subject, [choice], (made) =>
      this.provider.initOtp(made, subject, choice),
    );
  }

  verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof) {
    return this.#guarded('verify-otp', call, subject, [sent, proof], (made) =>
      this.provider.verifyOtp(made, subject, sent, proof),
    );
  }

  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ) {
    const given = [grant, authenticators, device];
    return this.#guarded('create-authenticators', call, subject, given, (made) =>
      this.provider.createAuthenticators(made, subject, grant, authenticators, device),
    );
  }

  /** Probes are sent even while the breaker stops the steps. */
  async probe(call: CallLimits): Promise<void> {
    this.#lastProbeAtMs = this.clock.monotonicMs();
    await this.#noted('probe', () => this.provider.probe(call));
    this.#closeWhenIdle();
  }

  shutdown(): void {
    this.#breaker.shutdown();
  }

  /**
   * Closes a breaker that has been half open for `RETRY_CAP_MS`, the longest wait before a retry, because
   * without calls it never closes by itself.
   */
  #closeWhenIdle(): void {
    const idleMs = this.clock.monotonicMs() - this.#halfOpenSinceMs;
    if (this.state === 'half_open' && idleMs >= this.config.RETRY_CAP_MS) this.#breaker.close();
  }

  #noteBreaker(): void {
    const now = this.clock.monotonicMs();
    const { state } = this;
    if (state === 'half_open') this.#halfOpenSinceMs = now;
    this.#notClosedSinceMs = state === 'closed' ? null : (this.#notClosedSinceMs ?? now);
    this.breakerChanged?.(state);
    this.ends.changed?.();
  }

  async #noted<T>(call: CallName, work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.ends.succeeded(call);
      return result;
    } catch (error) {
      if (error instanceof UpstreamError) this.ends.failed(call, error);
      throw error;
    }
  }

  async #guarded<T>(
    name: CallName,
    call: Call,
    subject: Subject,
    given: readonly unknown[],
    make: (call: Call) => Promise<T>,
  ): Promise<T> {
    const startedAt = this.clock.monotonicMs();
    const work = () => this.#keyOrSubject.run(name, call, subject, make);
    try {
      return (await this.#breaker.fire(() => this.#noted(name, work))) as T;
    } catch (error) {
      if (error instanceof UpstreamError) withoutGiven(error, [subject, ...given]);
      if ((error as { code?: unknown }).code !== 'EOPENBREAKER') throw error;
      throw new UpstreamError('not_sent', {
        detail: 'not sent, because too many calls to this provider have failed',
        evidence: { ...NOTHING_SENT, durationMs: Math.floor(this.clock.monotonicMs() - startedAt) },
      });
    }
  }
}

/** An unknown text may repeat the sent values (code, contact, session). */
function withoutGiven(error: UpstreamError, given: readonly unknown[]): void {
  if (error.unknownText) error.unknownText.text = withoutValues(error.unknownText.text, given);
}

function isFailing(error: unknown): boolean {
  return error instanceof UpstreamError && (error.failure === 'unavailable' || error.failure === 'no_answer');
}
