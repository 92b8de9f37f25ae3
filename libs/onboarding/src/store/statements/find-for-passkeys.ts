import { statement } from '../statement.js';

/** `challenges`: unused challenges, each with its number of failed submissions. */
export const FIND_FOR_PASSKEYS = statement(
  'find_for_passkeys',
  `SELECT o.*, clock_timestamp() AS now, (
    SELECT coalesce(jsonb_object_agg(c.challenge, c.failures), '{}') FROM webauthn_challenges c
    WHERE c.onboarding_id = o.id AND c.expires_at > clock_timestamp()
  ) AS challenges, ARRAY(
    SELECT k.credential_id FROM credentials k
    WHERE k.integration = o.integration AND k.subject_key = o.subject_key
  ) AS registered
  FROM onboardings o WHERE o.id = $id::uuid`,
);
