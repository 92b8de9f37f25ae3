import { ACCEPTS_PASSKEYS } from '../accepts-passkeys.js';
import { statement } from '../statement.js';

/**
 * Reads a row with its outstanding challenges and the credentials of its subject. Takes one try from each
 * given challenge that has a try left. Does so only if all given challenges are outstanding, and if the row
 * accepts such passkeys from this caller. `$byDevice`: the user's device has signed the submission. Locks
 * these challenges.
 */
export const FIND_FOR_PASSKEYS = statement(
  'find_for_passkeys',
  `WITH charged AS (
    UPDATE webauthn_challenges w SET tries = w.tries + 1
    FROM onboardings o
    WHERE cardinality($challenges::text[]) > 0 AND o.id = $id::uuid
      AND w.onboarding_id = $id::uuid AND w.challenge = ANY ($challenges::text[]) AND w.tries < $tries::int
      AND w.expires_at > clock_timestamp()
      AND (o.device_signing IS NOT NULL) = $byDevice::boolean AND ${ACCEPTS_PASSKEYS}
      AND (SELECT count(*) FROM webauthn_challenges c
        WHERE c.onboarding_id = $id::uuid AND c.challenge = ANY ($challenges::text[])
          AND c.expires_at > clock_timestamp()) = cardinality($challenges::text[])
    RETURNING w.challenge
  )
  SELECT o.*, clock_timestamp() AS now, ARRAY(
    SELECT c.challenge FROM webauthn_challenges c
    WHERE c.onboarding_id = o.id AND c.expires_at > clock_timestamp()
  ) AS challenges, ARRAY(
    SELECT k.credential_id FROM credentials k
    WHERE k.integration = o.integration AND k.subject_key = o.subject_key AND k.registered
  ) AS registered, ARRAY(SELECT c.challenge FROM charged c) AS charged
  FROM onboardings o WHERE o.id = $id::uuid`,
);
