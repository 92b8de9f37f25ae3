import { HAS_ROOM_FOR_SEND, HAS_ROOM_FOR_WRONG_CODE, WITH_SEND } from '../budget.js';
import { IS_PAUSED } from '../paused.js';
import { statement } from '../statement.js';

/**
 * Begins the next attempt of a waiting step. Charges no budget, because the submission is already counted, or
 * the provider treats the attempt as a repetition. Locks the onboarding, and then reads the clock. If another
 * worker was faster, the attempt number differs, and nothing is written.
 */
export const RETRY = statement(
  'retry',
  `WITH target AS (
    SELECT o.id, o.attempt, o.last_seq, o.step, o.fingerprint FROM onboardings o
    WHERE o.id = $id::uuid AND o.state = $state::text AND o.attempt = $attempt::int
      AND o.lease_until IS NULL AND o.parked_reason IS NULL AND o.next_attempt_at <= clock_timestamp()
      -- A call starts only if it can end before the code, the session and the onboarding.
      AND least(
        CASE o.state WHEN 'otp_submitted' THEN o.otp_expires_at
          WHEN 'authenticators_submitted' THEN o.session_ends_at END,
        o.idle_ends_at, o.life_ends_at) >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
    FOR UPDATE OF o
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT t.id, t.last_seq + 1, 'attempt_started', 'service',
      jsonb_build_object('attempt', t.attempt + 1, 'step', t.step, 'fingerprint', t.fingerprint)
    FROM target t
  )
  UPDATE onboardings o SET
    attempt = o.attempt + 1, claim_id = $claimId::uuid, last_seq = o.last_seq + 1, next_attempt_at = NULL,
    lease_until = c.at + $leaseMs::float8 * interval '1 millisecond',
    due_at = c.at + $leaseMs::float8 * interval '1 millisecond',
    unresolved = CASE WHEN o.step = 'init-otp' THEN o.unresolved ELSE
      o.unresolved || jsonb_build_array(jsonb_build_object(
        'step', o.step, 'attempt', o.attempt + 1,
        'at', to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) END,
    updated_at = c.at
  FROM target t, LATERAL (SELECT clock_timestamp() AS at WHERE t.id IS NOT NULL) c
  WHERE o.id = t.id AND (c.at < $claimBefore::timestamptz OR gangway_refuse('retry'))
  RETURNING o.*, clock_timestamp() AS now, ${IS_PAUSED}`,
);

/**
 * Begins the next try to send a code, and charges the budget, because each try may send a mail. Locks the
 * onboarding, then the subject's budget row. If a budget is used up, nothing is written.
 */
export const RETRY_SEND = statement(
  'retry_send',
  `WITH target AS (
    SELECT o.id, o.integration, o.subject_key, o.attempt, o.last_seq, o.step, o.fingerprint FROM onboardings o
    WHERE o.id = $id::uuid AND o.state = 'otp_requested' AND o.attempt = $attempt::int
      AND o.lease_until IS NULL AND o.parked_reason IS NULL AND o.next_attempt_at <= clock_timestamp()
      AND least(o.idle_ends_at, o.life_ends_at)
        >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
    FOR UPDATE OF o
  ),
  charged AS (
    INSERT INTO otp_budgets AS b (integration, subject_key, sends, live_id)
    SELECT t.integration, t.subject_key, ARRAY[clock_timestamp()], t.id FROM target t
    ON CONFLICT (integration, subject_key) DO UPDATE SET sends = ${WITH_SEND}
    WHERE (${HAS_ROOM_FOR_SEND}
        AND ${HAS_ROOM_FOR_WRONG_CODE})
      OR gangway_refuse('retry_send')
    RETURNING clock_timestamp() AS at
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT t.id, t.last_seq + 1, 'attempt_started', 'service',
      jsonb_build_object('attempt', t.attempt + 1, 'step', t.step, 'fingerprint', t.fingerprint)
    FROM target t, charged
  )
  UPDATE onboardings o SET
    attempt = o.attempt + 1, claim_id = $claimId::uuid, last_seq = o.last_seq + 1, next_attempt_at = NULL,
    lease_until = b.at + $leaseMs::float8 * interval '1 millisecond',
    due_at = b.at + $leaseMs::float8 * interval '1 millisecond',
    updated_at = b.at
  FROM target t, charged b
  WHERE o.id = t.id AND (b.at < $claimBefore::timestamptz OR gangway_refuse('retry_send'))
  RETURNING o.*, clock_timestamp() AS now, ${IS_PAUSED}`,
);
