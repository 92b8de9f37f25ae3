import { REFUSED, retry, type Otherwise } from '../port/retry-law.js';

/**
 * The rules of a step in which the same bytes are the same activity. The answer to a repeated request
 * contains the result of the first try.
 */
export function replayed<const O extends Otherwise>(otherwise: O) {
  return {
    not_sent: retry(null, 'give_up'),
    throttled: retry(null, 'give_up'),
    unavailable: retry(null, otherwise),
    no_answer: retry(null, otherwise),
    ...REFUSED,
  };
}
