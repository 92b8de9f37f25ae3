import { types } from 'node:util';

const AWAY = 'The database is away.';
const READ_ONLY = 'The database takes no writes at the moment.';
const BUSY = 'The database is busy.';
const REFUSED = 'The database refuses this service.';

/** SQLSTATEs and classes (their first two characters) that mean "not now". A whole SQLSTATE has priority. */
const NOT_NOW: Readonly<Record<string, string>> = {
  '08': AWAY, // the connection, a pooler's refusals among them
  '25006': READ_ONLY, // a standby, or default_transaction_read_only
  '25P03': AWAY, // PostgreSQL ended the session while it was idle in a transaction
  '25P04': BUSY, // the session ended, because its transaction took too long
  '26000': REFUSED, // a prepared statement is gone: a pooler has changed the session
  '28': REFUSED, // user, password, pg_hba.conf
  '3D000': REFUSED, // no such database
  '40': BUSY, // deadlocks and serialization failures, after all tries
  '42P05': REFUSED, // a prepared statement is there already: a pooler has changed the session
  '53': BUSY, // disk, memory, connections
  '55P03': BUSY, // another statement held a lock for too long
  '57': AWAY, // stopping, starting, recovering
  '57014': BUSY, // the statement took too long
  '58': AWAY, // an I/O error of the server
};

const SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const DRIVER_TEXTS = new RegExp(
  [
    'connection terminated',
    'timeout exceeded when trying to connect',
    'timeout expired',
    'query read timeout',
    'cannot use a pool after',
    'not queryable',
  ].join('|'),
  'i',
);

/** Errors from opening a connection. In the answer to a statement, the same SQLSTATEs mean something else. */
const NOT_CONNECTED = new WeakSet<Error>();

export function noteNotConnected(error: unknown): void {
  if (types.isNativeError(error)) NOT_CONNECTED.add(error);
}

/** @returns a sentence for callers; null if the statement is wrong. */
export function findOutage(error: unknown): string | null {
  // No instanceof: under jest, the errors of node:net come from another realm.
  if (!types.isNativeError(error)) return null;
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (typeof code === 'string') {
    if (SOCKET_CODES.has(code)) return AWAY;
    const words = NOT_NOW[code] ?? (code.length === 5 ? NOT_NOW[code.slice(0, 2)] : undefined);
    if (words !== undefined) return words;
  }
  if (Array.isArray(errors)) return errors.map(findOutage).find((words) => words !== null) ?? null;
  if (DRIVER_TEXTS.test(error.message)) return AWAY;
  return NOT_CONNECTED.has(error) ? REFUSED : null;
}

/** If true, the same statement may work later. */
export const isDatabaseAway = (error: unknown): boolean => findOutage(error) !== null;

/** True if the statement stopped itself with `gangway_refuse`, and so wrote nothing. */
export const isRefusal = (error: unknown): boolean => stateOf(error) === 'GW001';

export const isReadOnly = (error: unknown): boolean => stateOf(error) === '25006';

/** True if PostgreSQL rolled the statement back because of another one. A retry may succeed. */
export const isConflict = (error: unknown): boolean => ['40P01', '40001'].includes(stateOf(error) ?? '');

/** After these SQLSTATEs and classes, a connection is broken, or its session has changed. */
const LOST = /^(08|53|57|58|XX)|^(25P02|25P03|25P04|26000|42P05)$/;

export function isConnectionLost(error: unknown): boolean {
  const state = stateOf(error);
  return state === null || LOST.test(state);
}

const MAY_HAVE_COMMITTED = /^(08|57P|58|XX)|^25P0[34]/;

/** If false, PostgreSQL has rolled the statement back. */
export function mayHaveCommitted(error: unknown): boolean {
  const state = stateOf(error);
  return state === null || MAY_HAVE_COMMITTED.test(state);
}

/** True for a lock timeout, a deadlock, or the statement's own timeout. */
export const isLockOrTimeout = (error: unknown): boolean => LOCK_OR_TIMEOUT.has(stateOf(error) ?? '');
const LOCK_OR_TIMEOUT = new Set(['55P03', '40P01', '57014']);

function stateOf(error: unknown): string | null {
  const { code } = (error ?? {}) as { code?: unknown };
  // Some socket codes, such as EPIPE, look like a SQLSTATE.
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !SOCKET_CODES.has(code) ? code : null;
}
