import type { PreparedStatement } from '#libs/database';

/** In statements that change a key, `$1` is its id, `$2` the actor, `$3` the actor's address. */

const IS_OVER = `expires_at IS NOT NULL AND expires_at <= clock_timestamp()`;

const SHOWN = `
  id, caller, name, scopes, integrations, created_at AS "createdAt", created_by AS "createdBy",
  expires_at AS "expiresAt", last_used_at AS "lastUsedAt", revoked_at AS "revokedAt",
  rotated_to AS "rotatedTo",
  CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN ${IS_OVER} THEN 'expired' ELSE 'active' END AS state`;

/** Writes the audit row in the same statement, so that no key changes without an audit row. */
const audited = (action: string, from: string, data: string) => `
  audited AS (
    INSERT INTO audit_events (actor, action, target, address, data)
    SELECT $2::text, '${action}', $1::text, $3::text, jsonb_build_object('caller', ${from}.caller, ${data})
    FROM ${from}
  )`;

const RIGHTS = `'scopes', made.scopes, 'integrations', made.integrations, 'expiresAt', made.expires_at`;

export const INSERT_KEY: PreparedStatement = {
  name: 'api_key_insert',
  text: `
    WITH made AS (
      INSERT INTO api_keys (id, created_by, caller, name, secret_hash, scopes, integrations, expires_at)
      VALUES ($1::text, $2::text, $4, $5, $6, $7, $8,
        clock_timestamp() + $9::float8 * interval '1 millisecond')
      RETURNING *
    ), ${audited('api_key_created', 'made', RIGHTS)}
    SELECT ${SHOWN} FROM made`,
};

export const LIST_KEYS: PreparedStatement = {
  name: 'api_key_list',
  text: `SELECT ${SHOWN} FROM api_keys WHERE $1::text IS NULL OR caller = $1 ORDER BY created_at DESC, id`,
};

export const STATE_OF_KEY: PreparedStatement = {
  name: 'api_key_state',
  text: `SELECT ${SHOWN} FROM api_keys WHERE id = $1`,
};

/** A second rotation of the same key waits for the first one, and then finds that the key is rotated. */
export const ROTATE_KEY: PreparedStatement = {
  name: 'api_key_rotate',
  text: `
    WITH old AS (
      SELECT * FROM api_keys
      WHERE id = $1::text AND revoked_at IS NULL AND rotated_to IS NULL AND NOT (${IS_OVER})
      FOR UPDATE
    ), made AS (
      INSERT INTO api_keys (id, created_by, caller, name, secret_hash, scopes, integrations, expires_at)
      SELECT $4::text, $2::text, caller, name, $5::bytea, scopes, integrations,
        clock_timestamp() + (expires_at - created_at)
      FROM old
      RETURNING *
    ), ended AS (
      UPDATE api_keys SET rotated_to = $4,
        expires_at = least(api_keys.expires_at, clock_timestamp() + $6::float8 * interval '1 millisecond'),
        revoked_at = CASE WHEN $6 = 0 THEN clock_timestamp() END
      FROM made WHERE api_keys.id = $1
    ), ${audited('api_key_rotated', 'made', `'to', made.id, 'overlapMs', $6::float8, ${RIGHTS}`)}
    SELECT ${SHOWN} FROM made`,
};

export const REVOKE_KEY: PreparedStatement = {
  name: 'api_key_revoke',
  text: `
    WITH made AS (
      UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = $1::text AND revoked_at IS NULL
      RETURNING *
    ), ${audited('api_key_revoked', 'made', `'name', made.name`)}
    SELECT ${SHOWN} FROM made`,
};

/** Finds no expired or revoked key, so that a login cannot accept an ended key by mistake. */
export const LOAD_KEY: PreparedStatement = {
  name: 'api_key_load',
  text: `
    SELECT caller, secret_hash AS "hash", scopes, integrations,
      (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::float8 AS "leftMs",
      coalesce(last_used_at < clock_timestamp() - interval '1 minute', true) AS "useIsNews"
    FROM api_keys WHERE id = $1 AND revoked_at IS NULL AND NOT (${IS_OVER})`,
};

/** At most once a minute, over all processes. */
export const NOTE_USE: PreparedStatement = {
  name: 'api_key_note_use',
  text: `
    UPDATE api_keys SET last_used_at = clock_timestamp()
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')`,
};

/**
 * For each caller, when the first of its keys expires; the earliest first. Leaves out keys whose expiry
 * surprises no caller: keys that are revoked, rotated, unused for a month or expired for a week, and keys
 * with a lifetime of a month or less.
 */
export const ENDS_OF_KEYS: PreparedStatement = {
  name: 'api_key_ends',
  text: `
    SELECT caller, extract(epoch FROM min(expires_at))::float8 AS at FROM api_keys
    WHERE revoked_at IS NULL AND rotated_to IS NULL
      AND expires_at > created_at + interval '31 days'
      AND expires_at > clock_timestamp() - interval '7 days'
      AND last_used_at > least(clock_timestamp(), expires_at) - interval '30 days'
    GROUP BY caller ORDER BY at LIMIT 10`,
};
