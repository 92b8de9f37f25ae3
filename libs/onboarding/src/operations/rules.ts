import { ProblemError, type FieldError } from '#libs/kernel';
import type { OperationTarget } from './operation.js';

const MAX_REASON = 500;

/**
 * Refuses a filter without a condition, because it would select all onboardings.
 *
 * @throws ProblemError `validation_failed`
 */
export function mustHaveCondition(target: OperationTarget): void {
  if ('ids' in target) return;
  const { states, waiting, endedUnresolved, ...others } = target.filter;
  if (states?.length || waiting || endedUnresolved) return;
  if (Object.values(others).some((value) => value !== undefined)) return;
  throw invalid('/filter', 'too_small', 'A filter needs at least one condition.');
}

/** Invisible characters, and characters that change how a terminal or a page shows the text around them. */
const UNSEEN = /[\p{Cc}\p{Cf}\s]+/gu;

/**
 * @returns the reason, with one space instead of line breaks and invisible characters.
 * @throws ProblemError `validation_failed` if the reason is blank, has more than 500 characters, or has
 *   characters that PostgreSQL cannot store.
 */
export function reasonOf(given: string): string {
  const reason = given.replaceAll(UNSEEN, ' ').trim();
  if (reason === '') throw invalid('/reason', 'too_small', 'Give a reason.');
  if (reason.length > MAX_REASON) {
    throw invalid('/reason', 'too_big', `A reason has at most ${MAX_REASON} characters.`);
  }
  if (reason.isWellFormed() && !given.includes('\0')) return reason;
  throw invalid('/reason', 'unstorable_text', 'The reason holds U+0000 or half of a surrogate pair.');
}

export const invalid = (pointer: string, code: FieldError['code'], detail: string) =>
  new ProblemError('validation_failed', { detail, errors: [{ pointer, code, detail }] });
