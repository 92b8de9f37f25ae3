import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { QueueWatch, type QueuesState } from '#libs/jobs';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import type { ParkedReason, ResultCode } from '../flow/codes.js';
import type { StepName } from '../flow/table.js';
import {
  IntegrationReports,
  type Count,
  type Pause,
  type Reports,
} from '../integrations/integration-reports.js';
import { findingOf } from '../integrations/integration-verdict.js';
import type { Statement } from '../store/statement.js';
import { NOW_ENDED_UNRESOLVED, NOW_LOST, NOW_PARKED, NOW_WAITING } from '../store/statements/now.js';
import { problemsOf, sumOf } from './now-problems.js';
import type { Counted, IntegrationNow, Now, QueuesNow } from './types.js';

/** Counting stops at this number in each group. The result is then `at_least`. */
const MOST = 1_000;
const SHARED_MS = 1_000;

interface Group {
  integration: string;
  step: StepName;
  count: number;
  isCapped: boolean;
  since: Date;
}
type Waiting = Group & { lastResultCode: ResultCode | null; detail: string | null; nextAttemptAt: Date };
type Parked = Group & { reason: ParkedReason };

@Injectable()
export class NowView {
  #last: { atMs: number; now: Promise<Now> } | null = null;

  constructor(
    private readonly statements: PreparedStatements,
    private readonly reports: IntegrationReports,
    private readonly queues: QueueWatch,
    @Inject(CONFIG) private readonly config: Pick<Config, 'CLOCK_SKEW_WARN_MS'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * The answer is at most one second old. Counts stop at a limit, so the read is quick for many onboardings.
   */
  read(): Promise<Now> {
    const atMs = this.clock.monotonicMs();
    if (this.#last && atMs - this.#last.atMs < SHARED_MS) return this.#last.now;
    const now = this.#read();
    this.#last = { atMs, now };
    now.catch(() => (this.#last = null));
    return now;
  }

  async #read(): Promise<Now> {
    const [reports, processes, waiting, parked, lost, ended, queues] = await Promise.all([
      this.reports.read(),
      this.reports.processes(),
      this.#groups<Waiting>(NOW_WAITING),
      this.#groups<Parked>(NOW_PARKED),
      this.#groups<Group>(NOW_LOST),
      this.#groups<Group>(NOW_ENDED_UNRESOLVED),
      this.queues.read(),
    ]);
    const now = {
      at: instant(reports.now),
      integrations: this.#integrations(reports, { waiting, parked, lost }),
      lostOutcomes: lost.map((group) => ({ ...groupView(group), step: group.step })),
      endedUnresolved: { ...sumOf(ended.map(counted)), since: earliest(ended.map(({ since }) => since)) },
      parked: byReason(parked),
      waiting: waiting.map(({ step, lastResultCode, detail, nextAttemptAt, ...group }) => ({
        ...groupView(group),
        step,
        lastResultCode,
        detail,
        nextAttemptAt: nextAttemptAt.toISOString(),
      })),
      queues: queuesView(queues),
      processes: processes.map(({ seenAt, ...process }) => ({ ...process, seenAt: seenAt.toISOString() })),
    };
    return { ...now, problems: problemsOf(now) };
  }

  #groups<T extends Group>(by: Statement): Promise<T[]> {
    return this.statements.run<T>(by, by.bind({ limit: MOST }));
  }

  #integrations(
    { views, troubles, pauses, now }: Reports,
    { waiting, parked, lost }: { waiting: Group[]; parked: Parked[]; lost: Group[] },
  ): IntegrationNow[] {
    const names = [...views, ...pauses, ...waiting, ...parked, ...lost].map(({ integration }) => integration);
    const counts = [
      ...parked.map((group) => countOf('parked', group, group.reason)),
      ...lost.map((group) => countOf('outcome_unknown', group, null)),
    ];
    return [...new Set(names)]
      .sort()
      .map((name) => {
        const ofIntegration = <T extends { integration: string }>(all: readonly T[]) =>
          all.filter(({ integration }) => integration === name);
        const known = {
          views: ofIntegration(views),
          troubles: ofIntegration(troubles),
          counts: ofIntegration(counts),
          pause: ofIntegration(pauses)[0] ?? null,
          now,
        };
        const finding = findingOf(known, this.config.CLOCK_SKEW_WARN_MS);
        const { breakers = [], refused, failing = [] } = finding;
        const begun = [...breakers, ...(refused ? [refused] : []), ...failing].map(({ since }) => since);
        return {
          name,
          status: finding.status,
          detail: finding.detail ?? null,
          finding,
          pause: shownPause(known.pause),
          since: begun.sort()[0] ?? null,
          errors: known.troubles.map(({ what, failure, status, failures, since, lastAt, goodUntil }) => ({
            call: what === 'access' ? 'any' : what,
            class: failure,
            upstreamStatus: status,
            failures,
            since: instant(since),
            lastAt: instant(lastAt),
            isCurrent: now < goodUntil,
          })),
          seenBy: known.views.map(({ process, breaker, breakerSince, refusedSince, ...view }) => ({
            process,
            breaker,
            breakerSince: breakerSince === null ? null : instant(breakerSince),
            refusedSince: refusedSince === null ? null : instant(refusedSince),
            refusedStatus: view.refusedStatus,
            clockSkewMs: view.skewMs,
            signer: view.signer,
            key: view.key,
          })),
          affected: {
            waiting: sumOf(ofIntegration(waiting).map(counted)),
            parked: sumOf(ofIntegration(parked).map(counted)),
            outcomeUnknown: sumOf(ofIntegration(lost).map(counted)),
          },
        };
      })
      .sort((one, other) => rank(one) - rank(other));
  }
}

const rank = ({ status }: IntegrationNow) => (status === 'down' ? 0 : 1);

const countOf = (
  what: Count['what'],
  { integration, count, since }: Group,
  reason: string | null,
): Count => ({
  integration,
  what,
  reason,
  count,
  since: since.getTime(),
});

/** Merges the groups of different steps. */
function byReason(groups: readonly Parked[]) {
  const keys = new Map(
    groups.map(({ integration, reason }) => [`${integration} ${reason}`, { integration, reason }]),
  );
  return [...keys.values()].map(({ integration, reason }) => {
    const matching = groups.filter((group) => group.integration === integration && group.reason === reason);
    return {
      integration,
      reason,
      ...sumOf(matching.map(counted)),
      since: earliest(matching.map(({ since }) => since))!,
    };
  });
}

const counted = ({ count, isCapped }: Pick<Group, 'count' | 'isCapped'>): Counted => ({
  count,
  counted: isCapped ? 'at_least' : 'exactly',
});

const groupView = ({ integration, since, ...group }: Omit<Group, 'step'>) => ({
  integration,
  ...counted(group),
  since: since.toISOString(),
});

const earliest = (instants: readonly Date[]) =>
  instants.length === 0 ? null : instant(Math.min(...instants.map((at) => at.getTime())));

function queuesView({ trouble, queues }: QueuesState): QueuesNow {
  return {
    redis: { status: trouble === null ? 'up' : 'down', detail: trouble },
    queues: queues.map(({ finding, pausedAt, oldestDueAt, lastFinishedAt, ...queue }) => ({
      name: queue.name,
      status: finding.status,
      detail: finding.detail ?? '',
      paused: queue.paused,
      pausedSince: pausedAt === null ? null : instant(pausedAt),
      waiting: queue.waiting,
      active: queue.active,
      delayed: queue.delayed,
      failed: queue.failed,
      completed: queue.completed,
      oldestWaitingSince: oldestDueAt === null ? null : instant(oldestDueAt),
      lagMs: oldestDueAt === null ? 0 : Math.max(0, Date.now() - oldestDueAt),
      lastFinishedAt: lastFinishedAt === null ? null : instant(lastFinishedAt),
    })),
  };
}

const instant = (ms: number) => new Date(ms).toISOString();

const shownPause = (pause: Pause | null): IntegrationNow['pause'] =>
  pause && { since: instant(pause.since), by: pause.by, reason: pause.reason };
