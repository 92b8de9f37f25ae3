import type { ParkedReason } from '../flow/codes.js';
import type { Counted, IntegrationNow, Now, Problem } from './types.js';

type Facts = Omit<Now, 'problems'>;
type Found = Pick<Problem, 'kind' | 'severity' | 'text'> & Partial<Problem>;

/** A shorter wait for a retry is not shown as a problem, unless many onboardings wait. */
const LONG_MS = 10_000;
const MANY = 3;

const SEVERITIES = ['critical', 'serious', 'notice'] as const;

/** @returns the most severe problem first; of equal severity, the one with the most affected onboardings. */
export function problemsOf(now: Facts): Problem[] {
  const found: Found[] = [
    ...processes(now),
    ...now.integrations.flatMap(integration),
    ...queues(now),
    ...lost(now),
    ...parked(now),
    ...waiting(now),
    ...endedUnresolved(now),
  ];
  return found
    .map((each) => ({ ...NOTHING_MORE, ...each }))
    .sort((one, other) => rankOf(one) - rankOf(other) || affectedBy(other) - affectedBy(one));
}

const NOTHING_MORE = {
  since: null,
  affected: null,
  integration: null,
  step: null,
  parkedReason: null,
  queue: null,
};

const rankOf = ({ severity }: Problem) => SEVERITIES.indexOf(severity);
const affectedBy = ({ affected }: Problem) => affected?.count ?? 0;

function processes({ processes: all, at }: Facts): Found[] {
  const kind = 'processes';
  const roles = [
    ['worker', 'No worker reports: no retry, no expiry and no probe runs.'],
    ['service', 'No service reports: no caller is served.'],
  ] as const;
  return [
    ...roles
      .filter(([role]) => !all.some(({ name, isLive }) => isLive && name.startsWith(`${role}-`)))
      .map(([, text]) => ({ kind, severity: 'critical', text }) as const),
    ...all
      .filter(({ isLive }) => !isLive)
      .map(({ name, seenAt }) => {
        const seconds = Math.round((Date.parse(at) - Date.parse(seenAt)) / 1_000);
        const text = `${name} has not reported for ${seconds} s: it may have died.`;
        return { kind, severity: 'notice', text, since: seenAt } as const;
      }),
  ];
}

function integration({ name, status, detail, finding, since, affected }: IntegrationNow): Found[] {
  const isCut = finding.refused || finding.breakers || finding.unsigned || finding.failing;
  const isSlight = finding.clockSkewSeconds !== undefined || finding.paused !== undefined;
  if (status === 'up' || (!isCut && !isSlight)) return [];
  const { waiting, parked: stopped, outcomeUnknown } = affected;
  return [
    {
      kind: 'integration',
      severity: isCut ? 'critical' : 'serious',
      text: `${name}: ${detail ?? 'is down'}`,
      since,
      affected: sumOf([waiting, stopped, outcomeUnknown]),
      integration: name,
    },
  ];
}

function queues({ queues: { redis, queues: all } }: Facts): Found[] {
  if (redis.status === 'down') {
    const text = `${redis.detail ?? 'Redis is away'}. Retries wait until Redis takes jobs again.`;
    return [{ kind: 'redis', severity: 'serious', text }];
  }
  return all
    .filter(({ status }) => status === 'down')
    .map(({ name, detail, pausedSince, oldestWaitingSince }) => ({
      kind: 'queue',
      severity: 'serious',
      text: `Queue ${name}: ${detail}`,
      since: pausedSince ?? oldestWaitingSince,
      queue: name,
    }));
}

const END_OF_PARKING: Record<ParkedReason, string> = {
  upstream_misconfigured: 'the integration is repaired',
  integration_missing: 'the integration is configured again',
  integration_paused: 'an operator resumes the integration',
};

const lost = ({ lostOutcomes }: Facts): Found[] =>
  lostOutcomes.map(({ integration: name, step, since, ...affected }) => ({
    kind: 'lost_outcomes',
    severity: 'serious',
    text: `${name}: ${countText(affected)} with an unknown outcome of ${step}. Each needs a decision.`,
    since,
    affected,
    integration: name,
    step,
  }));

const parked = ({ parked: groups }: Facts): Found[] =>
  groups.map(({ integration: name, reason, since, ...affected }) => ({
    kind: 'parked',
    severity: 'serious',
    text: `${name}: ${countText(affected)} parked (${reason}). They go on once ${END_OF_PARKING[reason]}.`,
    since,
    affected,
    integration: name,
    parkedReason: reason,
  }));

function waiting({ waiting: groups, at }: Facts): Found[] {
  const now = Date.parse(at);
  return groups
    .filter(({ count, since }) => count >= MANY || now - Date.parse(since) > LONG_MS)
    .map(({ integration: name, step, lastResultCode, since, nextAttemptAt, count, counted }) => {
      const isLate = now - Date.parse(nextAttemptAt) > LONG_MS;
      const affected = { count, counted };
      const why = lastResultCode ? ` after ${lastResultCode}` : '';
      const late = isLate ? ' The next try is overdue: no worker takes it.' : '';
      return {
        kind: 'waiting',
        severity: isLate ? 'serious' : 'notice',
        text: `${name}: ${countText(affected)} waiting to try ${step} again${why}.${late}`,
        since,
        affected,
        integration: name,
        step,
      } as const;
    });
}

function endedUnresolved({ endedUnresolved: { since, ...affected } }: Facts): Found[] {
  if (affected.count === 0) return [];
  const text = `${countText(affected)} ended with an unknown outcome. A decision is only recorded.`;
  return [{ kind: 'ended_unresolved', severity: 'notice', text, since, affected }];
}

const countText = ({ count, counted }: Counted) => {
  const noun = count === 1 ? 'onboarding' : 'onboardings';
  return `${counted === 'at_least' ? 'at least ' : ''}${count} ${noun}`;
};

export function sumOf(parts: readonly Counted[]): Counted {
  return {
    count: parts.reduce((sum, { count }) => sum + count, 0),
    counted: parts.some(({ counted }) => counted === 'at_least') ? 'at_least' : 'exactly',
  };
}
