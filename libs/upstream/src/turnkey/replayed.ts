import { REFUSED, retry, type Rule, type StepLaw } from '../port/retry-law.js';

/**
 * Of a step where the same bytes are the same activity: what was lost is repeated until it is told, and what the
 * repeat is told is what became of it.
 */
export function replayed(otherwise: Rule['otherwise']): StepLaw {
  const unsent = otherwise === 'give_up' ? 'give_up' : 'deadline';
  return {
    not_sent: retry(null, 'backoff', unsent),
    throttled: retry(null, 'as_told', unsent),
    unavailable: retry(null, 'backoff', otherwise),
    no_answer: retry(null, 'backoff', otherwise),
    ...REFUSED,
  };
}
