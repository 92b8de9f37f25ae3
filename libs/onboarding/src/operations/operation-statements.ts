import { statement } from '../store/statement.js';

/** The columns of the operation `o`. */
export const OPERATION = `o.id, o.action, o.actor, o.via, o.role, o.reason, o.target, o.integrations, o.state,
  o.total, o.done, o.refused, o.failed, o.created_at AS "createdAt", o.ended_at AS "endedAt",
  o.trace_parent AS "traceParent"`;

const VISIBLE = `($within::text[] IS NULL OR o.integrations <@ $within::text[])`;

/** The values of {@link GIVEN_COLUMNS}. */
export const GIVEN = `$id::uuid, $action::text, $actor::text, $via::text, $role::text, $reason::text,
  $target::jsonb, $integrations::text[], $traceParent::text`;
export const GIVEN_COLUMNS = 'id, action, actor, via, role, reason, target, integrations, trace_parent';

export const AUDITED = `INSERT INTO audit_events (actor, action, target, address, data)
  SELECT $actor::text, $audited::text, $auditTarget::text, $address::text, $auditData::jsonb FROM`;

export const KEY_TAKEN = (from: string) => `key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM ${from}
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  )`;

export const FIND_OPERATION = statement(
  'find_operation',
  `SELECT ${OPERATION} FROM operations o WHERE o.id = $id::uuid AND ${VISIBLE}`,
);

/** Newest first, because ids grow with time. */
export const LIST_OPERATIONS = statement(
  'list_operations',
  `SELECT ${OPERATION} FROM operations o WHERE o.id < $below::uuid AND ${VISIBLE}
  ORDER BY o.id DESC LIMIT $limit::int`,
);

export const OPERATION_ITEMS = statement(
  'operation_items',
  `SELECT i.onboarding_id AS "onboardingId", i.outcome, i.code, i.detail, i.at FROM operation_items i
  WHERE i.operation_id = $id::uuid AND i.onboarding_id > $after::uuid
    AND ($outcome::text IS NULL OR i.outcome = $outcome::text)
  ORDER BY i.onboarding_id LIMIT $limit::int`,
);

export const OPERATIONS_OF_ONBOARDING = statement(
  'operations_of_onboarding',
  `SELECT o.id, o.action, o.actor, o.reason, o.created_at AS "createdAt", i.outcome, i.code, i.detail
  FROM operation_items i JOIN operations o ON o.id = i.operation_id
  WHERE i.onboarding_id = $id::uuid
  ORDER BY o.id DESC LIMIT $limit::int`,
);

/** Writes nothing if the integration is paused already. */
export const PAUSE = statement(
  'pause_integration',
  `WITH paused AS (
    INSERT INTO integration_pauses (integration, actor, reason)
    VALUES ($integration::text, $actor::text, $reason::text)
    ON CONFLICT (integration) DO NOTHING RETURNING integration
  ),
  started AS (
    INSERT INTO operations (${GIVEN_COLUMNS}, state, ended_at)
    SELECT ${GIVEN}, 'done', clock_timestamp() FROM paused RETURNING *
  ),
  audited AS (${AUDITED} started)
  SELECT ${OPERATION} FROM started o`,
);

/** Writes nothing if the integration is not paused. */
export const RESUME = statement(
  'resume_integration',
  `WITH resumed AS (
    DELETE FROM integration_pauses WHERE integration = $integration::text RETURNING integration
  ),
  started AS (
    INSERT INTO operations (${GIVEN_COLUMNS}, state) SELECT ${GIVEN}, 'queued' FROM resumed RETURNING *
  ),
  audited AS (${AUDITED} started)
  SELECT ${OPERATION} FROM started o`,
);

/** Writes nothing if the idempotency key is taken. */
export const REBUILD = statement(
  'rebuild_wake_ups',
  `WITH ${KEY_TAKEN('(SELECT 1) one WHERE $key::text IS NOT NULL')},
  started AS (
    INSERT INTO operations (${GIVEN_COLUMNS}, state) SELECT ${GIVEN}, 'queued'
    WHERE $key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken) RETURNING *
  ),
  audited AS (${AUDITED} started)
  SELECT ${OPERATION} FROM started o`,
);

/** Writes nothing if the operation has ended. Waits while a worker begins or ends the operation. */
export const ABORT = statement(
  'abort_operation',
  `WITH aborted AS (
    UPDATE operations o SET state = 'aborted', ended_at = clock_timestamp()
    WHERE o.id = $id::uuid AND o.state IN ('queued', 'running') RETURNING *
  ),
  audited AS (${AUDITED} aborted)
  SELECT ${OPERATION} FROM aborted o`,
);

/** An integration exists if a process has reported it, it is paused, or a subject has a budget for it. */
export const KNOWS_INTEGRATION = statement(
  'knows_integration',
  `SELECT EXISTS (SELECT 1 FROM integration_views v WHERE v.integration = $integration::text)
    OR EXISTS (SELECT 1 FROM integration_pauses p WHERE p.integration = $integration::text)
    OR EXISTS (SELECT 1 FROM otp_budgets b WHERE b.integration = $integration::text) AS known`,
);

export const BEGIN = statement(
  'begin_operation',
  `UPDATE operations o SET state = 'running' WHERE o.id = $id::uuid AND o.state = 'queued' RETURNING 1`,
);

export const OPEN_OPERATIONS = statement(
  'open_operations',
  `SELECT o.id FROM operations o WHERE o.state IN ('queued', 'running') ORDER BY o.id`,
);

/**
 * Leases items that no other worker holds. `wasDone`: another worker did the item, but died before recording
 * the result. Finds items by `ctid`, so that PostgreSQL reads no other rows. Reads each idempotency key in a
 * subquery, because for an `EXISTS`, PostgreSQL may read all keys of the route.
 */
export const TAKE = statement(
  'take_operation_items',
  `UPDATE operation_items i SET tries = i.tries + 1,
    lease_until = clock_timestamp() + $leaseMs::float8 * interval '1 millisecond'
  WHERE i.ctid = ANY (ARRAY(
    SELECT w.ctid FROM operation_items w
    WHERE w.operation_id = $id::uuid AND w.outcome = 'waiting'
      AND (w.lease_until IS NULL OR w.lease_until <= (SELECT clock_timestamp()))
      AND EXISTS (SELECT 1 FROM operations o WHERE o.id = $id::uuid AND o.state = 'running')
    ORDER BY w.onboarding_id LIMIT $limit::int FOR UPDATE OF w SKIP LOCKED
  ))
  RETURNING i.onboarding_id AS "onboardingId", i.tries, i.seen_attempt AS "seenAttempt", (
    SELECT true FROM idempotency_keys k WHERE k.caller = $keyCaller::text AND k.route = $keyRoute::text
      AND k.key = $id::text || '/' || i.onboarding_id::text) IS NOT NULL AS "wasDone"`,
);

/**
 * Counts each item once. The condition on the ids makes PostgreSQL use the index even if the table was empty
 * when the statement was planned.
 */
export const RECORD = statement(
  'record_operation_items',
  `WITH ended AS (
    UPDATE operation_items i SET outcome = e.outcome, code = e.code, detail = e.detail, lease_until = NULL,
      at = clock_timestamp()
    FROM jsonb_to_recordset($items::jsonb) AS e (id uuid, outcome text, code text, detail text)
    WHERE i.operation_id = $id::uuid AND i.onboarding_id = e.id AND i.outcome = 'waiting'
      AND i.onboarding_id = ANY ($ids::uuid[])
    RETURNING i.outcome
  )
  UPDATE operations o SET done = o.done + n.done, refused = o.refused + n.refused,
    failed = o.failed + n.failed
  FROM (SELECT count(*) FILTER (WHERE outcome = 'done')::int AS done,
      count(*) FILTER (WHERE outcome = 'refused')::int AS refused,
      count(*) FILTER (WHERE outcome = 'failed')::int AS failed FROM ended) n
  WHERE o.id = $id::uuid RETURNING 1`,
);

/** Ends an operation if no item waits. */
export const END_ITEMS = statement(
  'end_operation',
  `UPDATE operations o SET state = 'done', ended_at = clock_timestamp()
  WHERE o.id = $id::uuid AND o.state = 'running' AND NOT EXISTS (
    SELECT 1 FROM operation_items i WHERE i.operation_id = $id::uuid AND i.outcome = 'waiting')
  RETURNING 1`,
);

/**
 * Leases an operation without items, unless another worker holds it. Resets the counts of `rebuild_wake_ups`.
 */
export const LEASE = statement(
  'lease_operation',
  `UPDATE operations o SET worker = $worker::uuid,
    lease_until = clock_timestamp() + $leaseMs::float8 * interval '1 millisecond',
    total = CASE o.action WHEN 'rebuild_wake_ups' THEN 0 ELSE o.total END,
    done = CASE o.action WHEN 'rebuild_wake_ups' THEN 0 ELSE o.done END
  WHERE o.id = $id::uuid AND o.state = 'running'
    AND (o.lease_until IS NULL OR o.lease_until <= (SELECT clock_timestamp()))
  RETURNING 1`,
);

/** Adds to the count and renews the lease, unless the operation was aborted or another worker holds it. */
export const COUNT = statement(
  'count_operation',
  `UPDATE operations o SET total = o.total + $more::int, done = o.done + $more::int,
    lease_until = clock_timestamp() + $leaseMs::float8 * interval '1 millisecond'
  WHERE o.id = $id::uuid AND o.state = 'running' AND o.worker = $worker::uuid RETURNING 1`,
);

/** Ends the lease of an operation that a worker could not finish. */
export const RETURN = statement(
  'return_operation',
  `UPDATE operations o SET worker = NULL, lease_until = NULL
  WHERE o.id = $id::uuid AND o.worker = $worker::uuid RETURNING 1`,
);

/** Ends an operation without items. */
export const END = statement(
  'end_system_operation',
  `UPDATE operations o SET state = 'done', ended_at = clock_timestamp()
  WHERE o.id = $id::uuid AND o.state = 'running' AND o.worker = $worker::uuid RETURNING 1`,
);

export const FORGET_OPERATIONS = statement(
  'forget_operations',
  `WITH gone AS (
    DELETE FROM operations WHERE id IN (
      SELECT o.id FROM operations o
      WHERE o.ended_at < (SELECT clock_timestamp()) - $keptMs::float8 * interval '1 millisecond'
      ORDER BY o.ended_at LIMIT $limit::int FOR UPDATE SKIP LOCKED
    ) RETURNING id
  ),
  items AS (DELETE FROM operation_items i USING gone g WHERE i.operation_id = g.id)
  SELECT 1 FROM gone`,
);
