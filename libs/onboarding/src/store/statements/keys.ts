import { statement } from '../statement.js';

/**
 * Stores answers for idempotency keys, but only the first answer for each key. Locks the keys. Skips a key
 * that another statement has locked: an erasure is deleting the key's answer.
 */
export const ANSWER = statement(
  'answer',
  `UPDATE idempotency_keys SET sealed_answer = target.sealed_answer
  FROM (
    SELECT k.ctid AS place, g.sealed_answer
    FROM unnest($callers::text[], $routes::text[], $keys::text[], $takenBys::uuid[], $sealedAnswers::bytea[])
      AS g (caller, route, key, taken_by, sealed_answer)
    CROSS JOIN LATERAL (
      SELECT k.ctid FROM idempotency_keys k
      WHERE k.caller = g.caller AND k.route = g.route AND k.key = g.key AND k.taken_by = g.taken_by
        AND k.sealed_answer IS NULL
      FOR UPDATE SKIP LOCKED
    ) k
  ) target
  WHERE idempotency_keys.ctid = target.place`,
);

/** Reads an idempotency key with its answer. Locks nothing. */
export const FIND_KEY = statement(
  'find_key',
  `SELECT k.fingerprint, k.taken_by AS "takenBy", k.onboarding_id AS "onboardingId",
    coalesce(k.locked_until > clock_timestamp(), false) AS locked,
    k.sealed_answer AS "sealedAnswer", k.fingerprint = '' AS erased
  FROM idempotency_keys k
  WHERE k.caller = $caller::text AND k.route = $route::text AND k.key = $key::text`,
);

/** Deletes an idempotency key without an answer. Locks the key. */
export const RELEASE_KEY = statement(
  'release_key',
  `DELETE FROM idempotency_keys k
  WHERE k.caller = $caller::text AND k.route = $route::text AND k.key = $key::text
    AND k.sealed_answer IS NULL`,
);

/**
 * Deletes expired idempotency keys, oldest first. Locks the keys. Skips keys that are being written: the next
 * run takes them. Finds rows by `ctid`, so that PostgreSQL reads no other rows.
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
