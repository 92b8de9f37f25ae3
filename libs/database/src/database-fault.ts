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
