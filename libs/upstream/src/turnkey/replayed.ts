import { REFUSED, retry, type Otherwise } from '../port/retry-law.js';

/** The retry rules of a step at which Turnkey answers a repeated body with the result of the first try. */
export function replayed<const O extends Otherwise>(otherwise: O) {
  return {
    not_sent: retry(null, 'give_up'),
    throttled: retry(null, 'give_up'),
    unavailable: retry(null, otherwise),
    no_answer: retry(null, otherwise),
    ...REFUSED,
  };
}
