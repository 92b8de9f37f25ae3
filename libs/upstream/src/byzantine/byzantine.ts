import { z } from 'zod';
import { defineProvider } from '../define-provider.js';
import { REFUSED, retry } from '../port/retry-law.js';
import { ByzantineProvider } from './byzantine.provider.js';

/** Byzantine has no idempotency and no read-back: every lost answer stays a doubt. */
export const byzantine = defineProvider({
  kind: 'byzantine',
  signs: true,
  settings: z.object({}),
  limitsSignatureAge: true,
  law: {
    'init-otp': {
      not_sent: retry(null, 'backoff', 'give_up'),
      throttled: retry(null, 'as_told', 'give_up'),
      // Each try may send a mail and counts as a send, so that the subject's budget is the bound.
      unavailable: retry(null, 'backoff', 'give_up'),
      no_answer: retry(1, 'cooldown', 'give_up'),
      ...REFUSED,
    },
    'verify-otp': {
      not_sent: retry(null, 'backoff', 'deadline'),
      throttled: retry(null, 'as_told', 'deadline'),
      unavailable: retry(2, 'backoff', 'outcome_unknown'),
      no_answer: retry(0, 'backoff', 'outcome_unknown'),
      ...REFUSED,
    },
    'create-authenticators': {
      not_sent: retry(null, 'backoff', 'deadline'),
      throttled: retry(null, 'as_told', 'deadline'),
      unavailable: retry(4, 'backoff', 'outcome_unknown'),
      no_answer: retry(1, 'backoff', 'outcome_unknown'),
      ...REFUSED,
    },
  },
  replayable: [],
  create: (integration, { keys, http, clock, skew }) =>
    new ByzantineProvider(integration, keys, http, clock, skew),
});
