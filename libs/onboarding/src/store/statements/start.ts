import { HAS_ROOM_FOR_SEND, HAS_ROOM_FOR_WRONG_CODE, WITH_SEND } from '../budget.js';
import { IS_PAUSED } from '../paused.js';
import { statement } from '../statement.js';

/**
 * Inserts an onboarding whose first attempt is in flight. Locks, in this order: the idempotency key, the
 * superseded onboarding, the subject's budget row. Of two starts for one subject, the second waits for the
 * budget row, and then reads the live onboarding's id that the first has written. If the snapshot contains no
 * onboarding with this id, that onboarding counts as live.
 */
export const START = statement(
  'start',
  `WITH key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
    SELECT $caller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid, $id::uuid,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    WHERE $key::text IS NOT NULL
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  superseded AS (
    UPDATE onboardings o SET
      state = 'cancelled', step = NULL, lease_until = NULL, next_attempt_at = NULL,
      due_at = clock_timestamp(),
      parked_reason = NULL, parked_at = NULL,
      sealed_otp_code = NULL, sealed_grant = NULL, sealed_authenticators = NULL, sealed_requests = NULL,
      version = o.version + 1, last_seq = o.last_seq + jsonb_array_length($oldEvents::jsonb),
      updated_at = clock_timestamp()
    WHERE o.id = $oldId::uuid AND o.attempt = $oldAttempt::int AND o.version = $oldVersion::int
      AND o.last_seq = $oldSeq::int
      AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
    RETURNING o.id, o.last_seq
  ),
  charged AS (
    INSERT INTO otp_budgets AS b (integration, subject_key, sends, live_id)
    SELECT $integration::text, $subjectKey::text, ARRAY[clock_timestamp()], $id::uuid
    WHERE ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
      AND ($oldId::uuid IS NULL OR EXISTS (SELECT 1 FROM superseded) OR gangway_refuse('start'))
    ON CONFLICT (integration, subject_key) DO UPDATE SET sends = ${WITH_SEND}, live_id = excluded.live_id
    WHERE ((b.live_id IS NULL OR b.live_id = $oldId::uuid OR b.live_id = $goneId::uuid OR (
          SELECT o.state IN ('completed', 'failed', 'expired', 'cancelled') FROM onboardings o
          WHERE o.id = b.live_id))
        AND ${HAS_ROOM_FOR_SEND}
        AND ${HAS_ROOM_FOR_WRONG_CODE})
      OR gangway_refuse('start')
    RETURNING clock_timestamp() AS at
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT $id::uuid, e.* FROM charged, (VALUES
      (1, 'created', 'caller', '{}'::jsonb),
      (2, 'attempt_started', 'service',
        jsonb_build_object('attempt', 1, 'step', 'init-otp', 'fingerprint', $fingerprint::text))
    ) AS e
    UNION ALL
    SELECT s.id, s.last_seq - jsonb_array_length($oldEvents::jsonb) + e.n, e.event ->> 'type',
      e.event ->> 'actor', coalesce(e.event -> 'data', '{}')
    FROM superseded s, jsonb_array_elements($oldEvents::jsonb) WITH ORDINALITY AS e (event, n)
  )
  INSERT INTO onboardings AS o (
    id, created_at, caller, integration, provider, subject, subject_key, sealed_contact, sealed_data_key,
    data_key_id,
    otp_choice, external_ref, metadata, sealed_requests, fingerprint, claim_id, trace_parent,
    state, step, attempt, submission, last_seq, lease_until, due_at, otp_resend_at, idle_ends_at,
    life_ends_at
  )
  SELECT
    $id::uuid, $createdAt::timestamptz, $caller::text, $integration::text, $provider::text,
    $subject::jsonb, $subjectKey::text, $sealedContact::bytea, $sealedDataKey::bytea, $dataKeyId::text,
    $otpChoice::jsonb, $externalRef::text, $metadata::jsonb, $sealedRequests::bytea, $fingerprint::text,
    $claimId::uuid, $traceParent::text,
    'otp_requested', 'init-otp', 1, 1, 2,
    b.at + $leaseMs::float8 * interval '1 millisecond', b.at + $leaseMs::float8 * interval '1 millisecond',
    b.at + $cooldownMs::float8 * interval '1 millisecond',
    b.at + $idleMs::float8 * interval '1 millisecond', b.at + $lifeMs::float8 * interval '1 millisecond'
  FROM charged b
  WHERE b.at < least($claimBefore::timestamptz, $oldBefore::timestamptz) OR gangway_refuse('start')
  RETURNING o.*, clock_timestamp() AS now, ${IS_PAUSED}`,
);
