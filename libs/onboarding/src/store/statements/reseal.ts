import { statement } from '../statement.js';

/**
 * Counts for each key id the values that only this key can decrypt: data keys, codes, and answers of
 * idempotency keys, but not values under a row's data key (`@row`). Locks nothing.
 */
export const KEY_USE = statement(
  'key_use',
  `SELECT id, sum(uses)::int AS uses FROM (
    SELECT o.data_key_id AS id, count(*) AS uses FROM onboardings o WHERE o.data_key_id IS NOT NULL GROUP BY 1
    UNION ALL
    SELECT convert_from(substring(o.sealed_otp_code FROM 2 FOR get_byte(o.sealed_otp_code, 0)), 'UTF8'),
      count(*)
    FROM onboardings o WHERE o.state = 'otp_submitted' AND o.sealed_otp_code IS NOT NULL GROUP BY 1
    UNION ALL
    SELECT convert_from(substring(k.sealed_answer FROM 2 FOR get_byte(k.sealed_answer, 0)), 'UTF8'), count(*)
    FROM idempotency_keys k WHERE k.sealed_answer IS NOT NULL GROUP BY 1
  ) AS used WHERE id <> '@row' GROUP BY id`,
  { alone: true },
);

/** Finds each key id except the current one with one step in the index. Locks nothing. */
export const OTHER_KEY_IDS = statement(
  'other_key_ids',
  `WITH RECURSIVE ids AS (
    (SELECT o.data_key_id AS id FROM onboardings o WHERE o.data_key_id IS NOT NULL ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT o.data_key_id FROM onboardings o WHERE o.data_key_id > ids.id ORDER BY 1 LIMIT 1) FROM ids
    WHERE ids.id IS NOT NULL
  )
  SELECT id FROM ids WHERE id IS NOT NULL AND id <> $currentId::text`,
  { alone: true },
);

export const SEALED_WITH = statement(
  'sealed_with',
  `SELECT o.id, o.sealed_data_key AS "sealedDataKey" FROM onboardings o
  WHERE (o.data_key_id, o.id) > ($keyId::text, $after::uuid) AND o.data_key_id <= $keyId::text
  ORDER BY o.data_key_id, o.id LIMIT $limit::int`,
  { alone: true },
);

/**
 * Replaces the sealed data keys of rows. Locks the onboardings in the order of their ids; skips rows that
 * another statement is writing.
 */
export const WRAP = statement(
  'wrap',
  `WITH target AS (
    SELECT o.id, v.fresh FROM unnest($ids::uuid[], $seen::bytea[], $fresh::bytea[]) AS v (id, seen, fresh)
    JOIN onboardings o ON o.id = v.id AND o.sealed_data_key = v.seen
    WHERE o.id = ANY ($ids::uuid[])
    ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
  )
  UPDATE onboardings o SET sealed_data_key = t.fresh, data_key_id = $keyId::text
  FROM target t WHERE o.id = t.id
  RETURNING 1`,
  { alone: true },
);

/** Finds one onboarding for each sealing key, each with one step in the index. Locks nothing. */
export const ONE_PER_SEALING_KEY = statement(
  'one_per_sealing_key',
  `WITH RECURSIVE ids AS (
    (SELECT o.data_key_id AS id FROM onboardings o WHERE o.data_key_id IS NOT NULL ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT o.data_key_id FROM onboardings o WHERE o.data_key_id > ids.id ORDER BY 1 LIMIT 1) FROM ids
    WHERE ids.id IS NOT NULL
  )
  SELECT ids.id AS "keyId", one.id, one.sealed_data_key AS "sealedDataKey" FROM ids
  CROSS JOIN LATERAL (
    -- the first row in the index's order has this id; for an equality, PostgreSQL would read the table
    SELECT o.id, o.sealed_data_key FROM onboardings o
    WHERE o.data_key_id >= ids.id ORDER BY o.data_key_id LIMIT 1
  ) one`,
  { alone: true },
);

export const LAST_ANCHORED = statement(
  'last_anchored',
  `SELECT o.id FROM onboardings o WHERE o.anchor IS NOT NULL ORDER BY o.id DESC LIMIT 5`,
  { alone: true },
);
