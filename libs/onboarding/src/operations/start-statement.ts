import { prepared, type PreparedStatement } from '#libs/database';
import { ENDED_STATES } from '../flow/table.js';
import { idsOf, narrowed } from '../store/list-reader.js';
import { listStatement, type Listed } from '../store/list.js';
import { statement } from '../store/statement.js';
import { AUDITED, GIVEN, GIVEN_COLUMNS, KEY_TAKEN, OPERATION } from './operation-statements.js';
import type { Actor, OperationFilter, OperationTarget } from './operation.js';

export interface Sql {
  text: string;
  values: unknown[];
}

/**
 * @returns SQL for the ids of a target; for a filter, at most `limit` ids. An id that does not exist is
 *   refused later, as an item.
 */
export function targetIds(target: OperationTarget, actor: Pick<Actor, 'integrations'>, limit: number): Sql {
  if ('ids' in target) {
    return { text: 'SELECT DISTINCT id FROM unnest($1::uuid[]) AS id', values: [[...target.ids]] };
  }
  const { text, values } = filteredBy(target.filter, actor, { order: 'any', limit });
  return { text: `SELECT listed.id FROM (${text}) listed`, values };
}

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

const ENDED = ENDED_STATES.map((state) => `'${state}'`).join(', ');
const IDS = '/* ids */';

/** Writes nothing if the target is too large, or if the idempotency key is taken. */
const START = statement(
  'start_operation',
  `WITH picked AS MATERIALIZED (${IDS}),
  counted AS (SELECT count(*)::int AS n FROM picked),
  ${KEY_TAKEN('counted WHERE $key::text IS NOT NULL AND n <= $max::int')},
  started AS (
    INSERT INTO operations (${GIVEN_COLUMNS}, state, total, ended_at)
    SELECT ${GIVEN}, CASE WHEN n = 0 THEN 'done' ELSE 'queued' END, n,
      CASE WHEN n = 0 THEN clock_timestamp() END
    FROM counted
    WHERE n <= $max::int AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
    RETURNING *
  ),
  items AS (
    INSERT INTO operation_items (operation_id, onboarding_id, seen_attempt)
    SELECT s.id, p.id, (
      SELECT CASE WHEN o.state IN (${ENDED}) THEN (o.unresolved -> -1 ->> 'attempt')::int ELSE o.attempt END
      FROM onboardings o WHERE o.id = p.id AND s.action IN ('resolve_done', 'resolve_not_done'))
    FROM started s CROSS JOIN picked p
  ),
  audited AS (${AUDITED} started)
  SELECT counted.n AS count, EXISTS (
      SELECT 1 FROM idempotency_keys k
      WHERE k.caller = $keyCaller::text AND k.route = $route::text AND k.key = $key::text) AS "isRepetition",
    ${OPERATION} FROM counted LEFT JOIN started o ON true`,
);

/** @param given the values of the statement, except those of the ids. */
export function startStatement(ids: Sql, given: Record<string, unknown>) {
  const values = START.bind(given);
  const shifted = ids.text.replaceAll(/\$(\d+)/g, (_, n: string) => `$${Number(n) + values.length}`);
  const run: PreparedStatement = prepared(START.text.replace(IDS, () => shifted));
  return { run, values: [...values, ...ids.values] };
}
