import { HAS_ROOM_FOR_WRONG_CODE, WITH_WRONG_CODE, roomForSendAt } from '../budget.js';
import { IS_PAUSED } from '../paused.js';
import { statement } from '../statement.js';

/** SQL for the time when the onboarding `o` leaves its state. */
const ENDS_AT = `date_trunc('milliseconds', least(o.otp_expires_at, o.idle_ends_at, o.life_ends_at))`;

/**
 * Begins the verification of a code. Locks, in this order: the onboarding, the idempotency key, the subject's
 * budget row. PostgreSQL checks the conditions again after a wait for the onboarding's lock, and compares the
 * times once all locks are held. Counts a wrong code in the day's budget in advance; the end of the attempt
 * counts the tries of the code.
 */
export const CLAIM_VERIFY = statement(
  'claim_verify',
  `WITH target AS (
    SELECT o.id, o.integration, o.subject_key, o.attempt, o.last_seq, ${ENDS_AT} AS ends_at
    FROM onboardings o
    WHERE o.id = $id::uuid
      AND ($caller::text IS NULL OR o.caller = $caller::text)
      AND ($integrations::text[] IS NULL OR o.integration = ANY ($integrations::text[]))
      AND ($taking::text[] IS NULL OR o.integration = ANY ($taking::text[]))
      AND ($versions::int[] IS NULL OR o.version = ANY ($versions::int[]))
      AND o.state = 'otp_sent' AND o.otp_tries_left > 0
      AND ${ENDS_AT} > clock_timestamp()
      AND least(o.otp_expires_at, o.life_ends_at)
        >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
    FOR UPDATE OF o
  ),
  key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid, t.id,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM target t WHERE $key::text IS NOT NULL
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  charged AS (
    INSERT INTO otp_budgets AS b (integration, subject_key, wrong_codes, live_id)
    SELECT t.integration, t.subject_key, ARRAY[clock_timestamp()], t.id FROM target t
    WHERE $key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken)
    ON CONFLICT (integration, subject_key) DO UPDATE SET wrong_codes = ${WITH_WRONG_CODE}
    WHERE ${HAS_ROOM_FOR_WRONG_CODE} OR gangway_refuse('claim_verify')
    RETURNING b.sends, b.wrong_codes, clock_timestamp() AS at
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT t.id, t.last_seq + e.n, e.type, e.actor, e.data
    FROM target t, charged, LATERAL (VALUES
      (1, 'otp_submitted', 'caller', '{}'::jsonb),
      (2, 'attempt_started', 'service', jsonb_build_object(
        'attempt', t.attempt + 1, 'step', 'verify-otp', 'fingerprint', $fingerprint::text))
    ) AS e (n, type, actor, data)
  )
  UPDATE onboardings o SET
    state = 'otp_submitted', reason = NULL, step = 'verify-otp',
    version = o.version + 1, last_seq = o.last_seq + 2,
    attempt = o.attempt + 1, submission = o.attempt + 1, fingerprint = $fingerprint::text,
    claim_id = $claimId::uuid, trace_parent = $traceParent::text,
    lease_until = b.at + $leaseMs::float8 * interval '1 millisecond', next_attempt_at = NULL,
    due_at = b.at + $leaseMs::float8 * interval '1 millisecond',
    parkings = 0, unavailable_count = 0, no_answer_count = 0, doubt_attempt = NULL, last_result = NULL,
    unresolved = o.unresolved || jsonb_build_array(jsonb_build_object(
      'step', 'verify-otp', 'attempt', o.attempt + 1,
      'at', to_char(b.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))),
    -- When the subject may be sent another code: after the cooldown, and once each budget has room again.
    otp_resend_at = greatest(
      o.otp_sent_at + $cooldownMs::float8 * interval '1 millisecond', ${roomForSendAt()}),
    sealed_otp_code = $sealedOtpCode::bytea, sealed_grant = NULL, sealed_authenticators = NULL,
    sealed_requests = NULL,
    idle_ends_at = b.at + $idleMs::float8 * interval '1 millisecond', updated_at = b.at
  FROM target t, charged b
  WHERE o.id = t.id AND (b.at < least($claimBefore::timestamptz, t.ends_at) OR gangway_refuse('claim_verify'))
  RETURNING o.*, clock_timestamp() AS now, ${IS_PAUSED}`,
);
