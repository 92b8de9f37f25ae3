import { statement } from '../statement.js';

/**
 * Writes the changes of a command, or records a late answer. Locks, in this order: the idempotency key, the
 * onboarding, its new credentials. Writes only if the row has not changed since it was read, and a command
 * only before the row's next deadline: callers must not see two states with the same version.
 */
export const COMMAND = statement(
  'command',
  `WITH key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid, o.id,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM onboardings o
    WHERE $key::text IS NOT NULL AND o.id = $id::uuid
      AND o.attempt = $attempt::int AND o.version = $version::int AND o.last_seq = $lastSeq::int
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  changed AS (
    UPDATE onboardings o SET
      state = w.state, reason = w.reason, step = w.step, version = w.version, last_seq = w.last_seq,
      lease_until = w.lease_until, next_attempt_at = w.next_attempt_at, due_at = w.due_at,
      parked_reason = w.parked_reason, parked_at = w.parked_at,
      doubt_attempt = w.doubt_attempt, unresolved = w.unresolved,
      pending_authenticators = w.pending_authenticators, authenticators = w.authenticators,
      sealed_otp_code = CASE WHEN 'sealedOtpCode' = ANY (w.keeps) THEN o.sealed_otp_code END,
      sealed_grant = CASE WHEN 'sealedGrant' = ANY (w.keeps) THEN o.sealed_grant END,
      sealed_authenticators = CASE WHEN 'sealedAuthenticators' = ANY (w.keeps)
        THEN o.sealed_authenticators END,
      sealed_requests = CASE WHEN 'sealedRequests' = ANY (w.keeps) THEN o.sealed_requests END,
      last_result = w.last_result, idle_ends_at = w.idle_ends_at, updated_at = clock_timestamp()
    FROM jsonb_to_record($row::jsonb) AS w (
      state text, reason text, step text, version int, last_seq int, lease_until timestamptz,
      next_attempt_at timestamptz, due_at timestamptz, parked_reason text, parked_at timestamptz,
      doubt_attempt int,
      unresolved jsonb, pending_authenticators jsonb, authenticators jsonb, last_result jsonb,
      idle_ends_at timestamptz, keeps text[])
    WHERE o.id = $id::uuid AND o.attempt = $attempt::int AND o.version = $version::int
      AND o.last_seq = $lastSeq::int
      AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
    RETURNING o.*
  ),
  registered AS (
    INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
    SELECT c.integration, c.subject_key, a ->> 'credentialId', c.id
    FROM changed c, jsonb_array_elements(c.authenticators) AS a
    ORDER BY 3
    ON CONFLICT DO NOTHING
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq - jsonb_array_length($events::jsonb) + e.n, e.event ->> 'type',
      e.event ->> 'actor',
      -- An erased onboarding's events have no data.
      CASE WHEN c.erased_at IS NULL THEN coalesce(e.event -> 'data', '{}') ELSE '{}' END
    FROM changed c, jsonb_array_elements($events::jsonb) WITH ORDINALITY AS e (event, n)
  )
  SELECT c.*, clock_timestamp() AS now FROM (SELECT 1) one LEFT JOIN changed c ON true
  WHERE CASE WHEN c.id IS NULL THEN EXISTS (SELECT 1 FROM key_taken) AND gangway_refuse('command')
    ELSE $before::timestamptz IS NULL OR clock_timestamp() < $before::timestamptz OR gangway_refuse('command')
    END`,
);
