import type { Config } from '#libs/platform';
import type { DeviceSigning } from '#libs/upstream';
import type { EventData, NewEvent } from './events.js';
import { illegal } from './refusal.js';
import {
  dueOf,
  signalOfTime,
  type AuthenticatorSummary,
  type Columns,
  type Patch,
  type Row,
  type Explanation,
  type UnresolvedAttempt,
} from './row.js';
import {
  SEALED,
  canLeaveDoubt,
  isEnded,
  needs,
  nextState,
  stepOfState,
  type Signal,
  type State,
  type StepName,
} from './table.js';

export type Settings = Pick<
  Config,
  | 'LEASE_MS'
  | 'OTP_LIFE_MS'
  | 'OTP_TRIES'
  | 'OTP_RESEND_COOLDOWN_MS'
  | 'SESSION_MARGIN_MS'
  | 'ONBOARDING_IDLE_MS'
  | 'ONBOARDING_LIFE_MS'
>;

/** `now`: the time of PostgreSQL's clock. */
export interface Moment {
  now: Date;
  settings: Settings;
}

type Refund = 'send' | 'try' | null;

/** The writes of one state change. */
export interface Moved {
  patch: Patch;
  events: NewEvent[];
  refund: Refund;
}

interface Submitted {
  fingerprint: string;
  claimId?: string;
  sealedRequests?: Buffer;
}

/** For each signal: the facts that the state change needs besides the row. */
export interface Facts {
  otp_resend_asked: Submitted & { reason?: string };
  otp_submitted: Submitted & { sealedOtpCode: Buffer };
  authenticators_submitted: Submitted & {
    sealedAuthenticators: Buffer;
    pendingAuthenticators: AuthenticatorSummary[];
  };

  otp_sent: { handle: string; targetBundle: string | null; lifeMs: number | null };
  send_gave_up: { codeLives: boolean; result: Explanation; maySendAtOnce?: boolean };
  otp_verified: { sealedGrant: Buffer; deviceSigning: DeviceSigning | null; sessionExpiresAt: Date };
  otp_rejected: { result: Explanation; isWrong?: boolean; isLocked?: boolean };
  authenticators_created: { authenticatorIds: string[] | null };
  authenticators_rejected: { result: Explanation };
  outcome_lost: { result: Explanation; evidence: EventData<'outcome_lost'> } | ByTime;
  /** `refund`: whether the code was certainly not wrong, so that the try does not count. */
  step_failed: { failure: Explanation; isWrong?: boolean; refund?: boolean };

  otp_expired: { result: Explanation; refund?: boolean } | ByTime;
  session_expired: { result: Explanation } | ByTime;
  expired: ByTime;

  cancelled: { reason?: string; by?: string };
  resolved_done: { decision: NewEvent; by?: string };
  /** After a lost verification, this decision also begins to send a new code. */
  resolved_not_done: { decision: NewEvent; by?: string } & Partial<Submitted>;
  late_answer: { answer: Signal };
}

/** Marks a signal that a passed deadline caused. */
type ByTime = { byTime: true };
export const BY_TIME: ByTime = { byTime: true };

/** The writes for the end of an attempt, which {@link move} adds to a state change. */
export interface Ended extends Moved {
  upstreamStatus: number | null;
}

/**
 * Applies a signal to a row. No other code decides the next state.
 *
 * @param ended the writes for the end of an attempt, if the signal ends one.
 * @throws ProblemError if the row's state does not allow the signal.
 */
export function move<S extends Exclude<Signal, 'late_answer'>>(
  row: Row,
  signal: S,
  facts: Facts[S],
  at: Moment,
  ended?: Ended,
): Moved {
  const effect = EFFECTS[signal](row, facts as never, at, ended);
  const { codeLives } = facts as { codeLives?: boolean };
  const sessionLives = row.sessionEndsAt !== null && row.sessionEndsAt > row.now;
  const state = nextState(
    { state: row.state, step: row.step, sessionLives, ...(codeLives && { codeLives }) },
    signal,
  );
  if (!state) throw illegal(row, signal);
  const step = stepOfState(state);
  const byTime = 'byTime' in facts;
  return {
    patch: {
      ...entering(state),
      ...(step && claimed(row, step, at)),
      ...ended?.patch,
      ...(byTime && { lastResult: resultOfTime(row, signal) }),
      ...effect.patch,
      ...(state === 'otp_needed' && { reason: reasonFor(signal) }),
    },
    events: [
      ...(ended?.events ?? []),
      ...(effect.before ?? []),
      { type: signal, actor: actorOf(signal, byTime), ...(effect.data && { data: effect.data }) } as NewEvent,
      ...(step
        ? [{ type: 'attempt_started', actor: 'service', data: startedIn(row, step, facts) } as const]
        : []),
      ...(isWiped(row, state) && (byTime || isEnded(state)) ? [WIPED] : []),
    ],
    refund: effect.refund ?? ended?.refund ?? null,
  };
}

/** @returns the row after a state change. */
export function after(row: Row, { patch, events }: Pick<Moved, 'patch' | 'events'>, now: Date): Row {
  const moved: Columns = {
    ...row,
    ...patch,
    version: patch.version ?? row.version + (patch.state === undefined ? 0 : 1),
    lastSeq: row.lastSeq + events.length,
    updatedAt: now,
    now,
  };
  return { ...moved, dueAt: dueOf(moved, now) } as Row;
}

/** @returns the state changes of all passed deadlines, earliest first. */
export function movesOfTime(row: Row): { signal: Signal; moved: Moved; to: Row }[] {
  const signal = signalOfTime(row);
  if (signal === null) return [];
  const moved = move(row, signal as 'expired', BY_TIME, { now: row.now, settings: NO_SETTINGS });
  const to = after(row, moved, row.now);
  return [{ signal, moved, to }, ...movesOfTime(to)];
}

/**
 * @returns the row after all passed deadlines, even if no worker has written the changes yet. A row with a
 *   call in flight keeps its state.
 */
export function asOfNow(row: Row): Row {
  const last = movesOfTime(row).at(-1);
  return last ? { ...last.to, updatedAt: row.updatedAt } : row;
}

const effects = <S extends Signal>(
  by: (
    row: Row,
    facts: Facts[S],
    at: Moment,
    ended?: Ended,
  ) => {
    patch?: Patch;
    data?: object;
    refund?: Refund;
    before?: NewEvent[];
  },
) => by;

const EFFECTS = {
  otp_resend_asked: effects<'otp_resend_asked'>((row, { reason, ...submitted }, at) => ({
    patch: {
      ...submitted,
      ...sending(row, at),
      // A new code makes earlier verifications irrelevant, but not an earlier registration.
      unresolved: row.unresolved.filter(({ step }) => step !== 'verify-otp'),
    },
    ...(reason !== undefined && { data: { reason } }),
  })),
  otp_submitted: effects<'otp_submitted'>((row, submitted, at) => ({
    patch: { ...submitted, otpResendAt: cooldownEnd(row, at) },
  })),
  authenticators_submitted: effects<'authenticators_submitted'>((_, submitted) => ({
    patch: submitted,
    data: { authenticators: submitted.pendingAuthenticators.length },
  })),

  otp_sent: effects<'otp_sent'>((_, { handle, targetBundle, lifeMs }, { now, settings }) => ({
    patch: {
      otpHandle: handle,
      otpTargetBundle: targetBundle,
      otpSentAt: now,
      // The cooldown begins only now, because retries may have delayed the code.
      otpResendAt: later(now, settings.OTP_RESEND_COOLDOWN_MS),
      otpExpiresAt: later(now, Math.min(lifeMs ?? Infinity, settings.OTP_LIFE_MS)),
      otpTriesLeft: settings.OTP_TRIES,
    },
  })),
  send_gave_up: effects<'send_gave_up'>((row, { codeLives, result, maySendAtOnce }, { now }) => ({
    patch: {
      ...(codeLives ? {} : NO_CODE),
      ...(maySendAtOnce && { otpResendAt: now }),
      lastResult: resultOf(row, result, now),
    },
  })),
  otp_verified: effects<'otp_verified'>((row, { sealedGrant, deviceSigning, sessionExpiresAt }, at) => ({
    patch: {
      sealedGrant,
      deviceSigning,
      sessionExpiresAt,
      sessionEndsAt: later(sessionExpiresAt, -at.settings.SESSION_MARGIN_MS),
      otpResendAt: cooldownEnd(row, at),
    },
    data: { sessionExpiresAt: sessionExpiresAt.toISOString() },
    refund: 'try',
  })),
  otp_rejected: effects<'otp_rejected'>((row, { result, isWrong, isLocked }, { now }) => ({
    patch: {
      ...(isLocked && { otpTriesLeft: 0 }),
      ...(isWrong && { otpWrong: row.otpWrong + 1 }),
      lastResult: resultOf(row, result, now),
    },
  })),
  authenticators_created: effects<'authenticators_created'>((row, { authenticatorIds }, { now }) => ({
    patch: registered(row, authenticatorIds, now),
    data: { authenticatorIds, ...(authenticatorIds === null && { unmapped: true }) },
  })),
  authenticators_rejected: effects<'authenticators_rejected'>((row, { result }, { now }) => ({
    patch: { pendingAuthenticators: [], lastResult: resultOf(row, result, now) },
  })),
  outcome_lost: effects<'outcome_lost'>((row, facts, { now }) =>
    'byTime' in facts
      ? { patch: { step: row.step } }
      : { patch: { step: row.step, lastResult: resultOf(row, facts.result, now) }, data: facts.evidence },
  ),
  step_failed: effects<'step_failed'>((row, { failure, isWrong, refund }, at, ended) => ({
    patch: {
      ...(isWrong && { otpWrong: row.otpWrong + 1 }),
      ...(refund && { otpResendAt: cooldownEnd(row, at) }),
      failure: { ...resultOf(row, failure, at.now), upstreamStatus: ended?.upstreamStatus ?? null },
    },
    ...(refund && { refund: 'try' as const }),
  })),

  otp_expired: effects<'otp_expired'>((row, facts, at) =>
    'byTime' in facts
      ? {}
      : {
          patch: {
            ...(facts.refund && { otpResendAt: cooldownEnd(row, at) }),
            lastResult: resultOf(row, facts.result, at.now),
          },
          ...(facts.refund && { refund: 'try' as const }),
        },
  ),
  session_expired: effects<'session_expired'>((row, facts, { now }) =>
    'byTime' in facts
      ? {}
      : {
          patch: { pendingAuthenticators: [], lastResult: resultOf(row, facts.result, now) },
        },
  ),
  expired: effects<'expired'>(() => ({})),

  cancelled: effects<'cancelled'>((_, { reason, by }) => ({
    ...((reason ?? by) !== undefined && {
      data: { ...(by && { by }), ...(reason !== undefined && { reason }) },
    }),
  })),
  resolved_done: effects<'resolved_done'>((row, { decision, by }, at) => ({
    before: [decision],
    patch: { ...decided(row, at), ...registered(row, null, at.now) },
    ...(by && { data: { by } }),
  })),
  resolved_not_done: effects<'resolved_not_done'>((row, { decision, by, ...submitted }, at) => ({
    before: [decision],
    patch:
      row.step === 'verify-otp'
        ? { ...submitted, ...sending(row, at), unresolved: undecided(row) }
        : decided(row, at),
    ...(by && { data: { by } }),
  })),
};

/** Resets the columns that the new state does not keep from the old one. */
function entering(state: State): Patch {
  // Stored provider requests belong to the earlier step.
  const over = SEALED.filter((field) => !needs(state, field) || field === 'sealedRequests');
  return {
    state,
    ...Object.fromEntries(over.map((field) => [field, null])),
    ...(state !== 'cancelled' && { reason: null }),
    step: stepOfState(state),
    leaseUntil: null,
    nextAttemptAt: null,
    parkedReason: null,
    parkedAt: null,
  };
}

/** The changes when the first attempt of a submission begins. */
function claimed(row: Row, step: StepName, { now, settings }: Moment): Patch {
  const attempt = row.attempt + 1;
  return {
    attempt,
    submission: attempt,
    leaseUntil: later(now, settings.LEASE_MS),
    parkings: 0,
    unavailableCount: 0,
    noAnswerCount: 0,
    doubtAttempt: null,
    lastResult: null,
    idleEndsAt: later(now, settings.ONBOARDING_IDLE_MS),
    ...(canLeaveDoubt(step) && { unresolved: [...row.unresolved, openAttempt(step, attempt, now)] }),
  };
}

const startedIn = (row: Row, step: StepName, facts: object): EventData<'attempt_started'> => ({
  attempt: row.attempt + 1,
  step,
  fingerprint: (facts as Partial<Submitted>).fingerprint ?? null,
});

/** The entry is written when the attempt begins, and removed when it ends: after a crash, it stays. */
const openAttempt = (step: StepName, attempt: number, now: Date): UnresolvedAttempt => ({
  step,
  attempt,
  at: now.toISOString(),
});

/**
 * Deletes the session and the earlier code. In `otp_sent`, the code stays, in case no new code can be sent.
 */
function sending(row: Row, { now, settings }: Moment): Patch {
  return {
    ...(row.state === 'otp_sent' ? {} : NO_CODE),
    deviceSigning: null,
    sessionExpiresAt: null,
    sessionEndsAt: null,
    otpResendAt: later(now, settings.OTP_RESEND_COOLDOWN_MS),
  };
}

const NO_CODE = { otpHandle: null, otpTargetBundle: null, otpExpiresAt: null, otpTriesLeft: 0 } as const;

/** @param given undefined if the service releases the step. */
export const unpark = (now: Date, given?: { by: string; reason: string }): Moved => ({
  patch: { parkedReason: null, parkedAt: null, nextAttemptAt: now },
  events: [
    given ? { type: 'unparked', actor: 'caller', data: given } : { type: 'unparked', actor: 'service' },
  ],
  refund: null,
});

export function retryNow(row: Row, step: StepName, given: { reason: string; by?: string }): Moved {
  return {
    patch: { parkedReason: null, parkedAt: null, nextAttemptAt: row.now },
    events: [
      ...(row.parkedReason ? [{ type: 'unparked', actor: 'caller', data: given } as const] : []),
      {
        type: 'retry_scheduled',
        actor: 'caller',
        data: {
          ...(given.by && { by: given.by }),
          step,
          attempt: row.attempt + 1,
          inMs: 0,
          reason: given.reason,
        },
      },
    ],
    refund: null,
  };
}

/** Applies a late answer as if it had come in time. @returns null if the answer does not show the outcome. */
export function lateAnswer(lost: Row, { patch, events, refund }: Moved, answer: Signal): Moved | null {
  if (!nextState({ state: lost.state, step: lost.step, answer }, 'late_answer')) return null;
  const [attemptEnded, ...rest] = events;
  return {
    patch,
    events: [
      attemptEnded!,
      { type: 'late_answer', actor: 'upstream', data: { answer } },
      ...rest.filter(({ type }) => type !== answer),
    ],
    refund,
  };
}

/** Records an answer that is too late to change anything; without data if the onboarding is erased. */
export const keepLateAnswer = (row: Row, data: EventData<'late_answer_kept'>): Moved => ({
  patch: {},
  events: [{ type: 'late_answer_kept', actor: 'upstream', ...(row.erasedAt === null && { data }) }],
  refund: null,
});

/** Records a decision on an ended onboarding, and the passkeys that exist according to it. */
export function recordDecision(
  row: Row,
  decision: NewEvent,
  isDone: boolean,
  lateIds: string[] | null,
): Moved {
  const open = row.unresolved.at(-1)!;
  const isKnown = isDone && open.step === 'create-authenticators' && isOfDecision(row, open);
  return {
    patch: {
      unresolved: row.unresolved.slice(0, -1),
      ...(isKnown && row.erasedAt === null && registered(row, lateIds, row.now)),
    },
    events: [row.erasedAt === null ? decision : ({ type: decision.type, actor: decision.actor } as NewEvent)],
    refund: null,
  };
}

/** A decision is only about attempts of the latest submission. */
export const isOfDecision = ({ submission }: Row, { attempt }: UnresolvedAttempt) => attempt >= submission;

const undecided = (row: Row) => row.unresolved.filter((each) => !isOfDecision(row, each));

const decided = (row: Row, { now, settings }: Moment): Patch => ({
  unresolved: undecided(row),
  doubtAttempt: null,
  lastResult: null,
  idleEndsAt: later(now, settings.ONBOARDING_IDLE_MS),
});

/** @param ids the provider's ids; null if they are not known. */
function registered(row: Row, ids: string[] | null, now: Date): Patch {
  const authenticators = row.pendingAuthenticators.map((pending, index) => ({
    id: ids?.[index] ?? null,
    ...pending,
    createdAt: now.toISOString(),
  }));
  return { authenticators: [...row.authenticators, ...authenticators], pendingAuthenticators: [] };
}

/** Cancellations and passed deadlines use no setting. */
export const NO_SETTINGS = {} as Settings;

const WIPED: NewEvent = { type: 'secrets_wiped', actor: 'service' };
const isWiped = (row: Row, state: State) =>
  SEALED.some((field) => row[field] !== null && !needs(state, field));

const COMMANDS: ReadonlySet<Signal> = new Set([
  'otp_submitted',
  'otp_resend_asked',
  'authenticators_submitted',
  'resolved_done',
  'resolved_not_done',
  'cancelled',
]);
const actorOf = (signal: Signal, byTime: boolean) =>
  byTime ? 'service' : COMMANDS.has(signal) ? 'caller' : 'upstream';

const reasonFor = (signal: Signal) =>
  signal === 'otp_expired' ? 'otp_expired' : signal === 'send_gave_up' ? 'send_failed' : 'session_expired';

const RAN_OUT = 'The time ran out before the step could end.';

function resultOfTime(row: Row, signal: Signal) {
  if (!stepOfState(row.state) || signal === 'expired') return row.lastResult;
  const code = signal === 'outcome_lost' ? 'outcome_unknown' : (signal as 'otp_expired' | 'session_expired');
  return resultOf(row, { code, detail: RAN_OUT }, row.now);
}

export const resultOf = (row: Row, explanation: Explanation, now: Date) => ({
  step: row.step!,
  ...explanation,
  at: now.toISOString(),
});

/** The subject's budget may delay the next code further. */
const cooldownEnd = ({ otpSentAt }: Row, { settings }: Moment) =>
  otpSentAt && later(otpSentAt, settings.OTP_RESEND_COOLDOWN_MS);

export const later = (from: Date, ms: number) => new Date(from.getTime() + ms);
