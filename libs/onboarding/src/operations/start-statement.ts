import { prepared, type PreparedStatement } from '#libs/database';
import { idsOf, narrowed } from '../store/list-reader.js';
import { listStatement, type Listed } from '../store/list.js';
import { statement } from '../store/statement.js';
import { AUDITED, GIVEN, GIVEN_COLUMNS, OPERATION } from './operation-statements.js';
import { MAX_ITEMS, type Actor, type OperationFilter, type OperationTarget } from './operation.js';

export interface Sql {
  text: string;
  values: unknown[];
}

/**
 * SQL for the ids of a target, at most `limit` of them. Given ids need not exist: such an item is refused.
 */
export function targetIds(target: OperationTarget, actor: Pick<Actor, 'integrations'>, limit: number): Sql {
  if ('ids' in target) {
    return { text: 'SELECT DISTINCT id FROM unnest($1::uuid[]) AS id', values: [[...target.ids]] };
  }
  const { text, values } = filteredBy(target.filter, actor, { order: 'any', limit });
  return { text: `SELECT listed.id FROM (${text}) listed`, values };
}

/** SQL for the onboardings of a filter, within the integrations of the actor. */
export function filteredBy(
  filter: OperationFilter,
  actor: Pick<Actor, 'integrations'>,
  page: Pick<Listed, 'order' | 'limit'>,
): Sql {
  const { caller, integration, states, accountId, userId, externalRef } = filter;
  const { step, parked, parkedReason, waiting, endedUnresolved } = filter;
  return listStatement({
    callers: caller === undefined ? null : [caller],
    integrations: narrowed(actor.integrations ?? null, integration),
    states,
    accountId,
    organizationId: undefined,
    userId,
    externalRef,
    subjectKeys: undefined,
    step,
    parked,
    parkedReason,
    waiting: waiting ?? false,
    endedUnresolved: endedUnresolved ?? false,
    ...idsOf(filter),
    ...page,
  });
}

const IDS = '/* ids */';

/**
 * Writes the operation, its items and the audit together. Writes nothing if the target is too large, or if
 * the idempotency key is taken.
 */
const START = statement(
  'start_operation',
  `WITH picked AS MATERIALIZED (${IDS}),
  counted AS (SELECT count(*)::int AS n FROM picked),
  key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM counted WHERE $key::text IS NOT NULL AND n <= $max::int
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  started AS (
    INSERT INTO operations (${GIVEN_COLUMNS}, state, total, ended_at)
    SELECT ${GIVEN}, CASE WHEN n = 0 THEN 'done' ELSE 'queued' END, n,
      CASE WHEN n = 0 THEN clock_timestamp() END
    FROM counted
    WHERE n <= $max::int AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
    RETURNING *
  ),
  items AS (
    INSERT INTO operation_items (operation_id, onboarding_id)
    SELECT s.id, p.id FROM started s CROSS JOIN picked p
  ),
  audited AS (${AUDITED} started)
  SELECT counted.n AS count, ${OPERATION} FROM counted LEFT JOIN started o ON true`,
);

/** @param given the values of the statement besides the ids. */
export function startStatement(ids: Sql, given: Record<string, unknown>) {
  const values = START.bind({ ...given, max: MAX_ITEMS });
  const shifted = ids.text.replaceAll(/\$(\d+)/g, (_, n: string) => `$${Number(n) + values.length}`);
  const run: PreparedStatement = { ...prepared(START.text.replace(IDS, () => shifted)), alone: true };
  return { run, values: [...values, ...ids.values] };
}
