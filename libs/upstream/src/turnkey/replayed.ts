import { REFUSED, retry, type Rule, type StepLaw } from '../port/retry-law.js';

/**
 * The rules of a step whose repeat, with the same bytes, is the same activity. A lost answer leads to a
 * repeat, and the answer to the repeat is the result of the first try.
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
