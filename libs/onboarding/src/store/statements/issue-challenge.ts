import { statement } from '../statement.js';

/**
 * Issues a challenge, and deletes the oldest challenges if too many are outstanding. Locks, in this order:
 * the idempotency key, the onboarding, the deleted challenges. The onboarding is locked because a concurrent
 * erasure would not see the new challenge.
 */
export const ISSUE_CHALLENGE = statement(
  'issue_challenge',
  `WITH key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid, o.id,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM onboardings o WHERE $key::text IS NOT NULL AND o.id = $id::uuid AND o.erased_at IS NULL
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  target AS (
    SELECT o.id FROM onboardings o
    WHERE o.id = $id::uuid AND o.erased_at IS NULL
      AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
    FOR SHARE
  ),
  outdated AS (
    DELETE FROM webauthn_challenges w USING target t
    WHERE w.onboarding_id = t.id AND w.expires_at <= greatest(clock_timestamp(), (
      SELECT c.expires_at FROM webauthn_challenges c WHERE c.onboarding_id = t.id
      ORDER BY c.expires_at DESC OFFSET $outstanding::int - 1 LIMIT 1))
  ),
  issued AS (
    INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
    SELECT t.id, $challenge::text, clock_timestamp() + $lifeMs::float8 * interval '1 millisecond'
    FROM target t
    RETURNING challenge
  )
  SELECT i.challenge FROM (SELECT 1) one LEFT JOIN issued i ON true
  WHERE i.challenge IS NOT NULL OR (EXISTS (SELECT 1 FROM key_taken) AND gangway_refuse('issue_challenge'))`,
);
