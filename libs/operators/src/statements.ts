import type { PreparedStatement } from '#libs/database';

/** For statements that scan many rows. PostgreSQL evaluates this expression once, and not for each row. */
const NOW = '(SELECT clock_timestamp())';
const ms = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`;

const ACCOUNT = `id, name, role, created_at AS "createdAt", password_set_at AS "passwordSetAt",
  must_change AS "mustChange",
  last_login_at AS "lastLoginAt", disabled_at AS "disabledAt"`;

/**
 * A change of an account that ends its sessions. The DELETE misses a session that commits while the statement
 * waits for the account. That session has an older generation, so its token is not accepted.
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

/** A first password that is not used expires, because it may be written down somewhere. */
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
 * When the session begins, the checked password must still be the account's password. The check takes so long
 * that the account may be disabled or get another password meanwhile.
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
    INSERT INTO operator_sessions
      (token_hash, operator_id, environment_account, address, expires_at, generation)
    SELECT $1, account.id, $4, $5, clock_timestamp() + ${ms('$6')}, coalesce(account.generation, 0)
    FROM (SELECT 1) one LEFT JOIN account ON true
    WHERE num_nonnulls(account.id, $4::bytea) = 1
    RETURNING 1`,
};

/** Finds the operator of a token. $5: whether this counts as use. Use is written at most once in $4 ms. */
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

/** The sessions of an account, or of the environment's account with its present name and password. */
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
 * Changes the password and the session's token, and ends the account's other sessions. It changes nothing if
 * the checked password is no longer the account's password.
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
      UPDATE operator_sessions s
      SET token_hash = $5, last_seen_at = clock_timestamp(), generation = changed.generation
      FROM changed WHERE s.token_hash = $4
    )
    SELECT 1 FROM changed`,
};
