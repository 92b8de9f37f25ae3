import { statement } from '../statement.js';
import { IS_PAUSED } from '../paused.js';

/**
 * Claims the creation of passkeys. Locks, in this order: the idempotency key, the onboarding, the
 * credentials, the challenges. Reserves the credentials if none is registered for any user (WebAuthn Level 3
 * §7.1, step 27) and the subject may have so many passkeys. Uses up all challenges or none. Writes only if
 * the row has not changed since `seen` read it. If a later part refuses, the whole statement fails and writes
 * nothing.
 */
export const CLAIM_AUTHENTICATORS = statement(
  'claim_authenticators',
  `WITH seen AS (
    SELECT o.id, o.attempt, o.version, o.last_seq FROM onboardings o
    WHERE o.id = $id::uuid
      AND ($caller::text IS NULL OR o.caller = $caller::text)
      AND ($integrations::text[] IS NULL OR o.integration = ANY ($integrations::text[]))
      AND ($versions::int[] IS NULL OR o.version = ANY ($versions::int[]))
      AND o.state = 'otp_verified'
      AND least(o.session_ends_at, o.idle_ends_at, o.life_ends_at) > clock_timestamp()
      AND least(o.session_ends_at, o.life_ends_at)
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
  reserved AS (
    INSERT INTO credentials AS k (integration, subject_key, credential_id, onboarding_id)
    SELECT t.integration, t.subject_key, given.id, t.id
    FROM target t, unnest($credentialIds::text[]) AS given (id)
    WHERE NOT EXISTS (
        SELECT 1 FROM credentials taken
        WHERE taken.integration = t.integration AND taken.credential_id = ANY ($credentialIds::text[])
          AND taken.registered)
      AND cardinality($credentialIds::text[]) + (
        SELECT count(*) FROM credentials had
        WHERE had.integration = t.integration AND had.subject_key = t.subject_key AND had.registered
      ) <= $maxAuthenticators::int
    ON CONFLICT (integration, subject_key, credential_id)
      DO UPDATE SET onboarding_id = excluded.onboarding_id WHERE NOT k.registered
    RETURNING k.credential_id
  ),
  used AS (
    DELETE FROM webauthn_challenges c USING target t
    WHERE c.onboarding_id = t.id AND c.challenge = ANY ($challenges::text[])
      AND EXISTS (SELECT 1 FROM reserved)
      AND (SELECT count(*) FROM webauthn_challenges live
        WHERE live.onboarding_id = t.id AND live.challenge = ANY ($challenges::text[])
          AND live.expires_at > clock_timestamp()) = cardinality($challenges::text[])
    RETURNING 1
  ),
  changed AS (
    UPDATE onboardings o SET
      state = 'authenticators_submitted', reason = NULL, step = 'create-authenticators',
      version = o.version + 1, last_seq = o.last_seq + 2,
      attempt = o.attempt + 1, submission = o.attempt + 1, fingerprint = $fingerprint::text,
      claim_id = $claimId::uuid, trace_parent = $traceParent::text,
      lease_until = at + $leaseMs::float8 * interval '1 millisecond', next_attempt_at = NULL,
      due_at = at + $leaseMs::float8 * interval '1 millisecond',
      parkings = 0, unavailable_count = 0, no_answer_count = 0, doubt_attempt = NULL, last_result = NULL,
      unresolved = o.unresolved || jsonb_build_array(jsonb_build_object(
        'step', 'create-authenticators', 'attempt', o.attempt + 1,
        'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))),
      sealed_otp_code = NULL, sealed_authenticators = $sealedAuthenticators::bytea, sealed_requests = NULL,
      pending_authenticators = $pendingAuthenticators::jsonb,
      idle_ends_at = at + $idleMs::float8 * interval '1 millisecond', updated_at = at
    FROM target t, clock_timestamp() AS at
    WHERE o.id = t.id AND EXISTS (SELECT 1 FROM used) AND clock_timestamp() < $claimBefore::timestamptz
    RETURNING o.*
  ),
  logged AS (
    INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
    SELECT c.id, c.last_seq - 1, 'authenticators_submitted', 'caller',
      jsonb_build_object('authenticators', cardinality($credentialIds::text[]))
    FROM changed c
    UNION ALL
    SELECT c.id, c.last_seq, 'attempt_started', 'service',
      jsonb_build_object('attempt', c.attempt, 'step', c.step, 'fingerprint', c.fingerprint)
    FROM changed c
  )
  SELECT c.*, clock_timestamp() AS now, ${IS_PAUSED} FROM (SELECT 1) one LEFT JOIN changed c ON true
  WHERE c.id IS NOT NULL OR (
    EXISTS (SELECT 1 FROM key_taken UNION ALL SELECT 1 FROM reserved)
      AND gangway_refuse('claim_authenticators'))`,
);
