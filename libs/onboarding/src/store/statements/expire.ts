import { statement } from '../statement.js';

/**
 * Reads live rows whose deadline may have passed, due for longest first. Locks nothing, because the later
 * write checks that the row has not changed.
 */
export const DUE = statement(
  'due',
  `SELECT o.*, clock_timestamp() AS now FROM onboardings o
  WHERE o.state NOT IN ('completed', 'failed', 'expired', 'cancelled')
    AND o.due_at <= (SELECT clock_timestamp())
    AND (o.lease_until IS NULL OR o.lease_until <= (SELECT clock_timestamp()))
    AND least(
      CASE WHEN o.state IN ('otp_sent', 'otp_submitted') THEN o.otp_expires_at
        WHEN o.state IN ('otp_verified', 'authenticators_submitted') THEN o.session_ends_at END,
      CASE WHEN o.state <> 'outcome_unknown' THEN o.idle_ends_at END,
      o.life_ends_at) <= (SELECT clock_timestamp())
  ORDER BY o.due_at LIMIT $limit::int`,
  { alone: true },
);

/**
 * Writes the new states of rows whose deadlines have passed. Locks the onboardings in the order of their ids;
 * skips rows that another statement is writing or has changed.
 */
export const EXPIRE = statement(
  'expire',
  `WITH given AS (
    SELECT * FROM jsonb_to_recordset($rows::jsonb) AS g (
      id uuid, attempt int, seen_version int, seen_seq int, state text, reason text, step text, version int,
      last_seq int, due_at timestamptz, last_result jsonb, keeps text[], events jsonb)
  ),
  target AS (
    SELECT g.* FROM onboardings o JOIN given g ON g.id = o.id
    WHERE o.attempt = g.attempt AND o.version = g.seen_version AND o.last_seq = g.seen_seq
    ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
  ),
  changed AS (
    UPDATE onboardings o SET
      state = g.state, reason = g.reason, step = g.step, version = g.version, last_seq = g.last_seq,
      lease_until = NULL, next_attempt_at = NULL, due_at = g.due_at, parked_reason = NULL, parked_at = NULL,
      sealed_otp_code = CASE WHEN 'sealedOtpCode' = ANY (g.keeps) THEN o.sealed_otp_code END,
      sealed_grant = CASE WHEN 'sealedGrant' = ANY (g.keeps) THEN o.sealed_grant END,
      sealed_authenticators = CASE WHEN 'sealedAuthenticators' = ANY (g.keeps)
        THEN o.sealed_authenticators END,
      sealed_requests = CASE WHEN 'sealedRequests' = ANY (g.keeps) THEN o.sealed_requests END,
      last_result = g.last_result, updated_at = clock_timestamp()
    FROM target g
    WHERE o.id = g.id
    RETURNING o.id, o.last_seq, g.events
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq - jsonb_array_length(c.events) + e.n, e.event ->> 'type', e.event ->> 'actor',
      coalesce(e.event -> 'data', '{}')
    FROM changed c, jsonb_array_elements(c.events) WITH ORDINALITY AS e (event, n)
  )
  SELECT c.id FROM changed c`,
  { alone: true },
);

/**
 * Delays rows that could not be handled, so that they do not block the rows behind them. Locks the
 * onboardings.
 */
export const PUSH_BACK = statement(
  'push_back',
  `UPDATE onboardings o SET due_at = clock_timestamp() + $waitMs::float8 * interval '1 millisecond'
  WHERE o.id = ANY ($ids::uuid[])
  RETURNING 1`,
  { alone: true },
);
