import { ANSWERED } from '../answering.js';
import { statement } from '../statement.js';

/**
 * Writes the end of an attempt to create passkeys. Locks, in this order: the onboarding, the idempotency key
 * if an answer is stored, the new credentials. Writes only if neither a write nor time (`changesAt`) has
 * changed the row since it was read.
 */
export const SETTLE_AUTHENTICATORS = statement(
  'settle_authenticators',
  `WITH changed AS (
    UPDATE onboardings o SET
      state = w.state, reason = w.reason, step = w.step, version = w.version, last_seq = w.last_seq,
      lease_until = NULL, next_attempt_at = w.next_attempt_at, due_at = w.due_at,
      parked_reason = w.parked_reason, parked_at = w.parked_at, parkings = w.parkings,
      unavailable_count = w.unavailable_count, no_answer_count = w.no_answer_count,
      doubt_attempt = w.doubt_attempt, unresolved = w.unresolved,
      pending_authenticators = w.pending_authenticators, authenticators = w.authenticators,
      sealed_grant = CASE WHEN 'sealedGrant' = ANY (w.keeps) THEN o.sealed_grant END,
      sealed_authenticators = CASE WHEN 'sealedAuthenticators' = ANY (w.keeps)
        THEN o.sealed_authenticators END,
      sealed_requests = CASE WHEN 'sealedRequests' = ANY (w.keeps) THEN o.sealed_requests END,
      last_result = w.last_result, failure = w.failure,
      idle_ends_at = w.idle_ends_at, updated_at = coalesce($updatedAt::timestamptz, clock_timestamp())
    FROM json_to_record($row::json) AS w (
      state text, reason text, step text, version int, last_seq int, next_attempt_at timestamptz,
      due_at timestamptz,
      parked_reason text, parked_at timestamptz, parkings int, unavailable_count int, no_answer_count int,
      doubt_attempt int, unresolved jsonb, pending_authenticators jsonb, authenticators jsonb,
      last_result jsonb,
      failure jsonb, idle_ends_at timestamptz, keeps text[])
    WHERE o.id = $id::uuid AND o.attempt = $attempt::int AND o.version = $version::int
      AND o.last_seq = $lastSeq::int
      -- A delay of a try writes no event.
      AND date_trunc('milliseconds', o.next_attempt_at) IS NOT DISTINCT FROM $nextAttemptAt::timestamptz
    RETURNING o.id, o.integration, o.subject_key, o.authenticators, o.last_seq,
      o.sealed_requests, o.updated_at, true AS as_expected
  ),
  registered AS (
    INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
    SELECT c.integration, c.subject_key, a ->> 'credentialId', c.id
    FROM changed c, jsonb_array_elements(c.authenticators) AS a
    ORDER BY 3
    ON CONFLICT DO NOTHING
  ),
  ${ANSWERED},
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq - jsonb_array_length($events::jsonb) + e.n, e.event ->> 'type',
      e.event ->> 'actor', coalesce(e.event -> 'data', '{}')
    FROM changed c, jsonb_array_elements($events::jsonb) WITH ORDINALITY AS e (event, n)
  )
  SELECT c.sealed_requests, c.updated_at, clock_timestamp() AS now,
    EXISTS (SELECT 1 FROM answered) AS answered
  FROM changed c
  WHERE clock_timestamp() < $before::timestamptz OR gangway_refuse('settle_authenticators')`,
);
