import { ENDED_STATES } from '../../flow/table.js';
import { OF_STATE, WAITING } from '../list.js';
import { deadlineSql, isDueSql } from '../shown-state.js';
import { statement } from '../statement.js';

const ms = (instant: string) => `(extract(epoch FROM ${instant}) * 1000)::float8`;

/** PostgreSQL's own time: a time measured in this process would contain other work. */
const TOOK = `${ms('clock_timestamp() - statement_timestamp()')} AS "tookMs"`;

/**
 * Groups the next rows of some written states, at most `$limit` rows of each state after its place in
 * `$from`. So a count of many rows takes several short statements. Locks nothing.
 */
export const COUNT_SLICE = statement(
  'count_slice',
  `SELECT to_jsonb(g) - 'lastId' || jsonb_build_object('state', c.state) AS "group", g."lastId", ${TOOK}
  FROM jsonb_to_recordset($from::jsonb) AS c (state text, key text, id uuid)
  CROSS JOIN LATERAL (
    SELECT o.integration, o.step, o.parked_reason AS reason, ${WAITING.only} AS waits,
      EXISTS (SELECT 1 FROM integration_pauses p WHERE p.integration = o.integration) AS paused,
      count(*)::int AS count, max(o.id::text) AS "lastId",
      ${ms('min(o.created_at)')} AS began, ${ms('min(o.parked_at)')} AS "parkedAt",
      ${ms('min(o.updated_at)')} AS "updatedAt", ${ms('min(o.next_attempt_at)')} AS "nextAttemptAt",
      ${ms(`min(CASE WHEN ${WAITING.only}
        THEN coalesce((o.last_result ->> 'at')::timestamptz, o.updated_at) END)`)} AS "answeredAt"
    FROM (
      SELECT o.* FROM onboardings o
      WHERE (${OF_STATE}, o.id) > (c.key, c.id) AND ${OF_STATE} < c.state || '0'
      ORDER BY ${OF_STATE}, o.id LIMIT $limit::int
    ) o
    GROUP BY 1, 2, 3, 4
  ) g`,
  { alone: true },
);

/**
 * Reads how many milliseconds ago the oldest deadline passed whose new state is not written yet; null if
 * there is none. Looks only at the rows that are due for longest, so many overdue retries may hide deadlines.
 * Locks nothing.
 */
export const EXPIRY_LAG = statement(
  'expiry_lag',
  `SELECT ${ms(`clock_timestamp() - min(${deadlineSql})`)} AS "lagMs", ${TOOK} FROM (
    SELECT o.* FROM onboardings o
    WHERE o.state NOT IN (${ENDED_STATES.map((state) => `'${state}'`).join(', ')})
      AND o.due_at <= (SELECT statement_timestamp())
    ORDER BY o.due_at LIMIT $limit::int
  ) o
  WHERE ${isDueSql}`,
  { alone: true },
);
