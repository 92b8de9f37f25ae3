import { Injectable } from '@nestjs/common';
import { isUuid } from '#libs/kernel';
import { stepJobId } from '../attempt/step.job.js';
import { asOfNow } from '../flow/move.js';
import { nextActionOf, type NextAction } from '../flow/next-action.js';
import { changesAt, type LastResult, type Row } from '../flow/row.js';
import { stepOfState, type State } from '../flow/table.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { actionsOf } from './actions.js';
import { summaryOf } from './summary.js';
import { attemptsOf, timelineOf } from './timeline.js';
import type { OnboardingDetail } from './types.js';

/** Only the latest events are shown. */
const MOST_EVENTS = 1_000;

/** Shows one onboarding to operators, without its contact, secrets and metadata. */
@Injectable()
export class OnboardingView {
  constructor(private readonly store: OnboardingStore) {}

  async read(id: string): Promise<OnboardingDetail | null> {
    const stored = isUuid(id) ? await this.store.find(id) : null;
    if (!stored) return null;
    const events = await this.store.events(id, Math.max(0, stored.lastSeq - MOST_EVENTS), MOST_EVENTS);
    const row = asOfNow(stored);
    const nextAction = nextActionOf(row);
    return {
      ...summaryOf(row),
      provider: row.provider,
      version: row.version,
      reason: row.reason,
      erasedAt: instant(row.erasedAt),
      parkedAt: instant(row.parkedAt),
      subject: idsOf(row),
      otpId: row.otpHandle,
      explanation: `${STATES[row.state](row)} ${sentenceOf(nextAction, row)}`,
      nextAction,
      endsAt: instant(changesAt(row)),
      lastResult: row.lastResult && resultOf(row.lastResult),
      failure: row.failure && { ...resultOf(row.failure), upstreamStatus: row.failure.upstreamStatus },
      codes: {
        sent: row.otpSends,
        wrong: row.otpWrong,
        triesLeft: row.otpTriesLeft,
        expiresAt: instant(row.otpExpiresAt),
      },
      authenticators: row.authenticators.map((each) => ({
        id: each.id,
        credentialId: each.credentialId,
        aaguid: each.aaguid,
        createdAt: each.createdAt,
      })),
      attempts: attemptsOf(row, events),
      timeline: timelineOf(events),
      job: jobOf(row),
      actions: actionsOf(row),
    };
  }
}

const STATES: Record<State, (row: Row) => string> = {
  otp_requested: () => 'The service is sending a code.',
  otp_sent: ({ otpTriesLeft }) => `A code was sent. It has ${otpTriesLeft} tries left.`,
  otp_needed: ({ reason }) => `The user needs a new code${reason ? ` (${reason})` : ''}.`,
  otp_submitted: () => 'The service asks the provider whether the code is right.',
  otp_verified: () => 'The code was right. The user has a session, and no passkey yet.',
  authenticators_submitted: () => 'The service asks the provider to register the passkeys.',
  outcome_unknown: ({ step }) => `The answer to ${step} was lost. The provider may or may not have done it.`,
  completed: () => 'The user has a passkey.',
  failed: ({ failure }) => `The onboarding failed${failure ? ` (${failure.code})` : ''}.`,
  expired: () => 'The onboarding expired.',
  cancelled: () => 'The onboarding was cancelled.',
};

function sentenceOf(action: NextAction, { state, parkedReason, leaseUntil, nextAttemptAt }: Row): string {
  switch (action.type) {
    case 'wait':
      if (parkedReason) return `It is parked (${parkedReason}) until the integration works again.`;
      if (leaseUntil) return 'A call is in flight.';
      return `The next try is at ${instant(nextAttemptAt) ?? 'no known time'}.`;
    case 'submit_otp':
      return `The user must enter the code${action.before ? ` before ${action.before}` : ''}.`;
    case 'resend_otp':
      return `The caller must ask for a new code${action.notBefore ? `, from ${action.notBefore} on` : ''}.`;
    case 'submit_authenticators':
      return `The user must create a passkey${action.before ? ` before ${action.before}` : ''}.`;
    case 'resolve':
      return 'Find out the outcome at the provider, then decide.';
    case 'none':
      return stepOfState(state) === null ? 'There is nothing to do.' : '';
  }
}

const jobOf = ({ id, step, attempt, leaseUntil, state }: Row): OnboardingDetail['job'] =>
  step && stepOfState(state) === step
    ? { queue: 'steps', id: stepJobId(step, id, leaseUntil ? attempt : attempt + 1) }
    : null;

/** The contact is encrypted, so it is not in `subject`. */
const idsOf = ({ subject }: Row): Record<string, string> =>
  Object.fromEntries(
    Object.entries(subject).filter((member): member is [string, string] => typeof member[1] === 'string'),
  );

const resultOf = ({ step, code, detail, at }: LastResult) => ({ step, code, detail, at });

const instant = (at: Date | null) => at?.toISOString() ?? null;
