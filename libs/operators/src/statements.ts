import type { PreparedStatement } from '#libs/database';

/** In a subquery, PostgreSQL evaluates the time only once, not for each row. */
const NOW = '(SELECT clock_timestamp())';
const ms = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`;

export const BEGIN_SESSION: PreparedStatement = {
  name: 'operator_session_begin',
  text: `
    WITH swept AS (
      DELETE FROM operator_sessions WHERE expires_at < ${NOW}
    )
    INSERT INTO operator_sessions
      (token_hash, how, identity, name, role, emergency_mark, address, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + ${ms('$8')})`,
};

/** $1: the idle time. $2: the keyed hash of the emergency password; if null, no emergency session is live. */
const LIVE = `expires_at > ${NOW} AND last_seen_at > ${NOW} - ${ms('$1')}
  AND (how <> 'emergency' OR emergency_mark = $2::bytea)`;

/** $4: the shortest time between two writes of the last use. $5: whether this request counts as a use. */
export const FIND_SESSION: PreparedStatement = {
  name: 'operator_session_find',
  text: `
    WITH live AS (
      SELECT token_hash, last_seen_at, name, role, how, identity FROM operator_sessions
      WHERE token_hash = $3 AND ${LIVE}
    ), seen AS (
      UPDATE operator_sessions s SET last_seen_at = clock_timestamp() FROM live
      WHERE $5::boolean AND s.token_hash = live.token_hash
        AND live.last_seen_at < clock_timestamp() - ${ms('$4')}
    )
    SELECT name, role, how, identity FROM live`,
};

export const END_SESSION: PreparedStatement = {
  name: 'operator_session_end',
  text: `DELETE FROM operator_sessions WHERE token_hash = $1`,
};

/** The session belongs to the same person as the session with this token. */
const own = (token: string) =>
  `(how, identity) = (SELECT how, identity FROM operator_sessions WHERE token_hash = ${token})`;

/** $4: whether to list the sessions of all operators. */
export const LIST_SESSIONS: PreparedStatement = {
  name: 'operator_session_list',
  text: `
    SELECT encode(token_hash, 'hex') AS id, name, role, how, identity, address, created_at AS "beganAt",
      last_seen_at AS "lastUsedAt", token_hash = $3 AS "isThis"
    FROM operator_sessions
    WHERE ${LIVE} AND ($4::boolean OR ${own('$3')})
    ORDER BY last_seen_at DESC LIMIT 200`,
};

/** $2: the id of one session, or null for all. $3: whether to end sessions of other operators too. */
export const END_OTHER_SESSIONS: PreparedStatement = {
  name: 'operator_session_end_others',
  text: `
    DELETE FROM operator_sessions
    WHERE token_hash <> $1 AND ($3::boolean OR ${own('$1')})
      AND ($2::text IS NULL OR encode(token_hash, 'hex') = $2)
    RETURNING name`,
};

export const MAKE_LINK: PreparedStatement = {
  name: 'operator_link_make',
  text: `
    WITH swept AS (
      DELETE FROM operator_links WHERE expires_at < ${NOW}
    )
    INSERT INTO operator_links (token_hash, name, role, expires_at)
    VALUES ($1, $2, $3, clock_timestamp() + ${ms('$4')})`,
};

/** If two requests use a link at the same time, only one of them deletes the row and gets it. */
export const USE_LINK: PreparedStatement = {
  name: 'operator_link_use',
  text: `DELETE FROM operator_links WHERE token_hash = $1 AND expires_at > clock_timestamp()
    RETURNING name, role`,
};

/** Returns a row only for the first use of a login's cookie. */
export const USE_FLOW: PreparedStatement = {
  name: 'operator_flow_use',
  text: `
    WITH swept AS (
      DELETE FROM operator_flows_used WHERE expires_at < ${NOW}
    )
    INSERT INTO operator_flows_used (flow_hash, expires_at) VALUES ($1, to_timestamp($2::float8 / 1000))
    ON CONFLICT DO NOTHING RETURNING 1`,
};
