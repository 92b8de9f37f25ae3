import { ANSWERED } from '../answering.js';
import { HAS_ROOM_FOR_WRONG_CODE, roomForSendAt } from '../budget.js';
import { statement } from '../statement.js';

/**
 * Writes the end of an attempt to verify a code. Locks, in this order: the onboarding, the idempotency key if
 * an answer is stored, the subject's budget row if the try is refunded. Writes only if neither a write nor
 * time (`changesAt`) has changed the row since it was read. Reads the budget as it was before the refund, so
 * it leaves out the refunded entry.
 */
export const SETTLE_VERIFY = statement(
  'settle_verify',
  `WITH changed AS (
    UPDATE onboardings o SET
      state = w.state, reason = w.reason, step = w.step, version = w.version, last_seq = w.last_seq,
      lease_until = NULL, next_attempt_at = w.next_attempt_at, due_at = w.due_at,
      parked_reason = w.parked_reason, parked_at = w.parked_at, parkings = w.parkings,
      unavailable_count = w.unavailable_count, no_answer_count = w.no_answer_count,
      doubt_attempt = w.doubt_attempt, unresolved = w.unresolved,
      -- If the day's wrong codes are used up, this code has no tries either.
      otp_tries_left = CASE WHEN w.state = 'otp_sent' AND EXISTS (
        SELECT 1 FROM otp_budgets b WHERE b.integration = o.integration AND b.subject_key = o.subject_key
          AND NOT ${HAS_ROOM_FOR_WRONG_CODE}) THEN 0
        ELSE w.otp_tries_left END,
      otp_wrong = w.otp_wrong,
      -- The claim has counted the try. After a refund, another code may be sent sooner.
      otp_resend_at = CASE WHEN $refundTries::int = 0 THEN o.otp_resend_at ELSE greatest(
        w.otp_resend_at,
        (SELECT ${roomForSendAt({ wrongCodes: '$refundTries::int' })}
        FROM otp_budgets b WHERE b.integration = o.integration AND b.subject_key = o.subject_key)) END,
      device_signing = w.device_signing, session_expires_at = w.session_expires_at,
      session_ends_at = w.session_ends_at,
      sealed_otp_code = CASE WHEN 'sealedOtpCode' = ANY (w.keeps) THEN o.sealed_otp_code END,
      sealed_requests = CASE WHEN 'sealedRequests' = ANY (w.keeps) THEN o.sealed_requests END,
      sealed_grant = $sealedGrant::bytea,
      last_result = w.last_result, failure = w.failure,
      idle_ends_at = w.idle_ends_at, updated_at = coalesce($updatedAt::timestamptz, clock_timestamp())
    FROM json_to_record($row::json) AS w (
      state text, reason text, step text, version int, last_seq int, next_attempt_at timestamptz,
      due_at timestamptz,
      parked_reason text, parked_at timestamptz, parkings int, unavailable_count int, no_answer_count int,
      doubt_attempt int, unresolved jsonb, otp_tries_left int, otp_wrong int, otp_resend_at timestamptz,
      device_signing jsonb, session_expires_at timestamptz, session_ends_at timestamptz, last_result jsonb,
      failure jsonb, idle_ends_at timestamptz, keeps text[])
    WHERE o.id = $id::uuid AND o.attempt = $attempt::int AND o.version = $version::int
      AND o.last_seq = $lastSeq::int
      -- A delay of a try writes no event.
      AND date_trunc('milliseconds', o.next_attempt_at) IS NOT DISTINCT FROM $nextAttemptAt::timestamptz
    RETURNING o.id, o.integration, o.subject_key, o.last_seq,
      o.otp_tries_left, o.otp_resend_at, o.sealed_requests, o.updated_at,
      o.otp_tries_left IS NOT DISTINCT FROM w.otp_tries_left AND
        date_trunc('milliseconds', o.otp_resend_at) IS NOT DISTINCT FROM w.otp_resend_at AS as_expected
  ),
  refunded AS (
    UPDATE otp_budgets b SET wrong_codes = b.wrong_codes[1:cardinality(b.wrong_codes) - 1]
    FROM changed c
    WHERE $refundTries::int > 0 AND b.integration = c.integration AND b.subject_key = c.subject_key
  ),
  ${ANSWERED},
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq - jsonb_array_length($events::jsonb) + e.n, e.event ->> 'type',
      e.event ->> 'actor', coalesce(e.event -> 'data', '{}')
    FROM changed c, jsonb_array_elements($events::jsonb) WITH ORDINALITY AS e (event, n)
  )
  SELECT c.otp_tries_left, c.otp_resend_at, c.sealed_requests, c.updated_at, clock_timestamp() AS now,
    EXISTS (SELECT 1 FROM answered) AS answered
  FROM changed c
  WHERE clock_timestamp() < $before::timestamptz OR gangway_refuse('settle_verify')`,
);
