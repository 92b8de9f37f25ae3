import { ProblemError, type FieldError } from '#libs/kernel';
import type { OperationTarget } from './operation.js';

const MAX_REASON = 500;

/**
 * @throws ProblemError `validation_failed` for a filter without a condition: it would select all onboardings.
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
 * @throws ProblemError `validation_failed` if it is blank, too long, or not storable in PostgreSQL.
 */
export function reasonOf(given: string): string {
  const reason = given.replaceAll(UNSEEN, ' ').trim();
  if (reason === '') throw invalid('/reason', 'too_small', 'Give a reason.');
  if (reason.length > MAX_REASON) {
    throw invalid('/reason', 'too_big', `A reason has at most ${MAX_REASON} characters.`);
  }
  if (reason.isWellFormed() && !given.includes('\0')) return reason;
  throw invalid(
    '/reason',
    'unstorable_text',
    'The reason has U+0000 or half of a character, which cannot be stored.',
  );
}

export const invalid = (pointer: string, code: FieldError['code'], detail: string) =>
  new ProblemError('validation_failed', { detail, errors: [{ pointer, code, detail }] });
