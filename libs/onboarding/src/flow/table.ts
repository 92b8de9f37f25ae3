/** The states, the signals and the next state for each. See the diagram in ARCHITECTURE.md. */

export const STEPS = ['init-otp', 'verify-otp', 'create-authenticators'] as const;
export type StepName = (typeof STEPS)[number];

export const LIVE_STATES = [
  'otp_requested',
  'otp_sent',
  'otp_needed',
  'otp_submitted',
  'otp_verified',
  'authenticators_submitted',
  'outcome_unknown',
] as const;
export const ENDED_STATES = ['completed', 'failed', 'expired', 'cancelled'] as const;
export const STATES = [...LIVE_STATES, ...ENDED_STATES] as const;

export type LiveState = (typeof LIVE_STATES)[number];
export type EndedState = (typeof ENDED_STATES)[number];
export type State = (typeof STATES)[number];

export const SIGNALS = [
  'otp_sent',
  'send_gave_up',
  'otp_submitted',
  'otp_resend_asked',
  'otp_expired',
  'otp_verified',
  'otp_rejected',
  'authenticators_submitted',
  'authenticators_created',
  'authenticators_rejected',
  'session_expired',
  'outcome_lost',
  'resolved_done',
  'resolved_not_done',
  'late_answer',
  'step_failed',
  'expired',
  'cancelled',
] as const;
export type Signal = (typeof SIGNALS)[number];

export const OTP_NEEDED_REASONS = ['otp_expired', 'session_expired', 'send_failed'] as const;
export type OtpNeededReason = (typeof OTP_NEEDED_REASONS)[number];

/** The encrypted columns that are wiped after use. */
export const SEALED = ['sealedOtpCode', 'sealedGrant', 'sealedAuthenticators', 'sealedRequests'] as const;
export type SealedField = (typeof SEALED)[number];

interface RulesOfState {
  step?: StepName;
  /** The column with the state's own deadline, besides the onboarding's idle time and total life. */
  bound?: 'otpExpiresAt' | 'sessionEndsAt';
  /** The signal when the time in `bound` passes. */
  atBound?: 'otp_expired' | 'session_expired';
  /** All other secrets are wiped. */
  keeps: readonly SealedField[];
}

const IN: Readonly<Record<LiveState, RulesOfState>> = {
  otp_requested: { step: 'init-otp', keeps: ['sealedRequests'] },
  otp_sent: { bound: 'otpExpiresAt', atBound: 'otp_expired', keeps: [] },
  otp_needed: { keeps: [] },
  otp_submitted: {
    step: 'verify-otp',
    bound: 'otpExpiresAt',
    atBound: 'otp_expired',
    keeps: ['sealedOtpCode', 'sealedRequests'],
  },
  otp_verified: { bound: 'sessionEndsAt', atBound: 'session_expired', keeps: ['sealedGrant'] },
  authenticators_submitted: {
    step: 'create-authenticators',
    bound: 'sessionEndsAt',
    atBound: 'session_expired',
    keeps: ['sealedGrant', 'sealedAuthenticators', 'sealedRequests'],
  },
  // A decision or a late answer may lead back to `otp_verified`, which needs the session.
  outcome_unknown: { keeps: ['sealedGrant'] },
};

interface IfSessionLives {
  sessionLives: State;
  otherwise: State;
}

interface IfCodeLives {
  codeLives: State;
  otherwise: State;
}

/** `answer`: the state to which the late answer would have led in time. */
type Target = State | IfSessionLives | IfCodeLives | 'answer';

const ENDINGS = { step_failed: 'failed', expired: 'expired', cancelled: 'cancelled' } as const;

/** `outcome_unknown` has one entry for each step whose answer can be lost. */
const TRANSITIONS = {
  otp_requested: {
    otp_sent: 'otp_sent',
    send_gave_up: { codeLives: 'otp_sent', otherwise: 'otp_needed' },
    ...ENDINGS,
  },
  otp_sent: {
    otp_submitted: 'otp_submitted',
    otp_resend_asked: 'otp_requested',
    otp_expired: 'otp_needed',
    ...ENDINGS,
  },
  otp_needed: { otp_resend_asked: 'otp_requested', ...ENDINGS },
  otp_submitted: {
    otp_verified: 'otp_verified',
    otp_rejected: 'otp_sent',
    otp_expired: 'otp_needed',
    outcome_lost: 'outcome_unknown',
    ...ENDINGS,
  },
  otp_verified: {
    authenticators_submitted: 'authenticators_submitted',
    session_expired: 'otp_needed',
    ...ENDINGS,
  },
  authenticators_submitted: {
    authenticators_created: 'completed',
    authenticators_rejected: 'otp_verified',
    session_expired: 'otp_needed',
    outcome_lost: 'outcome_unknown',
    ...ENDINGS,
  },
  'outcome_unknown after verify-otp': {
    otp_resend_asked: 'otp_requested',
    resolved_not_done: 'otp_requested',
    late_answer: 'answer',
    ...ENDINGS,
  },
  'outcome_unknown after create-authenticators': {
    otp_resend_asked: 'otp_requested',
    resolved_done: 'completed',
    resolved_not_done: { sessionLives: 'otp_verified', otherwise: 'otp_needed' },
    late_answer: 'answer',
    ...ENDINGS,
  },
  completed: {},
  failed: {},
  expired: {},
  cancelled: {},
} as const satisfies Record<Place, Partial<Record<Signal, Target>>>;

/** The steps whose lost answer needs a decision. A code that may have been mailed twice needs none. */
export type DoubtfulStep = Exclude<StepName, 'init-otp'>;
type Place = Exclude<State, 'outcome_unknown'> | `outcome_unknown after ${DoubtfulStep}`;

/** `step` matters in `outcome_unknown` only. */
export interface Situation {
  state: State;
  step?: StepName | null;
  sessionLives?: boolean;
  /** For `send_gave_up`: whether an earlier code is still valid. */
  codeLives?: boolean;
  /** For `late_answer`: the signal to which the answer would have led in time. */
  answer?: Signal;
}

/**
 * @returns null if the signal is not allowed.
 * @throws Error for an unknown state, step or signal.
 */
export function nextState(situation: Situation, signal: Signal): State | null {
  if (!SIGNALS.includes(signal)) throw new Error(`unknown signal "${String(signal)}"`);
  const row: Partial<Record<Signal, Target>> = TRANSITIONS[placeOf(situation)];
  const target = row[signal];
  if (target === undefined) return null;
  if (target === 'answer') return nextStateByAnswer(situation);
  if (typeof target === 'string') return target;
  if ('codeLives' in target) return situation.codeLives ? target.codeLives : target.otherwise;
  return situation.sessionLives ? target.sessionLives : target.otherwise;
}

function nextStateByAnswer({ step, answer }: Situation): State | null {
  if (!answer) throw new Error('late_answer needs the signal of the answer');
  // A late answer shows the outcome, so it is never a loss, an expiry or a cancellation.
  if (answer === 'outcome_lost' || answer === 'expired' || answer === 'cancelled') return null;
  return nextState({ state: stateOfStep(step!) }, answer);
}

function placeOf({ state, step }: Situation): Place {
  if (state === 'outcome_unknown') {
    if (step === 'verify-otp' || step === 'create-authenticators') return `outcome_unknown after ${step}`;
    throw new Error(`no outcome can be unknown after step "${String(step)}"`);
  }
  if (!STATES.includes(state)) throw new Error(`unknown state "${String(state)}"`);
  return state;
}

/**
 * @returns the states in which a signal is allowed, with `outcome_unknown` if it is allowed after any step.
 */
export function statesFor(signal: Signal): LiveState[] {
  const places = (Object.keys(TRANSITIONS) as Place[]).filter((place) => signal in TRANSITIONS[place]);
  return LIVE_STATES.filter((state) => places.some((place) => place.split(' ')[0] === state));
}

export function isEnded(state: State): state is EndedState {
  return (ENDED_STATES as readonly State[]).includes(state);
}

/** @returns the state in which a step is in flight or waits for its next try. */
export function stateOfStep(step: StepName): LiveState {
  return LIVE_STATES.find((state) => IN[state].step === step)!;
}

export const stepOfState = (state: State): StepName | null =>
  isEnded(state) ? null : (IN[state].step ?? null);

export const boundOf = (state: LiveState) => IN[state].bound ?? null;

/** @param mayHaveActed whether an attempt has an unknown effect. */
export function signalAtBound(state: State, mayHaveActed: boolean): Signal {
  const { step, atBound } = IN[state as LiveState];
  if (!atBound) throw new Error(`the state "${state}" has no deadline of its own`);
  return step && mayHaveActed ? 'outcome_lost' : atBound;
}

export const needs = (state: State, field: SealedField) => !isEnded(state) && IN[state].keeps.includes(field);

export const countsIdleTime = (state: LiveState) => state !== 'outcome_unknown';

export const canLeaveDoubt = (step: StepName): step is DoubtfulStep => step !== 'init-otp';
