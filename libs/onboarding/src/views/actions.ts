import type { ProblemError } from '#libs/kernel';
import { nextActionOf } from '../flow/next-action.js';
import { refusalOf, refusalOfCancel, refusalOfDecision, refusalOfRetry } from '../flow/refusal.js';
import type { Row } from '../flow/row.js';
import { isEnded, nextState, type State } from '../flow/table.js';
import type { ActionView } from './types.js';

/**
 * `whyNot` is the text of the command's refusal. Only commands check the subject's limits, so a command may
 * still refuse an allowed action.
 *
 * @param row the row that `asOfNow` returns.
 */
export function actionsOf(row: Row): ActionView[] {
  return [
    action('retry', refusalOfRetry(row), meaningOfRetry(row)),
    action('resolve_done', refusalOfDecision(row, 'done'), meaningOfDone(row)),
    action('resolve_not_done', refusalOfDecision(row, 'not_done'), meaningOfNotDone(row)),
    action('resend', refusalOf(row, 'otp_resend_asked', 'init-otp'), meaningOfResend(row)),
    action('cancel', refusalOfCancel(row), meaningOfCancel(row)),
    {
      action: 'erase',
      allowed: row.erasedAt === null,
      means:
        (isEnded(row.state) ? '' : 'Cancels the onboarding. ') +
        'Deletes its personal data for good; the state and the times of its events stay.',
      whyNot: row.erasedAt === null ? null : 'Its personal data is erased already.',
    },
  ];
}

const action = (name: ActionView['action'], refusal: ProblemError | null, means: string): ActionView => ({
  action: name,
  allowed: refusal === null,
  means,
  whyNot: refusal && refusal.message,
});

function meaningOfRetry({ step, parkedReason }: Row): string {
  if (!step) return 'Tries the waiting step now.';
  const parked = parkedReason ? ' It is parked again if the cause is not repaired.' : '';
  return `Calls the provider for ${step} now, instead of at the planned time.${parked}`;
}

const RECORDED = 'Only records the decision, because the onboarding has ended.';

function meaningOfDone(row: Row): string {
  if (isEnded(row.state)) return RECORDED;
  return 'Says that the provider did it: the passkeys exist, and the onboarding is completed.';
}

function meaningOfNotDone(row: Row): string {
  if (isEnded(row.state)) return RECORDED;
  if (row.step === 'verify-otp')
    return 'Says that the code was not accepted: a new code is sent to the user now.';
  const sessionLives = row.sessionEndsAt !== null && row.sessionEndsAt > row.now;
  const to = nextState(
    { state: 'outcome_unknown', step: 'create-authenticators', sessionLives },
    'resolved_not_done',
  ) as State;
  const next = to === 'otp_verified' ? 'submits the passkeys again' : 'needs a new code first';
  const ifWrong = 'If the passkey exists after all, this service does not know it.';
  return `Says that the provider did not do it: the user ${next}. ${ifWrong}`;
}

function meaningOfResend(row: Row): string {
  const action = nextActionOf(row);
  const wait =
    action.type === 'resend_otp' && action.notBefore !== null && new Date(action.notBefore) > row.now
      ? ` Possible from ${action.notBefore}.`
      : '';
  const lost = row.state === 'outcome_unknown' ? ' The service no longer waits for the lost answer.' : '';
  return `Sends a new code to the user now and counts against the subject's budget.${lost}${wait}`;
}

function meaningOfCancel({ leaseUntil, now }: Row): string {
  const inFlight = leaseUntil !== null && leaseUntil > now;
  return inFlight
    ? 'Ends the onboarding now. A call is in flight: its answer is only recorded.'
    : 'Ends the onboarding now; the user must start again.';
}
