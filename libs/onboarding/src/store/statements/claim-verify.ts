import { statement } from '../statement.js';
import { IS_PAUSED } from '../paused.js';

/**
 * Claims the verification of a code. Locks, in this order: the idempotency key, the onboarding, the
 * subject's budget row. Writes only if the row has not changed since `seen` read it, even after a wait for
 * the row. Charges the day's budget as if the code were wrong. The settle counts the tries of this code. If
 * refused, it writes nothing.
 */
export const CLAIM_VERIFY = statement(
  'claim_verify',
  `WITH seen AS (
    SELECT o.id, o.attempt, o.version, o.last_seq FROM onboardings o
    WHERE o.id = $id::uuid
      AND ($caller::text IS NULL OR o.caller = $caller::text)
      AND ($integrations::text[] IS NULL OR o.integration = ANY ($integrations::text[]))
      AND ($taking::text[] IS NULL OR o.integration = ANY ($taking::text[]))
      AND ($versions::int[] IS NULL OR o.version = ANY ($versions::int[]))
      AND o.state = 'otp_sent' AND o.otp_tries_left > 0
      AND least(o.otp_expires_at, o.idle_ends_at, o.life_ends_at) > clock_timestamp()
      AND least(o.otp_expires_at, o.life_ends_at)
        >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
  ),
  key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid, s.id,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM seen s WHERE $key::text IS NOT NULL
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  target AS (
    SELECT o.id, o.integration, o.subject_key FROM onboardings o JOIN seen s ON s.id = o.id
    WHERE o.attempt = s.attempt AND o.version = s.version AND o.last_seq = s.last_seq
      AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
    FOR UPDATE OF o
  ),
  charged AS (
    INSERT INTO otp_budgets AS b (integration, subject_key, wrong_codes, live_id)
    SELECT t.integration, t.subject_key, ARRAY[clock_timestamp()], t.id FROM target t
    ON CONFLICT (integration, subject_key) DO UPDATE SET
      wrong_codes = ARRAY(
        SELECT t FROM unnest(b.wrong_codes) t WHERE t > clock_timestamp() - interval '1 day' ORDER BY t
      ) || clock_timestamp()
    WHERE (SELECT count(*) FROM unnest(b.wrong_codes) t
        WHERE t > clock_timestamp() - interval '1 day') < $wrongPerDay::int
    RETURNING b.sends, b.wrong_codes
  ),
  changed AS (
    UPDATE onboardings o SET
      state = 'otp_submitted', reason = NULL, step = 'verify-otp',
      version = o.version + 1, last_seq = o.last_seq + 2,
      attempt = o.attempt + 1, submission = o.attempt + 1, fingerprint = $fingerprint::text,
      claim_id = $claimId::uuid, trace_parent = $traceParent::text,
      lease_until = at + $leaseMs::float8 * interval '1 millisecond', next_attempt_at = NULL,
      due_at = at + $leaseMs::float8 * interval '1 millisecond',
      parkings = 0, unavailable_count = 0, no_answer_count = 0, doubt_attempt = NULL, last_result = NULL,
      unresolved = o.unresolved || jsonb_build_array(jsonb_build_object(
        'step', 'verify-otp', 'attempt', o.attempt + 1,
        'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))),
      -- When the subject may be sent another code: after the cooldown, and once each budget has room again.
      otp_resend_at = greatest(
        o.otp_sent_at + $cooldownMs::float8 * interval '1 millisecond',
        (SELECT t FROM unnest(b.sends) t ORDER BY t DESC OFFSET $sendsPerWindow::int - 1 LIMIT 1)
          + $windowMs::float8 * interval '1 millisecond',
        (SELECT t FROM unnest(b.sends) t ORDER BY t DESC OFFSET $sendsPerDay::int - 1 LIMIT 1)
          + interval '1 day',
        (SELECT t FROM unnest(b.wrong_codes) t ORDER BY t DESC OFFSET $wrongPerDay::int - 1 LIMIT 1)
          + interval '1 day'),
      sealed_otp_code = $sealedOtpCode::bytea, sealed_grant = NULL, sealed_authenticators = NULL,
      sealed_requests = NULL,
      idle_ends_at = at + $idleMs::float8 * interval '1 millisecond', updated_at = at
    FROM target t, charged b, clock_timestamp() AS at
    WHERE o.id = t.id AND clock_timestamp() < $claimBefore::timestamptz
    RETURNING o.*
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq - 1, 'otp_submitted', 'caller', '{}'::jsonb FROM changed c
    UNION ALL
    SELECT c.id, c.last_seq, 'attempt_started', 'service',
      jsonb_build_object('attempt', c.attempt, 'step', c.step, 'fingerprint', c.fingerprint)
    FROM changed c
  )
  SELECT c.*, clock_timestamp() AS now, ${IS_PAUSED} FROM (SELECT 1) one LEFT JOIN changed c ON true
  WHERE c.id IS NOT NULL OR (
    EXISTS (SELECT 1 FROM key_taken UNION ALL SELECT 1 FROM charged) AND gangway_refuse('claim_verify'))`,
);
