import type { Clock } from '#libs/kernel';
import type { FailureClass, UpstreamError } from './port/upstream-error.js';
import type { CallName } from './port/upstream-provider.js';

/** `access`: the provider refuses the key or the clock, for all calls. */
export type TroubleName = CallName | 'access';

/** Consecutive failures. Times are on the monotonic clock. */
export interface Failures {
  count: number;
  firstAtMs: number;
  lastAtMs: number;
  failure: FailureClass;
  status: number | null;
  /** How long the last failure counts. Null: until a call succeeds. */
  goodForMs: number | null;
}

/** How long a failed step counts: longer than the longest wait before a retry. */
const STEP_GOOD_FOR_MS = 90_000;
/** A failure counts this much longer than the wait that the provider asks for. */
const AFTER_WAIT_MS = 30_000;

/** How this process's calls to one integration ended: the unreported failures and the last successes. */
export class CallEnds {
  /** Called when this process has other facts to report to the other processes. */
  changed: (() => void) | null = null;
  /** Called when the provider begins to refuse the key or the clock, and when it accepts them again. */
  accessChanged: ((refused: { status: number | null } | null) => void) | null = null;
  readonly #okAt = new Map<TroubleName, number>();
  readonly #unreported = new Map<TroubleName, Failures>();
  #refused: { sinceMs: number; status: number | null } | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly limits: { probeGoodForMs: number; retryAfterMaxMs: number },
  ) {}

  /** Null while the provider accepts this process's key, scope and clock. */
  get refused(): { sinceMs: number; status: number | null } | null {
    return this.#refused;
  }

  /** The last success of this kind of call, on the monotonic clock. */
  okAtMs(name: TroubleName): number {
    return this.#okAt.get(name) ?? -Infinity;
  }

  succeeded(call: CallName): void {
    this.#ok(call);
    this.#ok('access');
  }

  failed(call: CallName, error: UpstreamError): void {
    // This process did not send the call, so the error says nothing about the provider.
    if (error.heldBack) return;
    switch (error.failure) {
      // The provider read the request and accepted the key. A rejected probe proves neither.
      case 'rejected':
        return call === 'probe' ? undefined : this.succeeded(call);
      // This does not show whether the provider works.
      case 'rejected_unclear':
        return;
      case 'misconfigured':
        return this.#refuse(error);
      default:
        return this.#add(call, error, this.#goodForMs(call, error));
    }
  }

  unreported(): Map<TroubleName, Failures> {
    return new Map(this.#unreported);
  }

  /** @param reported an earlier result of `unreported()`. Later failures stay. */
  removeReported(reported: ReadonlyMap<TroubleName, Failures>): void {
    for (const [name, { count, firstAtMs }] of reported) {
      const now = this.#unreported.get(name);
      if (now?.firstAtMs !== firstAtMs) continue;
      if (now.count === count) this.#unreported.delete(name);
      else this.#unreported.set(name, { ...now, count: now.count - count });
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
    const before = this.#unreported.get(name);
    this.#unreported.set(name, {
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
    const forgotten = this.#unreported.delete(name);
    const accepted = name === 'access' && this.#refused !== null;
    if (accepted) {
      this.#refused = null;
      this.accessChanged?.(null);
    }
    if (forgotten || accepted) this.changed?.();
  }

  #goodForMs(call: CallName, { retryAfterMs }: UpstreamError): number {
    if (call === 'probe') return this.limits.probeGoodForMs;
    const askedMs = Math.min(retryAfterMs ?? 0, this.limits.retryAfterMaxMs);
    return Math.max(STEP_GOOD_FOR_MS, askedMs + AFTER_WAIT_MS);
  }
}
