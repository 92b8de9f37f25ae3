import { ProblemError, type FieldError } from '#libs/kernel';
import type { OperationTarget } from './operation.js';

const MAX_REASON = 500;

/**
 * A filter without a condition would mean all onboardings.
 *
 * @throws ProblemError `validation_failed`
 */
export function mustHaveCondition(target: OperationTarget): void {
  if ('ids' in target) return;
  const { states, endedUnresolved, ...others } = target.filter;
  if (states?.length || endedUnresolved) return;
  if (Object.values(others).some((value) => value !== undefined)) return;
  throw invalid('/filter', 'too_small', 'A filter needs at least one condition.');
}

/**
 * @returns the reason, trimmed.
 * @throws ProblemError `validation_failed` if it has not 1 to 500 characters that PostgreSQL can store.
 */
export function reasonOf(given: string): string {
  const reason = given.trim();
  if (reason === '') throw invalid('/reason', 'too_small', 'Give a reason.');
  if (reason.length > MAX_REASON) {
    throw invalid('/reason', 'too_big', `A reason has at most ${MAX_REASON} characters.`);
  }
  if (reason.isWellFormed() && !reason.includes('\0')) return reason;
  throw invalid('/reason', 'unstorable_text', 'The reason holds U+0000 or half of a surrogate pair.');
}

export const invalid = (pointer: string, code: FieldError['code'], detail: string) =>
  new ProblemError('validation_failed', { detail, errors: [{ pointer, code, detail }] });
