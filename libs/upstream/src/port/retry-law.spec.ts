import { expect, it } from '@jest/globals';
import { REFUSED, retry, type RetryLaw } from './retry-law.js';

const STEP = {
  not_sent: retry(null, 'give_up'),
  throttled: retry(null, 'give_up'),
  unavailable: retry(0, 'outcome_unknown'),
  no_answer: retry(0, 'outcome_unknown'),
  ...REFUSED,
};

it('the type RetryLaw (retry rules) refuses a rule that leaves the outcome of init-otp unknown', () => {
  // `npm run typecheck` fails if TypeScript accepts these rules.
  // @ts-expect-error the state machine has no unknown outcome for init-otp
  const law: RetryLaw = { 'init-otp': STEP, 'verify-otp': STEP, 'create-authenticators': STEP };
  expect(law['init-otp'].no_answer.otherwise).toBe('outcome_unknown');
});
