import { REFUSED, retry, type Rule, type StepLaw } from '../port/retry-law.js';

/**
 * The retry rules of a step whose same bytes are the same activity: the answer to a repeat contains the
 * result of the first try.
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
