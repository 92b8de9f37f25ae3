import type { PreparedStatement } from '#libs/database';

/** In a statement that looks for many rows: `clock_timestamp()` itself would be asked anew for each. */
const NOW = '(SELECT clock_timestamp())';
const ms = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`;

const ACCOUNT = `id, name, role, created_at AS "createdAt", password_set_at AS "passwordSetAt",
  last_login_at AS "lastLoginAt", disabled_at AS "disabledAt"`;

/** A change of an account that ends its sessions in the same statement: there is no moment in between. */
const endingSessions = (name: string, change: string): PreparedStatement => ({
  name,
  text: `
    WITH changed AS (
      UPDATE operators SET ${change} WHERE name = $1 RETURNING *
    ), ended AS (
      DELETE FROM operator_sessions s USING changed WHERE s.operator_id = changed.id
    )
    SELECT ${ACCOUNT} FROM changed`,
});

export const CREATE: PreparedStatement = {
  name: 'operator_create',
  text: `
    INSERT INTO operators (id, name, role, password_hash) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO NOTHING
    RETURNING ${ACCOUNT}`,
};
export const LIST: PreparedStatement = {
  name: 'operator_list',
  text: `SELECT ${ACCOUNT} FROM operators ORDER BY name`,
};
export const SET_PASSWORD = endingSessions(
  'operator_set_password',
  'password_hash = $2, password_set_at = clock_timestamp()',
);
export const SET_ROLE = endingSessions('operator_set_role', 'role = $2');
export const DISABLE = endingSessions(
  'operator_disable',
  'disabled_at = coalesce(disabled_at, clock_timestamp())',
);
export const ENABLE = endingSessions('operator_enable', 'disabled_at = NULL');

export const FIND_FOR_LOGIN: PreparedStatement = {
  name: 'operator_find_for_login',
  text: `
    SELECT id, name, role, password_hash AS "passwordHash" FROM operators
    WHERE name = $1 AND disabled_at IS NULL`,
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
      RETURNING id
    ), swept AS (
      DELETE FROM operator_sessions WHERE expires_at < ${NOW}
    )
    INSERT INTO operator_sessions (token_hash, operator_id, environment_account, address, expires_at)
    SELECT $1, account.id, $4, $5, clock_timestamp() + ${ms('$6')}
    FROM (SELECT 1) one LEFT JOIN account ON true
    WHERE num_nonnulls(account.id, $4::bytea) = 1
    RETURNING 1`,
};

/** Who a token stands for; whether it was used counts as use is up to $5. At most one write in a while. */
export const FIND_SESSION: PreparedStatement = {
  name: 'operator_session_find',
  text: `
    WITH live AS (
      SELECT s.token_hash, s.last_seen_at, s.expires_at, o.id, o.name, o.role
      FROM operator_sessions s LEFT JOIN operators o ON o.id = s.operator_id
      WHERE s.token_hash = $1
        AND s.expires_at > clock_timestamp()
        AND s.last_seen_at > clock_timestamp() - ${ms('$2')}
        AND CASE WHEN s.operator_id IS NULL THEN s.environment_account = $3 ELSE o.disabled_at IS NULL END
    ), seen AS (
      UPDATE operator_sessions s SET last_seen_at = clock_timestamp() FROM live
      WHERE $5::boolean AND s.token_hash = live.token_hash
        AND live.last_seen_at < clock_timestamp() - ${ms('$4')}
    )
    SELECT id, name, role, expires_at AS "expiresAt" FROM live`,
};

export const END_SESSION: PreparedStatement = {
  name: 'operator_session_end',
  text: `DELETE FROM operator_sessions WHERE token_hash = $1 RETURNING 1`,
};
