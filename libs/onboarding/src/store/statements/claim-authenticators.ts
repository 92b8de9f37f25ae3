import { ACCEPTS_PASSKEYS, SESSION_STATE_ENDS_AT } from '../accepts-passkeys.js';
import { IS_PAUSED } from '../paused.js';
import { statement } from '../statement.js';

/**
 * Begins an attempt to create passkeys. Locks, in this order: the onboarding, the idempotency key, the
 * challenges. Writes nothing if a challenge is missing, a credential is registered for any user (WebAuthn
 * Level 3 §7.1, step 27), or the subject would have too many passkeys. PostgreSQL checks the conditions again
 * after a wait for the onboarding's lock, and compares the times once all locks are held.
 */
export const CLAIM_AUTHENTICATORS = statement(
  'claim_authenticators',
  `WITH target AS (
    SELECT o.id, o.integration, o.subject_key, o.attempt, o.last_seq, ${SESSION_STATE_ENDS_AT} AS ends_at
    FROM onboardings o
    WHERE o.id = $id::uuid
      AND ${ACCEPTS_PASSKEYS}
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
  used AS (
    DELETE FROM webauthn_challenges c USING target t
    WHERE c.onboarding_id = t.id AND c.challenge = ANY ($challenges::text[])
      AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
      AND NOT EXISTS (
        SELECT 1 FROM credentials taken
        WHERE taken.integration = t.integration AND taken.credential_id = ANY ($credentialIds::text[]))
      AND cardinality($credentialIds::text[]) + (
        SELECT count(*) FROM credentials had
        WHERE had.integration = t.integration AND had.subject_key = t.subject_key
      ) <= $maxAuthenticators::int
      AND (SELECT count(*) FROM webauthn_challenges live
        WHERE live.onboarding_id = t.id AND live.challenge = ANY ($challenges::text[])
          AND live.expires_at > clock_timestamp()) = cardinality($challenges::text[])
    RETURNING clock_timestamp() AS at
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT t.id, t.last_seq + e.n, e.type, e.actor, e.data
    FROM target t, LATERAL (VALUES
      (1, 'authenticators_submitted', 'caller',
        jsonb_build_object('authenticators', cardinality($credentialIds::text[]))),
      (2, 'attempt_started', 'service', jsonb_build_object(
        'attempt', t.attempt + 1, 'step', 'create-authenticators', 'fingerprint', $fingerprint::text))
    ) AS e (n, type, actor, data)
  )
  UPDATE onboardings o SET
    state = 'authenticators_submitted', reason = NULL, step = 'create-authenticators',
    version = o.version + 1, last_seq = o.last_seq + 2,
    attempt = o.attempt + 1, submission = o.attempt + 1, fingerprint = $fingerprint::text,
    claim_id = $claimId::uuid, trace_parent = $traceParent::text,
    lease_until = u.at + $leaseMs::float8 * interval '1 millisecond', next_attempt_at = NULL,
    due_at = u.at + $leaseMs::float8 * interval '1 millisecond',
    parkings = 0, unavailable_count = 0, no_answer_count = 0, doubt_attempt = NULL, last_result = NULL,
    unresolved = o.unresolved || jsonb_build_array(jsonb_build_object(
      'step', 'create-authenticators', 'attempt', o.attempt + 1,
      'at', to_char(u.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))),
    sealed_otp_code = NULL, sealed_authenticators = $sealedAuthenticators::bytea, sealed_requests = NULL,
    pending_authenticators = $pendingAuthenticators::jsonb,
    idle_ends_at = u.at + $idleMs::float8 * interval '1 millisecond', updated_at = u.at
  FROM target t LEFT JOIN (
    SELECT CASE WHEN count(*) = cardinality($challenges::text[]) THEN max(used.at) END AS at FROM used
  ) u ON true
  WHERE o.id = t.id
    AND (u.at < least($claimBefore::timestamptz, t.ends_at) OR gangway_refuse('claim_authenticators'))
  RETURNING o.*, clock_timestamp() AS now, ${IS_PAUSED}`,
);
