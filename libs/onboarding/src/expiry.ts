import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, type Config } from '#libs/platform';
import { isEnded, nextState, stepOfState, type OtpNeededReason, type Signal, type State } from './machine.js';
import type { LastResult, Onboarding } from './onboarding.entity.js';
import type { Condition, Row } from './onboarding.store.js';
import { SEALED, statesThatNeed } from './secrets.js';
import { logOutcomeLost } from './step-log.js';
import { NOW, columnOf, prepared } from './statement.js';

/** What the end of a code or a session means where it ends before the onboarding does. */
const AT_DEADLINE = {
  otp_sent: { signal: 'otp_expired', inDoubt: 'otp_expired', reason: 'otp_expired' },
  otp_submitted: { signal: 'otp_expired', inDoubt: 'outcome_lost', reason: 'otp_expired' },
  otp_verified: { signal: 'session_expired', inDoubt: 'session_expired', reason: 'session_expired' },
  authenticators_submitted: { signal: 'session_expired', inDoubt: 'outcome_lost', reason: 'session_expired' },
} as const satisfies Partial<Record<State, { signal: Signal; inDoubt: Signal; reason: OtpNeededReason }>>;

const RAN_OUT = 'The time ran out before the step could end.';

/**
 * A row as the clock has it: a read never shows as live what is past its instant. What ran out first counts first:
 * a code, and then the onboarding's idle time, are two changes, whether or not anybody wrote the one before the other.
 */
export function asOfNow(row: Row): Row {
  if (!isDue(row)) return row;
  const signal = signalOf(row);
  const state = nextState({ state: row.state, step: row.step }, signal);
  if (!state) throw new Error(`"${signal}" leads nowhere from "${row.state}"`);
  const byDeadline = AT_DEADLINE[row.state as keyof typeof AT_DEADLINE];
  return asOfNow({
    ...row,
    state,
    version: row.version + 1,
    reason: state === 'otp_needed' ? byDeadline.reason : null,
    step: state === 'outcome_unknown' ? row.step : null,
    leaseUntil: null,
    nextAttemptAt: null,
    parkedReason: null,
    parkedAt: null,
    deadlineAt: deadlineOf(row, state),
    lastResult: resultOf(row, signal) ?? row.lastResult,
  });
}

/** How the step ended that was still waiting for its next try. */
function resultOf({ state, now }: Row, signal: Signal): LastResult | null {
  const step = stepOfState(state);
  if (!step || signal === 'expired') return null;
  const code = signal === 'outcome_lost' ? 'outcome_unknown' : (signal as LastResult['code']);
  return { step, code, detail: RAN_OUT, at: now.toISOString() };
}

/** As the database computes it for states that wait for neither code nor session. */
function deadlineOf({ idleEndsAt, lifeEndsAt }: Row, state: State): Date | null {
  if (isEnded(state)) return null;
  return state === 'outcome_unknown' || lifeEndsAt < idleEndsAt ? lifeEndsAt : idleEndsAt;
}

/** A step in flight is left alone: its settle applies the deadline. */
function isDue({ deadlineAt, leaseUntil, now }: Row): boolean {
  return deadlineAt !== null && deadlineAt <= now && (leaseUntil === null || leaseUntil <= now);
}

function signalOf(row: Row): Signal {
  if (row.lifeEndsAt <= row.deadlineAt! || row.idleEndsAt <= row.deadlineAt!) return 'expired';
  const at = AT_DEADLINE[row.state as keyof typeof AT_DEADLINE];
  return mayHaveActed(row) ? at.inDoubt : at.signal;
}

/** A lease that has lapsed is a call whose process died: it may have taken effect. */
const mayHaveActed = (row: Pick<Onboarding, 'doubtAttempt' | 'leaseUntil'>) =>
  row.doubtAttempt !== null || row.leaseUntil !== null;

/** Whether the row `o` reads as another than it is written: see {@link asOfNow}. */
export const due = (now: string) =>
  `o.deadline_at <= ${now} AND (o.lease_until IS NULL OR o.lease_until <= ${now})`;

/** For a command: what it decides on must be written first, or one version would be told as two states. */
export const asWritten: Condition = () => `(${due('clock_timestamp()')}) IS NOT TRUE`;

const SIGNAL = `CASE
    WHEN least(o.idle_ends_at, o.life_ends_at) <= o.deadline_at THEN 'expired'
    ${Object.entries(AT_DEADLINE)
      .map(
        ([state, { signal, inDoubt }]) => `WHEN o.state = '${state}' THEN
      CASE WHEN o.doubt_attempt IS NOT NULL OR o.lease_until IS NOT NULL THEN '${inDoubt}' ELSE '${signal}' END`,
      )
      .join('\n    ')}
  END`;

/** The machine's own answers: no second table of transitions. */
const MOVES = Object.entries(AT_DEADLINE).flatMap(([from, { signal, inDoubt, reason }]) =>
  [...new Set([signal, inDoubt])].map((each) => {
    const state = from as State;
    return { state, signal: each, reason, target: nextState({ state }, each) };
  }),
);

/** The states that a row may show without being written in them; any other it shows as written, or not at all. */
const SHOWN_BY_TIME: ReadonlySet<State | null> = new Set(['expired', ...MOVES.map(({ target }) => target)]);

const TARGETS = MOVES.map(({ state, signal, reason, target }) => {
  const step = stepOfState(state);
  const why = target === 'otp_needed' ? `'${reason}'` : 'NULL';
  const code = signal === 'outcome_lost' ? 'outcome_unknown' : signal;
  const result = step ? `jsonb_build_object('step', '${step}', 'code', '${code}')` : 'NULL::jsonb';
  return `('${state}', '${signal}', '${target}', ${why}, ${result})`;
}).join(',\n      ');

/** The state that the row `o` shows now. */
export const effectiveStateSql = `(CASE WHEN ${due('clock_timestamp()')} THEN coalesce(
    (SELECT CASE
        WHEN o.life_ends_at <= clock_timestamp() THEN 'expired'
        WHEN o.idle_ends_at <= clock_timestamp() AND t.target <> 'outcome_unknown' THEN 'expired'
        ELSE t.target END
      FROM (VALUES ${TARGETS}) AS t (state, signal, target, reason, result)
      WHERE t.state = o.state AND t.signal = ${SIGNAL}), 'expired') ELSE o.state END)`;

/** For lists: whether the row `o` shows the state that is bound to `:state`, by its index where that can tell. */
export function showsState(state: State): string {
  const written = 'o.state = :state';
  const shown = `${effectiveStateSql} = :state`;
  if (SHOWN_BY_TIME.has(state)) return shown;
  return isEnded(state) ? written : `${written} AND ${shown}`;
}

const batch = (only: string) => `
  WITH due AS (
    SELECT o.id, ${SIGNAL} AS signal FROM onboardings o
    WHERE ${due(NOW)} ${only} ORDER BY o.deadline_at LIMIT $1 FOR UPDATE SKIP LOCKED
  ),
  moves AS (
    SELECT due.id, due.signal, coalesce(t.target, 'expired') AS target, t.reason, t.result,
      (${SEALED.map((field) => wipes(field)).join(' OR ')}) AS wiped
    FROM due JOIN onboardings o ON o.id = due.id
    LEFT JOIN (VALUES
      ${TARGETS}
    ) AS t (state, signal, target, reason, result) ON t.state = o.state AND t.signal = due.signal
  ),
  moved AS (
    UPDATE onboardings o SET
      state = m.target, reason = m.reason, version = o.version + 1, last_seq = o.last_seq + 1 + m.wiped::int,
      step = CASE WHEN m.target = 'outcome_unknown' THEN o.step END,
      lease_until = NULL, next_attempt_at = NULL, woken_at = NULL, parked_reason = NULL, parked_at = NULL,
      last_result = CASE WHEN m.result IS NULL THEN o.last_result ELSE
        m.result || jsonb_build_object('detail', '${RAN_OUT}', 'at', ${instant('clock_timestamp()')}) END,
      ${SEALED.map((field) => `${columnOf(field)} = CASE WHEN ${kept(field, 'm.target')} THEN o.${columnOf(field)} END`).join(', ')},
      updated_at = clock_timestamp()
    FROM moves m WHERE o.id = m.id
    RETURNING o.id, o.last_seq, o.integration, o.step, coalesce(o.doubt_attempt, o.attempt) AS attempt, o.unresolved,
      m.signal, m.wiped
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor)
    SELECT id, last_seq - wiped::int, signal, 'service' FROM moved
    UNION ALL SELECT id, last_seq, 'secrets_wiped', 'service' FROM moved WHERE wiped
  )
  SELECT signal, count(*)::int AS count,
    coalesce(jsonb_agg(jsonb_build_object('onboardingId', id, 'integration', integration, 'step', step,
      'attempt', attempt, 'unresolved', unresolved)) FILTER (WHERE signal = 'outcome_lost'), '[]') AS lost
  FROM moved GROUP BY signal`;

function kept(field: (typeof SEALED)[number], state: string): string {
  return `${state} IN (${statesThatNeed(field)
    .map((each) => `'${each}'`)
    .join(', ')})`;
}

function wipes(field: (typeof SEALED)[number]): string {
  return `(o.${columnOf(field)} IS NOT NULL AND NOT ${kept(field, `coalesce(t.target, 'expired')`)})`;
}

function instant(expression: string): string {
  return `to_char(${expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** How many onboardings a batch moved by one signal, and the attempts whose outcome it gave up. */
interface Moved {
  signal: string;
  count: number;
  lost: (Pick<Onboarding, 'integration' | 'step' | 'attempt' | 'unresolved'> & { onboardingId: string })[];
}

/** How many codes, sessions and onboardings one run ended, and how many steps it left in doubt. */
export interface ExpiryCounts {
  codes: number;
  sessions: number;
  onboardings: number;
  outcomesLost: number;
}

/** Ends what is due. Many workers may do so at once: each skips what another holds. */
@Injectable()
export class Expiry {
  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Batch after batch until nothing is due: what one has moved may be due again. */
  async run(): Promise<ExpiryCounts> {
    const totals: Record<string, number> = {};
    for (;;) {
      const rows = await this.#batch('', [this.config.EXPIRY_BATCH]);
      for (const { signal, count } of rows) totals[signal] = (totals[signal] ?? 0) + count;
      if (rows.length === 0) break;
    }
    return {
      codes: totals['otp_expired'] ?? 0,
      sessions: totals['session_expired'] ?? 0,
      onboardings: totals['expired'] ?? 0,
      outcomesLost: totals['outcome_lost'] ?? 0,
    };
  }

  /** One onboarding, for a command that cannot wait for the batch. */
  async runFor(id: string): Promise<void> {
    while ((await this.#batch('AND o.id = $2::uuid', [1, id])).length > 0);
  }

  async #batch(only: string, values: unknown[]): Promise<Moved[]> {
    const moved = await this.statements.run<Moved>(prepared(batch(only)), values);
    for (const each of moved.flatMap(({ lost }) => lost)) {
      const open = each.unresolved.find(({ attempt }) => attempt === each.attempt);
      logOutcomeLost(each, 'out_of_time', open?.evidence);
    }
    return moved;
  }
}
