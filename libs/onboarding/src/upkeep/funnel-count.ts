import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CLOCK, lowestUuidV7, timeOfUuidV7, type Clock } from '#libs/kernel';
import { addCounts, emptyCounts, type FunnelCounts, type Span } from '../flow/funnel.js';
import type { EndedState } from '../flow/table.js';
import type { Statement } from '../store/statement.js';
import { FUNNEL_BATCH, FUNNEL_STATE, FUNNEL_WRITE } from '../store/statements/funnel.js';
import { CONFIG, type Config } from '#libs/platform';

const DAY_MS = 86_400_000;
const BATCH = 5_000;
/** The oldest day that is counted, in days before today. */
const DAYS_BACK = 400;
/** The pause before another count, as a multiple of the duration of the last count. */
const PAUSE = 50;
/** After this time, a run begins no further day. The next run continues. */
const RUN_MS = 20_000;
/** How long after midnight a process with a slow clock may still start an onboarding of the day before. */
const LATE_CLOCK_MS = 600_000;

interface Fact {
  integration: string;
  what: 'started' | 'codeSent' | 'verified' | 'registered' | 'live' | 'ending' | 'last' | Span;
  key: string;
  count: number;
}

interface State {
  now: Date;
  oldestId: string | null;
  days: Record<string, { isFinal: boolean; ageMs: number; tookMs: number }>;
}

/**
 * Counts the funnel of each day (docs/decisions/0032). A day is counted again until all its onboardings have
 * ended. Then its counts are final, even after erasures.
 */
@Injectable()
export class FunnelCount {
  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CONFIG) private readonly config: Pick<Config, 'FUNNEL_EVERY_MS'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async run(): Promise<{ days: number; onboardings: number }> {
    const began = this.clock.monotonicMs();
    const counted = { days: 0, onboardings: 0 };
    for (const day of await this.#dueDays()) {
      if (this.clock.monotonicMs() - began > RUN_MS) break;
      counted.onboardings += await this.#count(day);
      counted.days += 1;
    }
    return counted;
  }

  /** @returns the start of each due day, in milliseconds since the epoch. */
  async #dueDays(): Promise<number[]> {
    const { now, oldestId, days } = await this.#state();
    if (oldestId === null) return [];
    const today = dayOf(now.getTime());
    const oldest = Math.max(dayOf(timeOfUuidV7(oldestId)), today - DAYS_BACK * DAY_MS);
    const all = Array.from({ length: (today - oldest) / DAY_MS + 1 }, (_, ago) => today - ago * DAY_MS);
    const open = Object.values(days).filter(({ isFinal }) => !isFinal);
    const tookMs = open.reduce((sum, day) => sum + day.tookMs, 0);
    // Half of the interval is enough, because the job may run a little early.
    const pauseMs = Math.max(this.config.FUNNEL_EVERY_MS / 2, PAUSE * tookMs);
    return all.filter((day) => {
      const last = days[nameOf(day)];
      return !last || (!last.isFinal && last.ageMs >= pauseMs);
    });
  }

  async #count(day: number): Promise<number> {
    const { now } = await this.#state();
    const began = this.clock.monotonicMs();
    const below = lowestUuidV7(day + DAY_MS);
    const byIntegration = new Map<string, FunnelCounts>();
    let onboardings = 0;
    for (let after: string | undefined = idBefore(day); after !== undefined;) {
      const facts: Fact[] = await this.#run(FUNNEL_BATCH, { after, below, limit: BATCH });
      const last = facts.find(({ what }) => what === 'last');
      addFacts(byIntegration, facts);
      onboardings += last?.count ?? 0;
      after = last?.count === BATCH ? last.key : undefined;
    }
    const counts = [...byIntegration].map(([integration, each]) => ({ integration, ...each }));
    const isOver = now.getTime() >= day + DAY_MS + LATE_CLOCK_MS;
    await this.#run(FUNNEL_WRITE, {
      day: nameOf(day),
      integrations: [...byIntegration.keys()],
      rows: counts,
      countedAt: now,
      tookMs: this.clock.monotonicMs() - began,
      isFinal: isOver && counts.every(({ live }) => live === 0),
    });
    return onboardings;
  }

  async #state(): Promise<State> {
    const from = nameOf(dayOf(this.clock.nowMs()) - (DAYS_BACK + 1) * DAY_MS);
    const [state] = await this.#run<State>(FUNNEL_STATE, { from });
    return state!;
  }

  #run<Row>(by: Statement, values: Record<string, unknown>): Promise<Row[]> {
    return this.statements.run<Row>(by, by.bind(values));
  }
}

function addFacts(byIntegration: Map<string, FunnelCounts>, facts: readonly Fact[]): void {
  for (const { integration, what, key, count } of facts) {
    if (what === 'last') continue;
    const counts = byIntegration.get(integration) ?? emptyCounts();
    byIntegration.set(integration, counts);
    const more = emptyCounts();
    if (what === 'ending') more.endings[key as `${EndedState}/${string}`] = count;
    else if (what in more.times) more.times[what as Span][Number(key)] = count;
    else more[what as 'started'] = count;
    addCounts(counts, more);
  }
}

const dayOf = (ms: number) => Math.floor(ms / DAY_MS) * DAY_MS;
const nameOf = (day: number) => new Date(day).toISOString().slice(0, 10);
const idBefore = (day: number) => lowestUuidV7(day - 1).replace(/7000-8000-0{12}$/, '7fff-bfff-ffffffffffff');
