import { z } from 'zod';
import { defineProvider } from '../define-provider.js';
import { AFTER_COOLDOWN, REFUSED, retry } from '../port/retry-law.js';
import { ByzantineProvider, subjectSchema } from './byzantine.provider.js';

/**
 * Byzantine has no idempotency keys, and no route that returns the result of an earlier request. If an answer
 * is lost, the outcome stays unknown.
 */
export const byzantine = defineProvider({
  kind: 'byzantine',
  signs: true,
  settings: z.object({}),
  limitsSignatureAge: true,
  law: {
    'init-otp': {
      not_sent: retry(null, 'give_up'),
      throttled: retry(null, 'give_up'),
      // Each try counts as a sent code, so the subject's limit of codes also limits the tries.
      unavailable: retry(null, 'give_up'),
      no_answer: retry(1, 'give_up', AFTER_COOLDOWN),
      ...REFUSED,
    },
    'verify-otp': {
      not_sent: retry(null, 'give_up'),
      throttled: retry(null, 'give_up'),
      unavailable: retry(2, 'outcome_unknown'),
      no_answer: retry(0, 'outcome_unknown'),
      ...REFUSED,
    },
    'create-authenticators': {
      not_sent: retry(null, 'give_up'),
      throttled: retry(null, 'give_up'),
      unavailable: retry(4, 'outcome_unknown'),
      no_answer: retry(1, 'outcome_unknown'),
      ...REFUSED,
    },
  },
  schemas: { subject: subjectSchema, otp: null },
  keyOfContact: () => null,
  replayable: [],
  create: (integration, { keys, http, clock, skew }) =>
    new ByzantineProvider(integration, keys, http, clock, skew),
});
