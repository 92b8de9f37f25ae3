import { IS_ENDED_UNRESOLVED, OF_STATE, WAITING } from '../list.js';
import { statement } from '../statement.js';
import { stretchesSql, type KeyedIndex } from '../stretches.js';

const OF_INTEGRATION = '(o.integration COLLATE "C")';
const ANY = `ARRAY['']`;

/**
 * Groups the rows of an index. Reads at most the oldest `$limit` rows of each key; if a key has more rows,
 * `isCapped` is set on all its groups. For a condition besides the key and the index's own predicate,
 * PostgreSQL would read any number of rows. With `=` on the key, PostgreSQL would use the primary key, so the
 * key is compared with a range. Locks nothing.
 */
const grouped = (
  name: string,
  index: KeyedIndex,
  { beginnings, by, facts }: { beginnings: string; by: string; facts: string },
) =>
  statement(
    name,
    `WITH RECURSIVE ${stretchesSql(index, beginnings)}
    SELECT g.* FROM stretches CROSS JOIN LATERAL (
      SELECT o.integration, ${by}, count(*)::int AS count, ${facts},
        sum(count(*)) OVER () >= $limit::int AS "isCapped"
      FROM (
        SELECT o.integration, o.step, o.parked_reason, o.parked_at, o.last_result, o.updated_at,
          o.next_attempt_at
        FROM onboardings o
        WHERE ${index.key} >= stretches.key AND ${index.key} <= stretches.key
          ${index.only ? `AND ${index.only}` : ''}
        ORDER BY ${index.key}, o.id LIMIT $limit::int
      ) o
      GROUP BY 1, 2, 3
    ) g ORDER BY g.count DESC`,
    { alone: true },
  );

export const NOW_WAITING = grouped('now_waiting', WAITING, {
  beginnings: ANY,
  by: `o.step, o.last_result ->> 'code' AS "lastResultCode"`,
  facts: `max(o.last_result ->> 'detail') AS detail,
    min(coalesce((o.last_result ->> 'at')::timestamptz, o.updated_at)) AS since,
    min(o.next_attempt_at) AS "nextAttemptAt"`,
});

export const NOW_PARKED = grouped(
  'now_parked',
  { key: OF_INTEGRATION, only: 'o.parked_reason IS NOT NULL' },
  { beginnings: ANY, by: 'o.parked_reason AS reason, o.step', facts: 'min(o.parked_at) AS since' },
);

export const NOW_LOST = grouped(
  'now_lost',
  { key: OF_STATE },
  {
    beginnings: `ARRAY['outcome_unknown/']`,
    by: 'o.step, NULL AS reason',
    facts: 'min(o.updated_at) AS since',
  },
);

export const NOW_ENDED_UNRESOLVED = grouped(
  'now_ended_unresolved',
  { key: OF_INTEGRATION, only: IS_ENDED_UNRESOLVED },
  { beginnings: ANY, by: 'NULL AS step, NULL AS reason', facts: 'min(o.updated_at) AS since' },
);
