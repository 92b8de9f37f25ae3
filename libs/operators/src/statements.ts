import type { PreparedStatement } from '#libs/database';

/** In a statement that looks for many rows: `clock_timestamp()` itself would be asked anew for each. */
const NOW = '(SELECT clock_timestamp())';
const ms = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`;

const ACCOUNT = `id, name, role, created_at AS "createdAt", password_set_at AS "passwordSetAt", must_change AS "mustChange",
  last_login_at AS "lastLoginAt", disabled_at AS "disabledAt"`;

/**
 * A change of an account that ends its sessions. What is deleted are those that the statement can see: one that was
 * committed while it waited for the account is of an older generation, and opens nothing either.
 */
const endingSessions = (name: string, change: string): PreparedStatement => ({
  name,
  text: `
    WITH changed AS (
      UPDATE operators SET ${change}, generation = generation + 1 WHERE name = $1 RETURNING *
    ), ended AS (
      DELETE FROM operator_sessions s USING changed WHERE s.operator_id = changed.id
    )
    SELECT ${ACCOUNT} FROM changed`,
});

export const CREATE: PreparedStatement = {
  name: 'operator_create',
  text: `
    INSERT INTO operators (id, name, role, password_hash, must_change) VALUES ($1, $2, $3, $4, true)
    ON CONFLICT (name) DO NOTHING
    RETURNING ${ACCOUNT}`,
};
export const LIST: PreparedStatement = {
  name: 'operator_list',
  text: `SELECT ${ACCOUNT} FROM operators ORDER BY name`,
};
export const SET_PASSWORD = endingSessions(
  'operator_set_password',
  'password_hash = $2, password_set_at = clock_timestamp(), must_change = true',
);
export const SET_ROLE = endingSessions('operator_set_role', 'role = $2');
export const DISABLE = endingSessions(
  'operator_disable',
  'disabled_at = coalesce(disabled_at, clock_timestamp())',
);
export const ENABLE = endingSessions('operator_enable', 'disabled_at = NULL');

/** A first password that nobody has used by then is one that lies about somewhere. */
export const FIRST_PASSWORD_DAYS = 7;

export const FIND_FOR_LOGIN: PreparedStatement = {
  name: 'operator_find_for_login',
  text: `
    SELECT id, name, role, must_change AS "mustChange", password_hash AS "passwordHash" FROM operators
    WHERE name = $1 AND disabled_at IS NULL
      AND NOT (must_change AND password_set_at < clock_timestamp() - interval '${FIRST_PASSWORD_DAYS} days')`,
};
export const FIND_OWN_PASSWORD: PreparedStatement = {
  name: 'operator_find_own_password',
  text: `SELECT password_hash AS "passwordHash" FROM operators WHERE id = $1 AND disabled_at IS NULL`,
};

/**
 * The password that was checked must still be the account's when its session begins: a check takes long enough for
 * an account to be disabled, or given another password, meanwhile.
 */
export const BEGIN_SESSION: PreparedStatement = {
  name: 'operator_session_begin',
  text: `
    WITH account AS (
      UPDATE operators SET last_login_at = clock_timestamp()
      WHERE id = $2 AND password_hash = $3 AND role = $7 AND disabled_at IS NULL
      RETURNING id, generation
    ), swept AS (
      DELETE FROM operator_sessions WHERE expires_at < ${NOW}
    )
    INSERT INTO operator_sessions (token_hash, operator_id, environment_account, address, expires_at, generation)
    SELECT $1, account.id, $4, $5, clock_timestamp() + ${ms('$6')}, coalesce(account.generation, 0)
    FROM (SELECT 1) one LEFT JOIN account ON true
    WHERE num_nonnulls(account.id, $4::bytea) = 1
    RETURNING 1`,
};

/** Who a token stands for; whether it was used counts as use is up to $5. At most one write in a while. */
export const FIND_SESSION: PreparedStatement = {
  name: 'operator_session_find',
  text: `
    WITH live AS (
      SELECT s.token_hash, s.last_seen_at, o.id, o.name, o.role, o.must_change
      FROM operator_sessions s LEFT JOIN operators o ON o.id = s.operator_id
      WHERE s.token_hash = $1
        AND s.expires_at > clock_timestamp()
        AND s.last_seen_at > clock_timestamp() - ${ms('$2')}
        AND CASE WHEN s.operator_id IS NULL THEN s.environment_account = $3
          ELSE o.disabled_at IS NULL AND s.generation = o.generation END
    ), seen AS (
      UPDATE operator_sessions s SET last_seen_at = clock_timestamp() FROM live
      WHERE $5::boolean AND s.token_hash = live.token_hash
        AND live.last_seen_at < clock_timestamp() - ${ms('$4')}
    )
    SELECT id, name, role, must_change AS "mustChange" FROM live`,
};

export const END_SESSION: PreparedStatement = {
  name: 'operator_session_end',
  text: `DELETE FROM operator_sessions WHERE token_hash = $1 RETURNING 1`,
};

/** Whose sessions: an account's, or those that were begun with what the environment says now. */
const OWN = '(operator_id = $1 OR environment_account = $2)';

export const LIST_SESSIONS: PreparedStatement = {
  name: 'operator_session_list',
  text: `
    SELECT encode(token_hash, 'hex') AS id, address, created_at AS "beganAt", last_seen_at AS "lastUsedAt",
      token_hash = $3 AS "isThis"
    FROM operator_sessions
    WHERE ${OWN} AND expires_at > ${NOW} AND last_seen_at > ${NOW} - ${ms('$4')}
    ORDER BY last_seen_at DESC`,
};

export const END_OTHER_SESSIONS: PreparedStatement = {
  name: 'operator_session_end_others',
  text: `
    DELETE FROM operator_sessions
    WHERE ${OWN} AND token_hash <> $3 AND ($4::text IS NULL OR encode(token_hash, 'hex') = $4)`,
};

/**
 * Another password for the account of a live session, which alone goes on, under another token. Nothing is changed
 * where the password that was checked is no longer the account's.
 */
export const RENEW_SESSION: PreparedStatement = {
  name: 'operator_session_renew',
  text: `
    WITH changed AS (
      UPDATE operators SET password_hash = $3, password_set_at = clock_timestamp(), must_change = false,
        generation = generation + 1
      WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL
        AND EXISTS (SELECT FROM operator_sessions WHERE token_hash = $4 AND operator_id = $1)
      RETURNING id, generation
    ), ended AS (
      DELETE FROM operator_sessions s USING changed WHERE s.operator_id = changed.id AND s.token_hash <> $4
    ), renewed AS (
      UPDATE operator_sessions s SET token_hash = $5, last_seen_at = clock_timestamp(), generation = changed.generation
      FROM changed WHERE s.token_hash = $4
    )
    SELECT 1 FROM changed`,
};
