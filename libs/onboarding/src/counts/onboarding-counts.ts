import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { Log, Metrics, type Sample } from '#libs/platform';
import { PARTS, earliest, type Group, type Part } from './groups.js';
import { OnboardingCounter, type CountedPart } from './onboarding-counter.js';

/** How often each process reads the counts. */
const REFRESH_MS = 1_500;
/**
 * Older counts are hidden, because readers would take them for current. Slow counts stay visible for the time
 * of three counts with their pauses, as in the alert CountsStale.
 */
const STALE_MS = 60_000;
const STALE_ROUNDS = 3 * 50;

type Counted = CountedPart & {
  [K in 'counts' | 'tookMs' | 'countedAt' | 'ageMs']: NonNullable<CountedPart[K]>;
};

/** A scrape shows the counts that were read last, and sends no statement to PostgreSQL. */
@Injectable()
export class OnboardingCounts implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Log('OnboardingCounts');
  readonly #stop = new AbortController();
  readonly #counting = new Map<Part, Promise<void>>();
  /** Why counting or reading failed, with the time of the latest counts then. */
  readonly #faults = new Map<Part | 'read', { error: Error; countedAt: number }>();
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> | null = null;
  #read: { parts: CountedPart[]; atMs: number } | null = null;

  constructor(
    private readonly counter: OnboardingCounter,
    @Inject(CLOCK) private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.#measure(metrics);
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.refresh(), REFRESH_MS).unref();
    void this.refresh();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await Promise.all(this.#counting.values());
  }

  /** Null if the counts are current. */
  get fault(): Error | null {
    return [...this.#faults.values()][0]?.error ?? null;
  }

  /** The onboardings whose step is in flight, waits for a retry or is parked, or whose outcome is unknown. */
  get steps(): readonly Group[] {
    return this.#read?.parts.find(({ part }) => part === 'steps')?.counts?.groups ?? [];
  }

  /** Never rejects. */
  refresh(): Promise<void> {
    this.#reading ??= this.#refresh().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #refresh(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await this.#noting('read', async () => {
      this.#read = { parts: await this.counter.read(), atMs: this.clock.monotonicMs() };
    });
    // A fault of a part is over once another process has counted the part.
    for (const [what, { countedAt }] of this.#faults) {
      if (this.#countedAt(what) > countedAt) this.#faults.delete(what);
    }
    if (this.#faults.has('read') || this.#stop.signal.aborted) return;
    const notDue = new Set(this.#read?.parts.flatMap(({ part, isDue }) => (isDue ? [] : [part])));
    for (const part of Object.keys(PARTS) as Part[]) {
      if (notDue.has(part) || this.#counting.has(part)) continue;
      const counted = this.#noting(part, () => this.counter.count(part, this.#stop.signal));
      this.#counting.set(
        part,
        counted.finally(() => this.#counting.delete(part)),
      );
    }
  }

  #countedAt(what: Part | 'read'): number {
    return this.#read?.parts.find(({ part }) => part === what)?.countedAt ?? 0;
  }

  /** Logs only the first error of an outage. */
  async #noting(what: Part | 'read', work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#faults.delete(what);
    } catch (error) {
      if (!this.#faults.has(what))
        this.#logger.warn({}, `onboardings are not counted: ${(error as Error).message}`);
      this.#faults.set(what, { error: error as Error, countedAt: this.#countedAt(what) });
    }
  }

  /** @returns null if the part was never counted. */
  #part(part: Part): Counted | null {
    const found = this.#read?.parts.find((each) => each.part === part);
    if (!found || found.counts === null) return null;
    const sinceReadMs = this.clock.monotonicMs() - this.#read!.atMs;
    return { ...(found as Counted), ageMs: found.ageMs! + sinceReadMs };
  }

  #current(part: Part): Counted | null {
    const found = this.#part(part);
    return found && found.ageMs <= Math.max(STALE_MS, found.tookMs * STALE_ROUNDS) ? found : null;
  }

  #measure(metrics: Metrics): void {
    const current = (parts: Part[]) => parts.flatMap((part) => this.#current(part) ?? []);
    const both = samplesOf(
      () => current(['steps', 'idle']),
      ({ integration, state }) => ({ integration, state }),
      ({ began }) => began,
    );
    metrics.gauge('gangway_onboardings', both.count);
    metrics.gauge('gangway_onboardings_oldest_seconds', both.oldest);
    const steps = () => current(['steps']);
    const retrying = samplesOf(
      steps,
      ({ integration, step, waits }) => (waits ? { integration, step: step ?? '' } : null),
      ({ answeredAt }) => answeredAt,
    );
    metrics.gauge('gangway_onboardings_retrying', retrying.count);
    metrics.gauge('gangway_onboardings_retrying_oldest_seconds', retrying.oldest);
    const parked = samplesOf(
      steps,
      ({ integration, reason }) => (reason === null ? null : { integration, reason }),
      ({ parkedAt }) => parkedAt,
    );
    metrics.gauge('gangway_onboardings_parked', parked.count);
    metrics.gauge('gangway_onboardings_parked_oldest_seconds', parked.oldest);
    const unknown = samplesOf(
      steps,
      ({ integration, step, state }) =>
        state === 'outcome_unknown' ? { integration, step: step ?? '' } : null,
      ({ updatedAt }) => updatedAt,
    );
    metrics.gauge('gangway_onboardings_outcome_unknown', unknown.count);
    metrics.gauge('gangway_onboardings_outcome_unknown_oldest_seconds', unknown.oldest);

    const seconds = (ms: number | undefined) => (ms === undefined ? null : ms / 1_000);
    metrics.gauge('gangway_onboardings_counted_age_seconds', () => seconds(this.#part('steps')?.ageMs));
    metrics.gauge('gangway_onboardings_idle_counted_age_seconds', () => seconds(this.#part('idle')?.ageMs));
    metrics.gauge('gangway_onboardings_count_duration_seconds', () => seconds(this.#part('steps')?.tookMs));
    metrics.gauge('gangway_expiry_lag_seconds', () => seconds(this.#current('steps')?.counts.expiryLagMs));
    metrics.gauge('gangway_retry_lag_seconds', () => seconds(retryLagMs(this.#current('steps'))));
  }
}

/** How late the most overdue retry was at the count, in milliseconds. */
function retryLagMs(found: Counted | null): number | undefined {
  if (!found) return undefined;
  const { groups } = found.counts;
  const due = groups.filter(({ waits, paused }) => waits && !paused);
  const since = earliest(due.map(({ nextAttemptAt }) => nextAttemptAt)) ?? found.countedAt;
  return Math.max(0, found.countedAt - since);
}

/**
 * `oldest` is in seconds since the earliest time that `sinceOf` returns. Groups whose labels are null are
 * left out.
 */
function samplesOf<L extends string>(
  read: () => Counted[],
  labelsOf: (group: Group) => Record<L, string> | null,
  sinceOf: (group: Group) => number | null,
): { count: () => Sample<L>[]; oldest: () => Sample<L>[] } {
  const each = (valueOf: (groups: Group[], at: number) => number) =>
    read().flatMap(({ counts, countedAt }) => {
      const labelled = counts.groups.flatMap((group) => {
        const labels = labelsOf(group);
        return labels ? [{ group, labels }] : [];
      });
      const sets = Map.groupBy(labelled, ({ labels }) => Object.values(labels).join(' '));
      return [...sets.values()].map((sameLabels) => ({
        labels: sameLabels[0]!.labels,
        value: valueOf(
          sameLabels.map(({ group }) => group),
          countedAt,
        ),
      }));
    });
  return {
    count: () => each((groups) => groups.reduce((sum, { count }) => sum + count, 0)),
    oldest: () => each((groups, at) => Math.max(0, at - (earliest(groups.map(sinceOf)) ?? at)) / 1_000),
  };
}
