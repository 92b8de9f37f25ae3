import { statement } from '../statement.js';

/**
 * Stores the first answer for an idempotency key. Locks the key. After a wait for an erasure, stores nothing,
 * because the erasure has cleared `taken_by`.
 */
export const ANSWER = statement(
  'answer',
  `UPDATE idempotency_keys k SET sealed_answer = $sealedAnswer::bytea
  WHERE k.caller = $keyCaller::text AND k.route = $route::text AND k.key = $key::text
    AND k.taken_by = $takenBy::uuid AND k.sealed_answer IS NULL
  RETURNING 1`,
);

export const FIND_KEY = statement(
  'find_key',
  `SELECT k.fingerprint, k.taken_by AS "takenBy", k.onboarding_id AS "onboardingId",
    coalesce(k.locked_until > clock_timestamp(), false) AS locked,
    k.sealed_answer AS "sealedAnswer", k.fingerprint = '' AS erased
  FROM idempotency_keys k
  WHERE k.caller = $caller::text AND k.route = $route::text AND k.key = $key::text`,
);

export const RELEASE_KEY = statement(
  'release_key',
  `DELETE FROM idempotency_keys k
  WHERE k.caller = $caller::text AND k.route = $route::text AND k.key = $key::text
    AND k.sealed_answer IS NULL`,
);

/**
 * Deletes expired idempotency keys, oldest first. Locks the keys; skips keys that are being written. Finds
 * rows by `ctid`, so that PostgreSQL reads no other rows.
 */
export const FORGET_KEYS = statement(
  'forget_keys',
  `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys
    WHERE created_at < (SELECT clock_timestamp()) - $keptMs::float8 * interval '1 millisecond'
    ORDER BY created_at LIMIT $limit::int FOR UPDATE SKIP LOCKED
  )) RETURNING 1`,
  { alone: true },
);
