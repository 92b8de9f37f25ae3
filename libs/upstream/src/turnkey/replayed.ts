import { REFUSED, retry, type Rule, type StepLaw } from '../port/retry-law.js';

/**
 * Of a step where the same bytes are the same activity: what was lost is repeated until it is told, and what the
 * repeat is told is what became of it.
 */
export function replayed(otherwise: Rule['otherwise']): StepLaw {
  return {
    not_sent: retry(null, 'give_up'),
    throttled: retry(null, 'give_up'),
    unavailable: retry(null, otherwise),
    no_answer: retry(null, otherwise),
    ...REFUSED,
  };
}
