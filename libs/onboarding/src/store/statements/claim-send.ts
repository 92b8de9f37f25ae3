import { HAS_ROOM_FOR_SEND, HAS_ROOM_FOR_WRONG_CODE, WITH_SEND } from '../budget.js';
import { IS_PAUSED } from '../paused.js';
import { statement } from '../statement.js';

/** SQL for the time when the onboarding `o` leaves its state. */
const ENDS_AT = `date_trunc('milliseconds', least(
        CASE WHEN o.state = 'otp_sent' THEN o.otp_expires_at END,
        CASE WHEN o.state <> 'outcome_unknown' THEN o.idle_ends_at END,
        o.life_ends_at))`;

/**
 * Begins to send another code: a resend, or the decision that a lost verification did not happen. Locks, in
 * this order: the onboarding, the idempotency key, the subject's budget row. PostgreSQL checks the conditions
 * again after a wait for the onboarding's lock, and compares the times once all locks are held.
 */
export const CLAIM_SEND = statement(
  'claim_send',
  `WITH target AS (
    SELECT o.id, o.integration, o.subject_key, o.attempt, o.last_seq, ${ENDS_AT} AS ends_at
    FROM onboardings o
    WHERE o.id = $id::uuid
      AND ($caller::text IS NULL OR o.caller = $caller::text)
      AND ($integrations::text[] IS NULL OR o.integration = ANY ($integrations::text[]))
      AND ($versions::int[] IS NULL OR o.version = ANY ($versions::int[]))
      AND o.state = ANY ($states::text[])
      AND ($lostAttempt::int IS NULL OR (o.attempt = $lostAttempt::int AND o.step = 'verify-otp'))
      AND ($lostAttempt::int IS NOT NULL OR o.otp_resend_at <= clock_timestamp())
      AND ${ENDS_AT} > clock_timestamp()
      AND o.life_ends_at >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
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
    INSERT INTO otp_budgets AS b (integration, subject_key, sends, live_id)
    SELECT t.integration, t.subject_key, ARRAY[clock_timestamp()], t.id FROM target t
    WHERE $key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken)
    ON CONFLICT (integration, subject_key) DO UPDATE SET sends = ${WITH_SEND}
    WHERE (${HAS_ROOM_FOR_SEND}
        AND ${HAS_ROOM_FOR_WRONG_CODE})
      OR gangway_refuse('claim_send')
    RETURNING clock_timestamp() AS at
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT t.id, t.last_seq + e.n, e.event ->> 'type', e.event ->> 'actor', coalesce(e.event -> 'data', '{}')
    FROM target t, charged, jsonb_array_elements($events::jsonb) WITH ORDINALITY AS e (event, n)
    UNION ALL
    SELECT t.id, t.last_seq + jsonb_array_length($events::jsonb) + 1, 'attempt_started', 'service',
      jsonb_build_object(
        'attempt', t.attempt + 1, 'step', 'init-otp', 'fingerprint', $fingerprint::text)
    FROM target t, charged
  )
  UPDATE onboardings o SET
    state = 'otp_requested', reason = NULL, step = 'init-otp',
    version = o.version + 1, last_seq = o.last_seq + jsonb_array_length($events::jsonb) + 1,
    attempt = o.attempt + 1, submission = o.attempt + 1, fingerprint = $fingerprint::text,
    claim_id = $claimId::uuid, trace_parent = $traceParent::text,
    lease_until = b.at + $leaseMs::float8 * interval '1 millisecond', next_attempt_at = NULL,
    due_at = b.at + $leaseMs::float8 * interval '1 millisecond',
    parkings = 0, unavailable_count = 0, no_answer_count = 0, doubt_attempt = NULL, last_result = NULL,
    unresolved = CASE
      WHEN $unresolved::jsonb IS NOT NULL THEN $unresolved::jsonb
      ELSE jsonb_path_query_array(o.unresolved, '$[*] ? (@.step != "verify-otp")') END,
    -- A code that is still valid becomes void only once another one may have been sent.
    otp_handle = CASE WHEN o.state = 'otp_sent' THEN o.otp_handle END,
    otp_target_bundle = CASE WHEN o.state = 'otp_sent' THEN o.otp_target_bundle END,
    otp_expires_at = CASE WHEN o.state = 'otp_sent' THEN o.otp_expires_at END,
    otp_tries_left = CASE WHEN o.state = 'otp_sent' THEN o.otp_tries_left ELSE 0 END,
    otp_resend_at = b.at + $cooldownMs::float8 * interval '1 millisecond',
    device_signing = NULL, session_expires_at = NULL, session_ends_at = NULL,
    sealed_otp_code = NULL, sealed_grant = NULL, sealed_authenticators = NULL,
    sealed_requests = $sealedRequests::bytea,
    idle_ends_at = b.at + $idleMs::float8 * interval '1 millisecond', updated_at = b.at
  FROM target t, charged b
  WHERE o.id = t.id AND (b.at < least($claimBefore::timestamptz, t.ends_at) OR gangway_refuse('claim_send'))
  RETURNING o.*, clock_timestamp() AS now, ${IS_PAUSED}`,
);
