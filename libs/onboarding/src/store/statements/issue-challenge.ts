import { ACCEPTS_PASSKEYS } from '../accepts-passkeys.js';
import { statement } from '../statement.js';

/**
 * Issues a challenge, and deletes the oldest ones if too many are outstanding. Locks, in this order: the
 * onboarding (because a concurrent erasure would not see the new challenge), the idempotency key, the deleted
 * challenges. Writes nothing if the onboarding accepts no further passkey, or if the key exists.
 */
export const ISSUE_CHALLENGE = statement(
  'issue_challenge',
  `WITH target AS (
    -- The row passes with all its columns: a later read would show it as it was before a wait for the lock.
    SELECT o.*, k.registered FROM onboardings o CROSS JOIN LATERAL (
      SELECT ARRAY(
        SELECT c.credential_id FROM credentials c
        WHERE c.integration = o.integration AND c.subject_key = o.subject_key
      ) AS registered
    ) k
    WHERE o.id = $id::uuid AND ${ACCEPTS_PASSKEYS}
      AND cardinality(k.registered) < ($rooms::jsonb ->> o.integration)::int
    FOR SHARE OF o
  ),
  key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid, t.id,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM target t WHERE $key::text IS NOT NULL
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  issued AS (
    INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
    SELECT t.id, $challenge::text, clock_timestamp() + $lifeMs::float8 * interval '1 millisecond'
    FROM target t WHERE $key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken)
    RETURNING onboarding_id
  ),
  outdated AS (
    DELETE FROM webauthn_challenges w USING issued i
    WHERE w.onboarding_id = i.onboarding_id AND w.expires_at <= greatest(clock_timestamp(), (
      SELECT c.expires_at FROM webauthn_challenges c WHERE c.onboarding_id = i.onboarding_id
      ORDER BY c.expires_at DESC OFFSET $outstanding::int - 1 LIMIT 1))
  )
  SELECT t.*, clock_timestamp() AS now FROM target t, issued`,
);
