import { statement } from '../statement.js';

/**
 * Erases the personal data of an onboarding in all tables; {@link ERASE_LATE} must run afterwards. Locks the
 * onboarding, its challenges, credentials, keys and events, and the subject's budget row. Writes only if the
 * onboarding has not changed since it was read. Clears `taken_by` of the idempotency keys, so that a running
 * request cannot store its answer later.
 */
export const ERASE = statement(
  'erase',
  `WITH changed AS (
    UPDATE onboardings o SET
      state = w.state, step = w.step, version = w.version, last_seq = w.last_seq,
      lease_until = w.lease_until, next_attempt_at = w.next_attempt_at, due_at = clock_timestamp(),
      parked_reason = w.parked_reason, parked_at = w.parked_at,
      unresolved = w.unresolved, last_result = w.last_result, failure = w.failure,
      subject = '{}', subject_key = 'erased:' || o.id, sealed_contact = NULL, sealed_data_key = NULL,
      data_key_id = NULL,
      external_ref = NULL, metadata = '{}', fingerprint = NULL, trace_parent = NULL, otp_choice = '{}',
      otp_handle = NULL, otp_target_bundle = NULL, device_signing = NULL, authenticators = '[]',
      pending_authenticators = '[]',
      sealed_otp_code = NULL, sealed_grant = NULL, sealed_authenticators = NULL, sealed_requests = NULL,
      anchor = $anchor::bytea, erased_at = clock_timestamp(), updated_at = clock_timestamp()
    FROM jsonb_to_record($row::jsonb) AS w (
      state text, step text, version int, last_seq int, lease_until timestamptz, next_attempt_at timestamptz,
      parked_reason text, parked_at timestamptz, unresolved jsonb, last_result jsonb, failure jsonb)
    WHERE o.id = $id::uuid AND o.attempt = $attempt::int AND o.version = $version::int
      AND o.last_seq = $lastSeq::int
      -- An anchor that was written meanwhile does not fit the blanked timeline.
      AND o.anchored_seq IS NOT DISTINCT FROM $anchoredSeq::int
    RETURNING o.*
  ),
  challenges AS (DELETE FROM webauthn_challenges w USING changed c WHERE w.onboarding_id = c.id),
  credentials AS (
    DELETE FROM credentials k USING changed c
    WHERE k.integration = c.integration AND k.subject_key = $subjectKey::text AND k.onboarding_id = c.id
  ),
  answers AS (
    UPDATE idempotency_keys k SET fingerprint = '', taken_by = NULL, sealed_answer = NULL
    FROM changed c WHERE k.onboarding_id = c.id
  ),
  pointer AS (
    UPDATE otp_budgets b SET live_id = NULL FROM changed c
    WHERE b.integration = c.integration AND b.subject_key = $subjectKey::text AND b.live_id = c.id
  ),
  blanked AS (
    UPDATE onboarding_events e SET data = '{}' FROM changed c WHERE e.onboarding_id = c.id AND e.data <> '{}'
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor)
    SELECT c.id, c.last_seq - jsonb_array_length($events::jsonb) + e.n, e.event ->> 'type',
      e.event ->> 'actor'
    FROM changed c, jsonb_array_elements($events::jsonb) WITH ORDINALITY AS e (event, n)
  )
  SELECT c.*, clock_timestamp() AS now FROM changed c
  WHERE $before::timestamptz IS NULL OR clock_timestamp() < $before::timestamptz OR gangway_refuse('erase')`,
  { alone: true },
);

/**
 * Erases challenges and keys that were written while {@link ERASE} waited for the row, because its snapshot
 * does not contain them. Locks the challenges and the keys.
 */
export const ERASE_LATE = statement(
  'erase_late',
  `WITH challenges AS (DELETE FROM webauthn_challenges w WHERE w.onboarding_id = $id::uuid)
  UPDATE idempotency_keys k SET fingerprint = '', taken_by = NULL, sealed_answer = NULL
  WHERE k.onboarding_id = $id::uuid AND k.fingerprint <> ''`,
);
