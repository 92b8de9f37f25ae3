import { LIVE_STATES, stepOfState } from '../../flow/table.js';
import { IS_ENDED_UNRESOLVED, OF_STATE } from '../list.js';
import { statement } from '../statement.js';
import { stretchesSql, type KeyedIndex } from '../stretches.js';

const OF_INTEGRATION = '(o.integration COLLATE "C")';
const beginnings = (states: readonly string[]) => `ARRAY[${states.map((state) => `'${state}/'`).join(', ')}]`;

/**
 * Groups the rows of an index. Reads at most `$limit` rows of each key, the oldest first, so the number of
 * rows does not matter. `isCapped` is set if a key has more rows. The range instead of an equality keeps
 * PostgreSQL from reading the primary key in its order. Locks nothing.
 */
const grouped = (
  name: string,
  index: KeyedIndex,
  { of, by, facts, where = 'true' }: { of: string; by: string; facts: string; where?: string },
) =>
  statement(
    name,
    `WITH RECURSIVE ${stretchesSql(index, of)}
    SELECT g.* FROM stretches CROSS JOIN LATERAL (
      SELECT o.integration, ${by}, ${where} AS counts, count(*)::int AS count, ${facts},
        sum(count(*)) OVER () >= $limit::int AS "isCapped"
      FROM (
        SELECT o.integration, o.step, o.parked_reason, o.parked_at, o.last_result, o.updated_at,
          o.lease_until, o.next_attempt_at
        FROM onboardings o
        WHERE ${index.key} >= stretches.key AND ${index.key} <= stretches.key
          ${index.only ? `AND ${index.only}` : ''}
        ORDER BY ${index.key}, o.id LIMIT $limit::int
      ) o
      GROUP BY 1, 2, 3, 4
    ) g WHERE g.counts ORDER BY g.count DESC LIMIT 50`,
    { alone: true },
  );

export const NOW_WAITING = grouped(
  'now_waiting',
  { key: OF_STATE },
  {
    of: beginnings(LIVE_STATES.filter((state) => stepOfState(state) !== null)),
    by: `o.step, o.last_result ->> 'code' AS "lastResultCode"`,
    facts: `max(o.last_result ->> 'detail') AS detail,
      min(coalesce((o.last_result ->> 'at')::timestamptz, o.updated_at)) AS since,
      min(o.next_attempt_at) AS "nextAttemptAt"`,
    where: 'o.lease_until IS NULL AND o.parked_reason IS NULL AND o.next_attempt_at IS NOT NULL',
  },
);

export const NOW_PARKED = grouped(
  'now_parked',
  { key: OF_INTEGRATION, only: 'o.parked_reason IS NOT NULL' },
  { of: `ARRAY['']`, by: 'o.parked_reason AS reason, o.step', facts: 'min(o.parked_at) AS since' },
);

/** Live onboardings that wait for a decision. */
export const NOW_LOST = grouped(
  'now_lost',
  { key: OF_STATE },
  {
    of: beginnings(['outcome_unknown']),
    by: 'o.step, NULL AS reason',
    facts: 'min(o.updated_at) AS since',
  },
);

/** Ended onboardings with an attempt whose outcome is unknown. */
export const NOW_ENDED_UNRESOLVED = grouped(
  'now_ended_unresolved',
  { key: OF_INTEGRATION, only: IS_ENDED_UNRESOLVED },
  { of: `ARRAY['']`, by: 'NULL AS step, NULL AS reason', facts: 'min(o.updated_at) AS since' },
);
