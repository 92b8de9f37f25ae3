import { types } from 'node:util';

/** SQLSTATE classes that mean "not now": connection trouble, no resources, operator intervention. */
const AWAY_CLASSES = new Set(['08', '53', '57']);
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
const AWAY_TEXTS =
  /connection terminated|timeout exceeded when trying to connect|timeout expired|query read timeout|cannot use a pool after/i;

/** Whether an error says that PostgreSQL is away or starting, rather than that a statement was wrong. */
export function isDatabaseAway(error: unknown): boolean {
  // Not instanceof: node:net's errors may come from another realm, as they do under jest.
  if (!types.isNativeError(error)) return false;
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (typeof code === 'string' && (AWAY_CODES.has(code) || AWAY_CLASSES.has(code.slice(0, 2)))) return true;
  if (Array.isArray(errors)) return errors.some(isDatabaseAway);
  return AWAY_TEXTS.test(error.message);
}

/** The name of the violated constraint where the error is a unique violation (SQLSTATE 23505), else null. */
export function violatedUniqueConstraint(error: unknown): string | null {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  return code === '23505' && typeof constraint === 'string' ? constraint : null;
}

/** Whether a clause of a statement refused (`gangway_refuse`): then nothing of the statement was written. */
export function isRefusal(error: unknown): boolean {
  return ((error ?? {}) as { code?: unknown }).code === 'GW001';
}

/** Whether PostgreSQL broke a deadlock with this statement (SQLSTATE 40P01): then nothing of it was written. */
export function isDeadlock(error: unknown): boolean {
  return ((error ?? {}) as { code?: unknown }).code === '40P01';
}

/** Deadlock, serialization failure, lock timeout, and a server that has become a standby: the same may work again. */
const AGAIN_CODES = new Set(['40P01', '40001', '55P03', '25006']);

/** Whether a statement that fails so is worth repeating as it is. */
export function isWorthRepeating(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return isDatabaseAway(error) || (typeof code === 'string' && AGAIN_CODES.has(code));
}
