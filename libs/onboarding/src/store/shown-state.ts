import {
  LIVE_STATES,
  boundOf,
  countsIdleTime,
  isEnded,
  nextState,
  signalAtBound,
  type State,
} from '../flow/table.js';

/**
 * SQL for the state that a read shows for the row `o`. It differs from the stored state if a deadline has
 * passed and no worker has written the new state yet.
 */

const COLUMN = { otpExpiresAt: 'o.otp_expires_at', sessionEndsAt: 'o.session_ends_at' } as const;

const statesBoundBy = (bound: keyof typeof COLUMN) =>
  LIVE_STATES.filter((state) => boundOf(state) === bound)
    .map((state) => `'${state}'`)
    .join(', ');

const boundSql = `CASE ${(['otpExpiresAt', 'sessionEndsAt'] as const)
  .map((bound) => `WHEN o.state IN (${statesBoundBy(bound)}) THEN ${COLUMN[bound]}`)
  .join(' ')} END`;

const idleSql = `CASE WHEN o.state IN (${LIVE_STATES.filter(countsIdleTime)
  .map((state) => `'${state}'`)
  .join(', ')}) THEN o.idle_ends_at END`;

/** All parts of a statement use the same time, so that they see a row in the same state. */
const NOW = 'statement_timestamp()';

/** The SQL of `deadlineOf`. */
export const deadlineSql = `least(${boundSql}, ${idleSql}, o.life_ends_at)`;

/** SQL for whether a read shows another state than the stored one: see `signalOfTime`. */
export const isDueSql = `${deadlineSql} <= ${NOW}
  AND o.state IN (${LIVE_STATES.map((state) => `'${state}'`).join(', ')})
  AND (o.lease_until IS NULL OR o.lease_until <= ${NOW})`;

const MAY_HAVE_ACTED = `(o.doubt_attempt IS NOT NULL OR o.lease_until IS NOT NULL)`;

/** The next states when a code or a session ends before the onboarding does. */
const MOVES = LIVE_STATES.filter((state) => boundOf(state) !== null).flatMap((state) =>
  [true, false].map((mayHaveActed) => ({
    state,
    mayHaveActed,
    to: nextState({ state }, signalAtBound(state, mayHaveActed))!,
  })),
);

const shownSql = `CASE WHEN NOT (${isDueSql}) THEN o.state
  WHEN o.life_ends_at <= ${NOW} THEN 'expired'
  ${MOVES.map(({ state, mayHaveActed, to }) => {
    const waits = to === 'outcome_unknown' ? '' : ` AND o.idle_ends_at > ${NOW}`;
    const acted = `${mayHaveActed ? '' : 'NOT '}${MAY_HAVE_ACTED}`;
    const bound = COLUMN[boundOf(state)!];
    return `WHEN o.state = '${state}' AND ${acted}${waits}
      AND ${bound} < least(o.idle_ends_at, o.life_ends_at) THEN '${to}'`;
  }).join('\n  ')}
  ELSE 'expired' END`;

const SHOWN_BY_TIME: ReadonlySet<State> = new Set<State>(['expired', ...MOVES.map(({ to }) => to)]);

export const isShownByTime = (state: State): boolean => SHOWN_BY_TIME.has(state);

/** @param values the states as an array in SQL. */
export function showsOneOf(states: readonly State[], values: string): string {
  const written = `o.state = ANY (${values})`;
  if (states.every((state) => isEnded(state) && !isShownByTime(state))) return written;
  const shown = `(${shownSql}) = ANY (${values})`;
  return states.some(isShownByTime) ? shown : `${written} AND ${shown}`;
}
