import type { Clock } from '#libs/kernel';
import type { FailureClass, UpstreamError } from './port/upstream-error.js';
import type { CallName } from './port/upstream-provider.js';

/** The name of the failing calls, or `access` if upstream refuses our key or clock for all calls. */
export type TroubleName = CallName | 'access';

/** Failures in a row. Times are on the monotonic clock. */
export interface Failures {
  count: number;
  firstAtMs: number;
  lastAtMs: number;
  failure: FailureClass;
  status: number | null;
  /** How long the last failure counts. Null: until a call succeeds. */
  goodForMs: number | null;
}

/** How long the failure of a step counts: longer than the wait between two attempts. */
const STEP_GOOD_FOR_MS = 90_000;
/** This time is added to the wait that a provider asks for. */
const AFTER_WAIT_MS = 30_000;

/**
 * The ends of an integration's calls in this process: the unreported failures, and the last success of each
 * kind of call.
 */
export class CallEnds {
  /** Runs after a call's end that changes the report. */
  changed: (() => void) | null = null;
  /** Runs when upstream begins to refuse our key or clock, and when it accepts a request again. */
  accessChanged: ((refused: { status: number | null } | null) => void) | null = null;
  readonly #okAt = new Map<TroubleName, number>();
  readonly #untold = new Map<TroubleName, Failures>();
  #refused: { sinceMs: number; status: number | null } | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly limits: { probeGoodForMs: number; retryAfterMaxMs: number },
  ) {}

  /** When upstream began to refuse this process's key, scope or clock. Null while it accepts them. */
  get refused(): { sinceMs: number; status: number | null } | null {
    return this.#refused;
  }

  /** When a call of this kind last succeeded in this process, on the monotonic clock. */
  okAtMs(name: TroubleName): number {
    return this.#okAt.get(name) ?? -Infinity;
  }

  succeeded(call: CallName): void {
    this.#ok(call);
    this.#ok('access');
  }

  failed(call: CallName, error: UpstreamError): void {
    // PostgreSQL answered the claim too late. The provider did not cause that.
    if (error.heldBack) return;
    switch (error.failure) {
      // The provider has read the request and knows our key. A rejected probe proves neither.
      case 'rejected':
        return call === 'probe' ? undefined : this.succeeded(call);
      // This end does not show whether the provider works.
      case 'rejected_unclear':
        return;
      case 'misconfigured':
        return this.#refuse(error);
      default:
        return this.#add(call, error, this.#goodForMs(call, error));
    }
  }

  /** Failures in a row that this process has not yet reported to the other processes. */
  untold(): Map<TroubleName, Failures> {
    return new Map(this.#untold);
  }

  /** @param told the reported result of `untold()`. Later failures are still to be reported. */
  told(told: ReadonlyMap<TroubleName, Failures>): void {
    for (const [name, { count, firstAtMs }] of told) {
      const now = this.#untold.get(name);
      if (now?.firstAtMs !== firstAtMs) continue;
      if (now.count === count) this.#untold.delete(name);
      else this.#untold.set(name, { ...now, count: now.count - count });
    }
  }

  #refuse(error: UpstreamError): void {
    const { status } = error.evidence;
    const first = this.#refused === null;
    this.#refused ??= { sinceMs: this.clock.monotonicMs(), status };
    this.#refused.status = status;
    this.#add('access', error, null);
    if (first) this.accessChanged?.({ status });
  }

  #add(name: TroubleName, { failure, evidence }: UpstreamError, goodForMs: number | null): void {
    const at = this.clock.monotonicMs();
    const before = this.#untold.get(name);
    this.#untold.set(name, {
      count: (before?.count ?? 0) + 1,
      firstAtMs: before?.firstAtMs ?? at,
      lastAtMs: at,
      failure,
      status: evidence.status,
      goodForMs,
    });
    this.changed?.();
  }

  #ok(name: TroubleName): void {
    this.#okAt.set(name, this.clock.monotonicMs());
    const forgotten = this.#untold.delete(name);
    const accepted = name === 'access' && this.#refused !== null;
    if (accepted) {
      this.#refused = null;
      this.accessChanged?.(null);
    }
    if (forgotten || accepted) this.changed?.();
  }

  #goodForMs(call: CallName, { retryAfterMs }: UpstreamError): number {
    if (call === 'probe') return this.limits.probeGoodForMs;
    const toldMs = Math.min(retryAfterMs ?? 0, this.limits.retryAfterMaxMs);
    return Math.max(STEP_GOOD_FOR_MS, toldMs + AFTER_WAIT_MS);
  }
}
