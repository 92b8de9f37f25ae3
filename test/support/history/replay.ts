import {
  SIGNALS,
  isEnded,
  nextState,
  stepOfState,
  type Signal,
  type State,
  type StepName,
} from '#libs/onboarding';
import type { OnboardingHistory, TimelineEntry } from './history.js';

export const isSignal = (type: string): type is Signal => (SIGNALS as readonly string[]).includes(type);

/** An event, with the states that were possible before and after it. */
export interface Replayed {
  event: TimelineEntry;
  before: readonly State[];
  after: readonly State[];
}

/**
 * Applies events to the states. Events do not say whether the session or an earlier code was still valid, so
 * the replay follows both possibilities until an event excludes one.
 *
 * @returns the replayed events, and the first illegal one.
 */
export function replay({ events }: Pick<OnboardingHistory, 'events'>): {
  steps: Replayed[];
  illegal: string | null;
} {
  let states: State[] = ['otp_requested'];
  let lost: StepName | null = null;
  const steps: Replayed[] = [];
  for (const event of events) {
    const before = states;
    if (isSignal(event.type)) {
      states = [...new Set(before.flatMap((state) => targets(state, lost, event)))];
      if (states.length === 0) {
        return { steps, illegal: `${event.seq}: "${event.type}" leads nowhere from ${before.join(' or ')}` };
      }
      if (event.type === 'outcome_lost') lost = before.map(stepOfState).find((step) => step !== null) ?? null;
    }
    steps.push({ event, before, after: states });
  }
  return { steps, illegal: null };
}

function targets(state: State, step: StepName | null, { type, data }: TimelineEntry): State[] {
  const answer = data.answer ? { answer: data.answer } : {};
  return [true, false].flatMap((lives) => {
    const next = nextState({ state, step, sessionLives: lives, codeLives: lives, ...answer }, type as Signal);
    return next ? [next] : [];
  });
}

export const hasEnded = (states: readonly State[]) => states.every(isEnded);

export interface Attempt {
  number: number;
  step: StepName;
  fingerprint: string | null;
  startedAt: number;
  /** The failure class or `ok`; null if the timeline shows no end. */
  end: string | null;
  lapsed: boolean;
  endedAt: number | null;
  /** The number of the submission's first attempt. */
  submission: number;
  /** The event that ended the submission, or null. */
  leftBy: string | null;
}

const LEAVES = new Set([
  'otp_sent',
  'send_gave_up',
  'otp_verified',
  'otp_rejected',
  'otp_expired',
  'authenticators_created',
  'authenticators_rejected',
  'session_expired',
  'outcome_lost',
  'step_failed',
  'expired',
  'cancelled',
]);
const SUBMITS = new Set([
  'created',
  'otp_submitted',
  'otp_resend_asked',
  'authenticators_submitted',
  'resolved_not_done',
]);

export function attemptsOf({ events }: Pick<OnboardingHistory, 'events'>): Attempt[] {
  const attempts: Attempt[] = [];
  let submission: number | null = null;
  for (const { type, at, data } of events) {
    if (SUBMITS.has(type)) submission = null;
    if (type === 'attempt_started') {
      submission ??= data.attempt!;
      attempts.push({
        number: data.attempt!,
        step: data.step!,
        fingerprint: data.fingerprint ?? null,
        startedAt: at,
        end: null,
        lapsed: false,
        endedAt: null,
        submission,
        leftBy: null,
      });
    }
    if (type === 'attempt_ended') {
      const attempt = attempts.find(({ number }) => number === data.attempt);
      if (attempt) Object.assign(attempt, { end: data.class, lapsed: data.lapsed === true, endedAt: at });
    }
    if (LEAVES.has(type) && submission !== null) {
      for (const attempt of attempts) if (attempt.submission === submission) attempt.leftBy ??= type;
    }
  }
  return attempts;
}
