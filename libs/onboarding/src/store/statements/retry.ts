import { statement } from '../statement.js';
import { IS_PAUSED } from '../paused.js';

/**
 * Claims the next attempt of a waiting step without a charge: the submission is already charged, or the
 * provider treats the attempt as a repetition. Locks the onboarding. If another worker was faster, the
 * attempt number differs, and nothing is written.
 */
export const RETRY = statement(
  'retry',
  `WITH target AS (
    SELECT o.id FROM onboardings o
    WHERE o.id = $id::uuid AND o.state = $state::text AND o.attempt = $attempt::int
      AND o.lease_until IS NULL AND o.parked_reason IS NULL AND o.next_attempt_at <= clock_timestamp()
      -- A call starts only if it can end before the code, the session and the onboarding.
      AND least(
        CASE o.state WHEN 'otp_submitted' THEN o.otp_expires_at
          WHEN 'authenticators_submitted' THEN o.session_ends_at END,
        o.idle_ends_at, o.life_ends_at) >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
    FOR UPDATE OF o
  ),
  changed AS (
    UPDATE onboardings o SET
      attempt = o.attempt + 1, claim_id = $claimId::uuid, last_seq = o.last_seq + 1, next_attempt_at = NULL,
      lease_until = at + $leaseMs::float8 * interval '1 millisecond',
      due_at = at + $leaseMs::float8 * interval '1 millisecond',
      unresolved = CASE WHEN o.step = 'init-otp' THEN o.unresolved ELSE
        o.unresolved || jsonb_build_array(jsonb_build_object(
          'step', o.step, 'attempt', o.attempt + 1,
          'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) END,
      updated_at = at
    FROM target t, clock_timestamp() AS at
    WHERE o.id = t.id AND clock_timestamp() < $claimBefore::timestamptz
    RETURNING o.*
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq, 'attempt_started', 'service',
      jsonb_build_object('attempt', c.attempt, 'step', c.step, 'fingerprint', c.fingerprint)
    FROM changed c
  )
  SELECT c.*, clock_timestamp() AS now, ${IS_PAUSED} FROM changed c`,
);

/**
 * Claims the next try to send a code, and charges it, because each try may send a mail. Locks the onboarding,
 * then the subject's budget row. If a budget is used up, the statement writes nothing.
 */
export const RETRY_SEND = statement(
  'retry_send',
  `WITH target AS (
    SELECT o.id, o.integration, o.subject_key FROM onboardings o
    WHERE o.id = $id::uuid AND o.state = 'otp_requested' AND o.attempt = $attempt::int
      AND o.lease_until IS NULL AND o.parked_reason IS NULL AND o.next_attempt_at <= clock_timestamp()
      AND least(o.idle_ends_at, o.life_ends_at)
        >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
    FOR UPDATE OF o
  ),
  charged AS (
    INSERT INTO otp_budgets AS b (integration, subject_key, sends, live_id)
    SELECT t.integration, t.subject_key, ARRAY[clock_timestamp()], t.id FROM target t
    ON CONFLICT (integration, subject_key) DO UPDATE SET
      sends = ARRAY(
        SELECT t FROM unnest(b.sends) t WHERE t > clock_timestamp() - interval '1 day' ORDER BY t
      ) || clock_timestamp(),
      wrong_codes = ARRAY(
        SELECT t FROM unnest(b.wrong_codes) t WHERE t > clock_timestamp() - interval '1 day' ORDER BY t
      )
    WHERE (SELECT count(*) FROM unnest(b.sends) t
        WHERE t > clock_timestamp() - $windowMs::float8 * interval '1 millisecond') < $sendsPerWindow::int
      AND (SELECT count(*) FROM unnest(b.sends) t
        WHERE t > clock_timestamp() - interval '1 day') < $sendsPerDay::int
      AND (SELECT count(*) FROM unnest(b.wrong_codes) t
        WHERE t > clock_timestamp() - interval '1 day') < $wrongPerDay::int
    RETURNING 1
  ),
  changed AS (
    UPDATE onboardings o SET
      attempt = o.attempt + 1, claim_id = $claimId::uuid, last_seq = o.last_seq + 1, next_attempt_at = NULL,
      lease_until = at + $leaseMs::float8 * interval '1 millisecond',
      due_at = at + $leaseMs::float8 * interval '1 millisecond',
      updated_at = at
    FROM target t, charged, clock_timestamp() AS at
    WHERE o.id = t.id AND clock_timestamp() < $claimBefore::timestamptz
    RETURNING o.*
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq, 'attempt_started', 'service',
      jsonb_build_object('attempt', c.attempt, 'step', c.step, 'fingerprint', c.fingerprint)
    FROM changed c
  )
  SELECT c.*, clock_timestamp() AS now, ${IS_PAUSED} FROM (SELECT 1) one LEFT JOIN changed c ON true
  WHERE c.id IS NOT NULL OR (EXISTS (SELECT 1 FROM charged) AND gangway_refuse('retry_send'))`,
);
