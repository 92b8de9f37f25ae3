import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ProblemError } from '#libs/kernel';
import { aRow, after as inMs } from '#libs/testing';
import type { NewEvent } from './events.js';
import { endOf, park, retryLater, succeeded, type AttemptFacts } from './attempt-end.js';
import { erase } from './erase.js';
import {
  BY_TIME,
  after,
  asOfNow,
  keepLateAnswer,
  lateAnswer,
  move,
  movesOfTime,
  recordDecision,
  retryNow,
  unpark,
  type Facts,
  type Settings,
} from './move.js';
import { deadlineOf, dueOf, signalOfTime, type Columns, type Row } from './row.js';
import {
  ENDED_STATES,
  LIVE_STATES,
  OTP_NEEDED_REASONS,
  SEALED,
  SIGNALS,
  isEnded,
  needs,
  stepOfState,
  type Signal,
  type State,
  type StepName,
} from './table.js';

const MINUTE = 60_000;
const SETTINGS: Settings = {
  LEASE_MS: 30_000,
  OTP_LIFE_MS: 5 * MINUTE,
  OTP_TRIES: 3,
  OTP_RESEND_COOLDOWN_MS: MINUTE,
  SESSION_MARGIN_MS: 30_000,
  ONBOARDING_IDLE_MS: 30 * MINUTE,
  ONBOARDING_LIFE_MS: 24 * 60 * MINUTE,
};
const NOW = inMs(0);
const AT = { now: NOW, settings: SETTINGS };

const SEAL = Object.fromEntries(SEALED.map((field) => [field, Buffer.from(field)]));
const NO_SECRETS = Object.fromEntries(SEALED.map((field) => [field, null]));
const PASSKEY = { name: 'x', credentialId: 'c', aaguid: '0', transports: [] };
const open = (step: 'verify-otp' | 'create-authenticators') => [{ step, attempt: 4, at: NOW.toISOString() }];
const IN_FLIGHT = { leaseUntil: inMs(30_000), attempt: 4, submission: 4 };

/** A row for each key of TABLE. All encrypted columns are set, even if the state does not need them. */
const ROWS = {
  otp_requested: aRow({ ...SEAL, ...IN_FLIGHT, state: 'otp_requested', step: 'init-otp' }),
  otp_sent: aRow({ ...SEAL }),
  'otp_needed after a sending that failed': aRow({ ...SEAL, state: 'otp_needed', reason: 'send_failed' }),
  'otp_needed after a session': aRow({ ...SEAL, state: 'otp_needed', reason: 'session_expired' }),
  otp_submitted: aRow({
    ...SEAL,
    ...IN_FLIGHT,
    state: 'otp_submitted',
    step: 'verify-otp',
    unresolved: open('verify-otp'),
  }),
  otp_verified: aRow({ ...SEAL, state: 'otp_verified', sessionEndsAt: inMs(15 * MINUTE) }),
  authenticators_submitted: aRow({
    ...SEAL,
    ...IN_FLIGHT,
    state: 'authenticators_submitted',
    step: 'create-authenticators',
    sessionEndsAt: inMs(15 * MINUTE),
    pendingAuthenticators: [PASSKEY],
    unresolved: open('create-authenticators'),
  }),
  'outcome_unknown after verify-otp': aRow({
    ...SEAL,
    attempt: 4,
    submission: 4,
    state: 'outcome_unknown',
    step: 'verify-otp',
    unresolved: open('verify-otp'),
  }),
  'outcome_unknown in a session': aRow({
    ...SEAL,
    attempt: 4,
    submission: 4,
    state: 'outcome_unknown',
    step: 'create-authenticators',
    sessionEndsAt: inMs(15 * MINUTE),
    pendingAuthenticators: [PASSKEY],
    unresolved: open('create-authenticators'),
  }),
  'outcome_unknown after a session': aRow({
    ...SEAL,
    attempt: 4,
    submission: 4,
    state: 'outcome_unknown',
    step: 'create-authenticators',
    sessionEndsAt: NOW,
    unresolved: open('create-authenticators'),
  }),
  completed: aRow({ state: 'completed' }),
  failed: aRow({ state: 'failed' }),
  expired: aRow({ state: 'expired' }),
  cancelled: aRow({ state: 'cancelled' }),
} as const satisfies Record<string, Row>;
type Place = keyof typeof ROWS;

type Moving = Exclude<Signal, 'late_answer'>;
const result = { code: 'upstream_rejected', detail: 'no' } as const;
const decision: NewEvent = { type: 'resolved', actor: 'caller' };
const FACTS: { [S in Moving]: Facts[S] } = {
  otp_resend_asked: { fingerprint: 'f' },
  otp_submitted: { fingerprint: 'f', sealedOtpCode: Buffer.from('fresh') },
  authenticators_submitted: {
    fingerprint: 'f',
    sealedAuthenticators: Buffer.from('fresh'),
    pendingAuthenticators: [PASSKEY],
  },
  otp_sent: { handle: 'h', targetBundle: null, lifeMs: null },
  send_gave_up: { codeLives: false, result },
  otp_verified: {
    sealedGrant: Buffer.from('fresh'),
    deviceSigning: null,
    sessionExpiresAt: inMs(10 * MINUTE),
  },
  otp_rejected: { result, isWrong: true },
  authenticators_created: { authenticatorIds: ['id'] },
  authenticators_rejected: { result },
  outcome_lost: { result, evidence: { detail: 'lost' } },
  step_failed: { failure: result },
  otp_expired: { result },
  session_expired: { result },
  expired: BY_TIME,
  cancelled: {},
  resolved_done: { decision },
  resolved_not_done: { decision, fingerprint: 'f' },
};

const ALL = [...SEALED];
const [CODE, GRANT, PASSKEYS, REQUESTS] = SEALED;
const LEASE = inMs(30_000);
const CODE_END = inMs(5 * MINUTE);
const SESSION_END = inMs(15 * MINUTE);
const IDLE_END = inMs(30 * MINUTE);
const LIFE_END = inMs(24 * 60 * MINUTE);

type Goes = [state: State, wiped: readonly string[], due: Date];
const ENDINGS = {
  step_failed: ['failed', ALL, NOW],
  expired: ['expired', ALL, NOW],
  cancelled: ['cancelled', ALL, NOW],
} as const satisfies Partial<Record<Moving, Goes>>;
const SENDS: Goes = ['otp_requested', ALL, LEASE];
const NEEDS_CODE: Goes = ['otp_needed', ALL, IDLE_END];
const LOST: Goes = ['outcome_unknown', [CODE, PASSKEYS, REQUESTS], LIFE_END];

/**
 * Written by hand. For each state and signal: the next state, the encrypted columns that are wiped, and when
 * the row is due. A state does not allow a signal that is not listed here.
 */
const TABLE: Record<Place, { goes: Partial<Record<Moving, Goes>>; refuses: string }> = {
  otp_requested: {
    goes: { otp_sent: ['otp_sent', ALL, CODE_END], send_gave_up: NEEDS_CODE, ...ENDINGS },
    refuses: 'step_in_progress',
  },
  otp_sent: {
    goes: {
      otp_submitted: ['otp_submitted', [GRANT, PASSKEYS, REQUESTS], LEASE],
      otp_resend_asked: SENDS,
      otp_expired: NEEDS_CODE,
      ...ENDINGS,
    },
    refuses: 'illegal_state',
  },
  'otp_needed after a sending that failed': {
    goes: { otp_resend_asked: SENDS, ...ENDINGS },
    refuses: 'illegal_state',
  },
  'otp_needed after a session': {
    goes: { otp_resend_asked: SENDS, ...ENDINGS },
    refuses: 'session_expired',
  },
  otp_submitted: {
    goes: {
      otp_verified: ['otp_verified', [CODE, PASSKEYS, REQUESTS], inMs(10 * MINUTE - 30_000)],
      otp_rejected: ['otp_sent', ALL, CODE_END],
      otp_expired: NEEDS_CODE,
      outcome_lost: LOST,
      ...ENDINGS,
    },
    refuses: 'step_in_progress',
  },
  otp_verified: {
    goes: {
      authenticators_submitted: ['authenticators_submitted', [CODE, REQUESTS], LEASE],
      session_expired: NEEDS_CODE,
      ...ENDINGS,
    },
    refuses: 'illegal_state',
  },
  authenticators_submitted: {
    goes: {
      authenticators_created: ['completed', ALL, NOW],
      authenticators_rejected: ['otp_verified', [CODE, PASSKEYS, REQUESTS], SESSION_END],
      session_expired: NEEDS_CODE,
      outcome_lost: LOST,
      ...ENDINGS,
    },
    refuses: 'step_in_progress',
  },
  'outcome_unknown after verify-otp': {
    goes: { otp_resend_asked: SENDS, resolved_not_done: SENDS, ...ENDINGS },
    refuses: 'outcome_unknown',
  },
  'outcome_unknown in a session': {
    goes: {
      otp_resend_asked: SENDS,
      resolved_done: ['completed', ALL, NOW],
      resolved_not_done: ['otp_verified', [CODE, PASSKEYS, REQUESTS], SESSION_END],
      ...ENDINGS,
    },
    refuses: 'outcome_unknown',
  },
  'outcome_unknown after a session': {
    goes: {
      otp_resend_asked: SENDS,
      resolved_done: ['completed', ALL, NOW],
      resolved_not_done: NEEDS_CODE,
      ...ENDINGS,
    },
    refuses: 'outcome_unknown',
  },
  completed: { goes: {}, refuses: 'illegal_state' },
  failed: { goes: {}, refuses: 'illegal_state' },
  expired: { goes: {}, refuses: 'illegal_state' },
  cancelled: { goes: {}, refuses: 'illegal_state' },
};

const MOVING = SIGNALS.filter((signal): signal is Moving => signal !== 'late_answer');
/** Signals that a passed deadline can cause, even if no attempt has ended. */
const OF_TIME: ReadonlySet<Moving> = new Set(['otp_expired', 'session_expired', 'outcome_lost', 'expired']);

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as ProblemError).code;
  }
  throw new Error('nothing was refused');
};

describe.each(Object.entries(ROWS))('a row in the state %s', (place, row) => {
  const { goes, refuses } = TABLE[place as Place];

  it.each(MOVING)('handles the signal %s as TABLE says', (signal) => {
    const wanted = goes[signal];
    if (!wanted) {
      expect(codeOf(() => move(row, signal, FACTS[signal] as never, AT))).toBe(refuses);
      return;
    }
    const [state, wiped, due] = wanted;
    const forms = OF_TIME.has(signal) ? [FACTS[signal], BY_TIME] : [FACTS[signal]];
    for (const facts of forms) {
      const moved = move(row, signal, facts as never, AT);
      expect(moved.patch.state).toBe(state);
      expect(SEALED.filter((field) => moved.patch[field] === null)).toEqual(wiped);
      for (const field of SEALED.filter((each) => !wiped.includes(each))) {
        expect(needs(state, field)).toBe(true);
      }
      const to = after(row, moved, NOW);
      expect(to.dueAt).toEqual(due);
      expect(to).toMatchObject({
        version: row.version + 1,
        lastSeq: row.lastSeq + moved.events.length,
        step: state === 'outcome_unknown' ? row.step : stepOfState(state),
        leaseUntil: stepOfState(state) ? LEASE : null,
        nextAttemptAt: null,
        parkedReason: null,
      });
      const types = moved.events.map(({ type }) => type);
      expect(types).toContain(signal);
      expect(types.includes('attempt_started')).toBe(stepOfState(state) !== null);
      const told = facts === BY_TIME || isEnded(state);
      expect(types.includes('secrets_wiped')).toBe(told);
    }
  });
});

const WIPED: NewEvent = { type: 'secrets_wiped', actor: 'service' };
const asked = (type: Moving, data?: object) => ({ type, actor: 'caller', ...(data && { data }) }) as NewEvent;
const started = (step: StepName, attempt: number, fingerprint: string | null = 'f'): NewEvent => ({
  type: 'attempt_started',
  actor: 'service',
  data: { attempt, step, fingerprint },
});

describe('the events of a state change', () => {
  const [by, reason, fingerprint] = ['operator', 'no mail', 'f'];

  it.each<[Place, Moving, object, NewEvent[]]>([
    ['otp_sent', 'otp_resend_asked', { fingerprint }, [asked('otp_resend_asked'), started('init-otp', 2)]],
    [
      'otp_sent',
      'otp_resend_asked',
      { fingerprint, reason },
      [asked('otp_resend_asked', { reason }), started('init-otp', 2)],
    ],
    ['otp_sent', 'otp_submitted', FACTS.otp_submitted, [asked('otp_submitted'), started('verify-otp', 2)]],
    [
      'otp_verified',
      'authenticators_submitted',
      FACTS.authenticators_submitted,
      [asked('authenticators_submitted', { authenticators: 1 }), started('create-authenticators', 2)],
    ],
    ['otp_sent', 'cancelled', {}, [asked('cancelled'), WIPED]],
    ['otp_sent', 'cancelled', { reason }, [asked('cancelled', { reason }), WIPED]],
    ['otp_sent', 'cancelled', { by }, [asked('cancelled', { by }), WIPED]],
    ['otp_sent', 'cancelled', { by, reason }, [asked('cancelled', { by, reason }), WIPED]],
    [
      'outcome_unknown in a session',
      'resolved_done',
      { decision },
      [decision, asked('resolved_done'), WIPED],
    ],
    [
      'outcome_unknown in a session',
      'resolved_done',
      { decision, by },
      [decision, asked('resolved_done', { by }), WIPED],
    ],
    [
      'outcome_unknown in a session',
      'resolved_not_done',
      { decision },
      [decision, asked('resolved_not_done')],
    ],
    [
      'outcome_unknown in a session',
      'resolved_not_done',
      { decision, by },
      [decision, asked('resolved_not_done', { by })],
    ],
    [
      'outcome_unknown after verify-otp',
      'resolved_not_done',
      { decision },
      [decision, asked('resolved_not_done'), started('init-otp', 5, null)],
    ],
    [
      'outcome_unknown after verify-otp',
      'resolved_not_done',
      { decision, fingerprint },
      [decision, asked('resolved_not_done'), started('init-otp', 5)],
    ],
  ])('are recorded in order (in the state %s, after the signal %s)', (place, signal, facts, events) => {
    expect(move(ROWS[place], signal, facts as never, AT).events).toStrictEqual(events);
  });
});

describe('the wait before another code', () => {
  const failure = result;

  it.each<[Place, Moving, object, number | null]>([
    ['otp_sent', 'otp_resend_asked', FACTS.otp_resend_asked, 60_000],
    ['otp_sent', 'otp_submitted', FACTS.otp_submitted, 50_000],
    ['otp_requested', 'send_gave_up', { codeLives: false, result }, null],
    ['otp_requested', 'send_gave_up', { codeLives: false, result, maySendAtOnce: true }, 0],
    ['otp_submitted', 'otp_verified', FACTS.otp_verified, 50_000],
    ['otp_submitted', 'otp_expired', { result }, null],
    ['otp_submitted', 'otp_expired', { result, refund: true }, 50_000],
    ['otp_submitted', 'step_failed', { failure }, null],
    ['otp_submitted', 'step_failed', { failure, refund: true }, 50_000],
  ])('in the state %s, after the signal %s with %j, is %p ms', (place, signal, facts, inFuture) => {
    const row = { ...ROWS[place], otpSentAt: inMs(-10_000) } as Row;
    const { otpResendAt } = move(row, signal, facts as never, AT).patch;
    expect(otpResendAt).toEqual(inFuture === null ? undefined : inMs(inFuture));
  });

  it('is not needed if no code was sent', () => {
    const row = { ...ROWS.otp_sent, otpSentAt: null } as Row;
    expect(move(row, 'otp_submitted', FACTS.otp_submitted, AT).patch.otpResendAt).toBeNull();
  });
});

describe('a state change', () => {
  it('keeps a valid code if another code could not be sent', () => {
    const { patch } = move(ROWS.otp_requested, 'send_gave_up', { codeLives: true, result }, AT);
    expect(patch).toMatchObject({ state: 'otp_sent', reason: null, lastResult: { ...result } });
    expect(patch).not.toHaveProperty('otpHandle');
  });

  it.each([
    ['otp_expired', ROWS.otp_submitted],
    ['session_expired', ROWS.authenticators_submitted],
    ['send_gave_up', ROWS.otp_requested],
  ] as const)('records why a new code is needed, after the signal %s', (signal, row) => {
    const reason = signal === 'send_gave_up' ? 'send_failed' : signal;
    expect(move(row, signal, FACTS[signal] as never, AT).patch.reason).toBe(reason);
    expect(OTP_NEEDED_REASONS).toContain(reason);
  });

  it.each(['otp_resend_asked', 'otp_submitted', 'authenticators_submitted'] as const)(
    'begins a new submission if the signal is %s',
    (signal) => {
      const from = signal === 'authenticators_submitted' ? ROWS.otp_verified : ROWS.otp_sent;
      const used = {
        ...from,
        attempt: 6,
        parkings: 2,
        unavailableCount: 1,
        noAnswerCount: 1,
        doubtAttempt: 5,
        unresolved: [...open('verify-otp'), ...open('create-authenticators')],
      } as Row;
      const { patch } = move(used, signal, FACTS[signal] as never, AT);
      expect(patch).toMatchObject({
        attempt: 7,
        submission: 7,
        parkings: 0,
        unavailableCount: 0,
        noAnswerCount: 0,
        doubtAttempt: null,
        lastResult: null,
        idleEndsAt: IDLE_END,
      });
      expect(patch.unresolved!.map(({ step, attempt }) => `${step} ${attempt}`)).toEqual(
        {
          otp_resend_asked: ['create-authenticators 4'],
          otp_submitted: ['verify-otp 4', 'create-authenticators 4', 'verify-otp 7'],
          authenticators_submitted: ['verify-otp 4', 'create-authenticators 4', 'create-authenticators 7'],
        }[signal],
      );
      expect(patch.unresolved!.every(({ at }) => at === NOW.toISOString())).toBe(true);
    },
  );

  it('lets a code live for OTP_LIFE_MS or the provider’s shorter limit, and starts the cooldown', () => {
    const sent = (lifeMs: number | null) =>
      move(ROWS.otp_requested, 'otp_sent', { handle: 'h', targetBundle: 'b', lifeMs }, AT).patch;
    expect(sent(MINUTE)).toMatchObject({
      otpExpiresAt: inMs(MINUTE),
      otpResendAt: inMs(MINUTE),
      otpTriesLeft: 3,
    });
    expect(sent(60 * MINUTE)).toMatchObject({ otpExpiresAt: CODE_END, otpSentAt: NOW, otpTargetBundle: 'b' });
  });

  it('records registered passkeys, forgets refused ones, and keeps those with an unknown outcome', () => {
    const facts = FACTS.authenticators_created;
    const { patch, refund } = move(ROWS.authenticators_submitted, 'authenticators_created', facts, AT);
    expect(patch).toMatchObject({
      authenticators: [{ ...PASSKEY, id: 'id', createdAt: NOW.toISOString() }],
      pendingAuthenticators: [],
    });
    expect(refund).toBeNull();
    const no = move(ROWS.authenticators_submitted, 'authenticators_rejected', { result }, AT);
    expect(no.patch.pendingAuthenticators).toEqual([]);
    const lost = move(ROWS.authenticators_submitted, 'outcome_lost', BY_TIME, AT);
    expect(lost.patch).not.toHaveProperty('pendingAuthenticators');
  });

  it('that a decision causes keeps the unresolved attempts of earlier submissions', () => {
    const row = ROWS['outcome_unknown in a session'];
    const earlier = { ...row.unresolved[0]!, attempt: 3 };
    for (const signal of ['resolved_done', 'resolved_not_done'] as const) {
      const doubts = { ...row, unresolved: [earlier, ...row.unresolved] } as Row;
      expect(move(doubts, signal, { decision }, AT).patch.unresolved).toEqual([earlier]);
    }
  });

  it('records no wipe if the next state needs all secrets of the row', () => {
    const row = { ...ROWS.authenticators_submitted, ...NO_SECRETS, sealedGrant: Buffer.from('grant') } as Row;
    const { events } = move(row, 'outcome_lost', BY_TIME, AT);
    expect(events.map(({ type }) => type)).toEqual(['outcome_lost']);
  });

  it('records the end of a step whose time ran out', () => {
    const { lastResult } = move(ROWS.otp_submitted, 'otp_expired', BY_TIME, AT).patch;
    const detail = 'The time ran out before the step could end.';
    expect(lastResult).toEqual({ step: 'verify-otp', code: 'otp_expired', detail, at: NOW.toISOString() });
  });

  it('records a failure even if no attempt has ended', () => {
    const { failure } = move(ROWS.otp_submitted, 'step_failed', { failure: result }, AT).patch;
    expect(failure).toStrictEqual({
      step: 'verify-otp',
      ...result,
      at: NOW.toISOString(),
      upstreamStatus: null,
    });
  });

  it('sets the time of the row’s last change', () => {
    const now = inMs(5);
    const moved = move(ROWS.otp_sent, 'cancelled', {}, { ...AT, now });
    expect(after(ROWS.otp_sent, moved, now)).toMatchObject({ now, updatedAt: now });
  });

  it('records who caused it', () => {
    const actors = (row: Row, signal: Moving, facts: object = FACTS[signal]) =>
      move(row, signal, facts as never, AT).events.find(({ type }) => type === signal)!.actor;
    expect(actors(ROWS.otp_sent, 'otp_resend_asked')).toBe('caller');
    expect(actors(ROWS.otp_submitted, 'otp_expired')).toBe('upstream');
    expect(actors(ROWS.otp_submitted, 'otp_expired', BY_TIME)).toBe('service');
    expect(actors(ROWS.otp_sent, 'expired')).toBe('service');
  });
});

const ATTEMPT: AttemptFacts = {
  class: 'unavailable',
  effect: 'counted',
  counts: { unavailableCount: 1, noAnswerCount: 0 },
  reveals: 'itself',
  upstreamStatus: 503,
  evidence: { bytesSent: true, headersSeen: true, status: 503, durationMs: 5, detail: 'away' },
  durationMs: 5,
};

describe('the end of an attempt', () => {
  it.each([
    ['init-otp', 'counted', { otpSends: 2 }, null],
    ['init-otp', 'repeated', {}, null],
    ['init-otp', 'none', {}, 'send'],
    ['verify-otp', 'counted', { otpTriesLeft: 2 }, null],
    ['verify-otp', 'repeated', { otpTriesLeft: 3 }, null],
    ['verify-otp', 'none', {}, null],
    ['create-authenticators', 'counted', {}, null],
  ] as const)('of %s with the effect "%s" writes %j and refunds: %s', (step, effect, counted, refund) => {
    const row = [ROWS.otp_requested, ROWS.otp_submitted, ROWS.authenticators_submitted].find(
      (each) => each.step === step,
    )!;
    const ended = endOf(row, { ...ATTEMPT, effect });
    const { otpSends, otpTriesLeft } = ended.patch;
    const written = {
      ...(otpSends !== undefined && { otpSends }),
      ...(otpTriesLeft !== undefined && { otpTriesLeft }),
    };
    expect(written).toEqual(counted);
    expect(ended.refund).toBe(refund);
    expect(ended.patch).toMatchObject(ATTEMPT.counts);
  });

  it('never makes the number of tries left negative', () => {
    expect(endOf({ ...ROWS.otp_submitted, otpTriesLeft: 0 }, ATTEMPT).patch.otpTriesLeft).toBe(0);
  });

  it('keeps the latest unresolved attempt of this submission, and all of earlier submissions', () => {
    const earlier = { step: 'create-authenticators', attempt: 2, at: NOW.toISOString() } as const;
    const [first] = open('verify-otp');
    const second = { ...first!, attempt: 5 };
    const row = {
      ...ROWS.otp_submitted,
      attempt: 5,
      unresolved: [earlier, first!, second],
      doubtAttempt: 4,
    } as Row;
    const ended = (facts: Partial<AttemptFacts>) => endOf(row, { ...ATTEMPT, ...facts }).patch;
    expect(ended({ reveals: 'nothing' })).toMatchObject({
      doubtAttempt: 5,
      unresolved: [earlier, { ...second, evidence: ATTEMPT.evidence }],
    });
    expect(ended({})).toMatchObject({ doubtAttempt: 4, unresolved: [earlier, first] });
    expect(ended({ reveals: 'all' })).toMatchObject({ doubtAttempt: null, unresolved: [earlier] });
    expect(endOf(ROWS.otp_requested, ATTEMPT).patch).not.toHaveProperty('unresolved');
  });

  it('that succeeds leaves no unknown effect, and restarts the idle time', () => {
    const ended = { ...endOf(ROWS.otp_submitted, ATTEMPT) };
    ended.patch = { ...ended.patch, doubtAttempt: 4 };
    expect(succeeded(ended, AT).patch).toMatchObject({
      doubtAttempt: null,
      lastResult: null,
      idleEndsAt: IDLE_END,
    });
  });

  it('lets the step wait until its next try, or until an earlier deadline', () => {
    const row = ROWS.otp_submitted;
    const moved = retryLater(row, endOf(row, ATTEMPT), 1_000, AT);
    expect(after(row, moved, NOW)).toMatchObject({
      state: 'otp_submitted',
      version: row.version,
      leaseUntil: null,
      nextAttemptAt: inMs(1_000),
      dueAt: inMs(1_000),
      lastResult: { code: 'upstream_unavailable' },
    });
    const late = retryLater(row, endOf(row, ATTEMPT), 60 * MINUTE, AT);
    expect(after(row, late, NOW).dueAt).toEqual(CODE_END);
  });

  it.each([
    ['upstream_misconfigured', 1],
    ['integration_missing', 0],
  ] as const)(
    'parks the step (reason %s, `parkings` %i), and keeps the record of an unknown effect',
    (reason, parkings) => {
      const row = { ...ROWS.otp_submitted, doubtAttempt: 4 } as Row;
      const ended = endOf(row, { ...ATTEMPT, reveals: 'all' });
      const parked = after(row, park(row, ended, reason, AT), NOW);
      expect(parked).toMatchObject({
        parkedReason: reason,
        parkedAt: NOW,
        parkings,
        leaseUntil: null,
        nextAttemptAt: null,
        doubtAttempt: 4,
        unresolved: open('verify-otp'),
        unavailableCount: 0,
        // No job wakes a parked row, so the row is due only at its deadline.
        dueAt: CODE_END,
      });
      expect(after(parked, unpark(NOW), NOW)).toMatchObject({
        parkedReason: null,
        parkedAt: null,
        nextAttemptAt: NOW,
        dueAt: NOW,
      });
      const now = retryNow(parked, 'verify-otp', { reason: 'mended' });
      expect(after(parked, now, NOW)).toMatchObject({
        parkedReason: null,
        parkedAt: null,
        nextAttemptAt: NOW,
        dueAt: NOW,
      });
    },
  );
});

describe('the release of a parked step', () => {
  const step = 'verify-otp';

  it('by the service is recorded without data', () => {
    const { events, refund } = unpark(NOW);
    expect(events).toStrictEqual([{ type: 'unparked', actor: 'service' }]);
    expect(refund).toBeNull();
  });

  it.each([{ reason: 'fixed' }, { reason: 'fixed', by: 'operator' }])(
    'by a command is recorded with the data %j',
    (data) => {
      const scheduled = {
        type: 'retry_scheduled',
        actor: 'caller',
        data: { step, attempt: 5, inMs: 0, ...data },
      };
      const parked = { ...ROWS.otp_submitted, parkedReason: 'integration_missing' } as Row;
      expect(retryNow(ROWS.otp_submitted, step, data).events).toStrictEqual([scheduled]);
      const { events, refund } = retryNow(parked, step, data);
      expect(events).toStrictEqual([{ type: 'unparked', actor: 'caller', data }, scheduled]);
      expect(refund).toBeNull();
    },
  );
});

describe('a late answer', () => {
  const lost = ROWS['outcome_unknown in a session'];
  const inTime = () => {
    const flying = ROWS.authenticators_submitted;
    return move(flying, 'authenticators_created', FACTS.authenticators_created, AT, endOf(flying, ATTEMPT));
  };

  it('to the attempt with an unknown effect has the same effect as an answer in time', () => {
    const moved = lateAnswer(lost, inTime(), 'authenticators_created')!;
    expect(moved.patch).toMatchObject({ state: 'completed', unresolved: [] });
    expect(moved.patch.authenticators).toHaveLength(1);
    const answer = 'authenticators_created';
    expect(moved.events).toMatchObject([
      { type: 'attempt_ended' },
      { type: 'late_answer', actor: 'upstream', data: { answer } },
      { type: 'secrets_wiped' },
    ]);
  });

  it('has no effect if it does not show the outcome, or if the onboarding has ended', () => {
    expect(lateAnswer(lost, inTime(), 'outcome_lost')).toBeNull();
    expect(lateAnswer(ROWS.cancelled, inTime(), 'authenticators_created')).toBeNull();
  });

  it('that changes nothing is still recorded, but without data if the onboarding is erased', () => {
    const data = { step: 'verify-otp', attempt: 4, class: 'ok' } as const;
    expect(keepLateAnswer(ROWS.cancelled, data)).toEqual({
      patch: {},
      events: [{ type: 'late_answer_kept', actor: 'upstream', data }],
      refund: null,
    });
    const erased = { ...ROWS.cancelled, erasedAt: NOW };
    expect(keepLateAnswer(erased, data).events).toEqual([{ type: 'late_answer_kept', actor: 'upstream' }]);
  });
});

describe('a decision on an ended onboarding', () => {
  const data = { outcome: 'done', reason: 'r', step: 'create-authenticators', attempt: 4 } as const;
  const decided = { type: 'resolved', actor: 'caller', data } as const;
  const row = aRow({
    state: 'cancelled',
    attempt: 4,
    submission: 4,
    pendingAuthenticators: [PASSKEY],
    unresolved: open('create-authenticators'),
  });

  it('is recorded, together with the passkey that exists according to the decision', () => {
    const earlier = open('verify-otp').map((each) => ({ ...each, attempt: 2 }));
    const two = { ...row, unresolved: [...earlier, ...row.unresolved] };
    expect(recordDecision(two, decided, true, ['id'])).toEqual({
      patch: {
        unresolved: earlier,
        authenticators: [{ ...PASSKEY, id: 'id', createdAt: NOW.toISOString() }],
        pendingAuthenticators: [],
      },
      events: [decided],
      refund: null,
    });
    const not = recordDecision(row, decided, false, null);
    expect(not.patch.unresolved).toEqual([]);
    expect(not.patch).not.toHaveProperty('authenticators');
  });

  it('about an earlier submission does not change the passkeys of a later submission', () => {
    const { patch } = recordDecision({ ...row, submission: 5 }, decided, true, ['id']);
    expect(patch).toEqual({ unresolved: [] });
  });

  it('writes no personal data if the onboarding is erased', () => {
    const { patch, events } = recordDecision({ ...row, erasedAt: NOW }, decided, true, ['id']);
    expect(patch).toEqual({ unresolved: [] });
    expect(events).toEqual([{ type: 'resolved', actor: 'caller' }]);
  });
});

describe('an erasure', () => {
  it.each(Object.entries(ROWS))('leaves no personal data in a row in the state %s', (_, row) => {
    const personal: Partial<Columns> = {
      subject: { contact: 'ana@example.com' },
      sealedContact: Buffer.from('ana'),
      sealedDataKey: Buffer.from('key'),
      dataKeyId: 'ana',
      externalRef: 'ana',
      metadata: { name: 'ana' },
      fingerprint: 'ana',
      otpChoice: { channel: 'ana' } as never,
      otpHandle: 'ana',
      otpTargetBundle: 'ana',
      deviceSigning: { publicKey: 'ana' } as never,
      authenticators: [{ ...PASSKEY, name: 'ana', id: null, createdAt: 'then' }],
      pendingAuthenticators: [{ ...PASSKEY, name: 'ana' }],
      unresolved: [{ step: 'verify-otp', attempt: 4, at: 'then', evidence: { detail: 'ana' } as never }],
      lastResult: { step: 'verify-otp', at: 'then', ...result, detail: 'ana', errors: [] },
      failure: { step: 'verify-otp', at: 'then', ...result, detail: 'ana', upstreamStatus: null },
    };
    const full = { ...row, ...SEAL, ...personal } as Row;
    const moved = erase(full, 'caller');
    const erased = after(full, moved, NOW);
    expect(JSON.stringify(erased)).not.toContain('ana');
    for (const field of [...SEALED, 'sealedContact', 'sealedDataKey'] as const)
      expect(erased[field]).toBeNull();
    expect(erased).toMatchObject({
      state: isEnded(row.state) ? row.state : 'cancelled',
      version: row.version + 1,
      erasedAt: NOW,
      subjectKey: `erased:${row.id}`,
      unresolved: [{ step: 'verify-otp', attempt: 4, at: 'then' }],
      lastResult: { code: result.code, detail: 'Erased.' },
      failure: { code: result.code, detail: 'Erased.' },
      dueAt: NOW,
    });
    expect(moved.events.at(-1)).toEqual({ type: 'erased', actor: 'caller' });
    expect(moved.events.some(({ type }) => type === 'cancelled')).toBe(!isEnded(row.state));
  });
});

const instant = fc.integer({ min: -86_400_000, max: 86_400_000 }).map(inMs);
const perhaps = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const anyRow = fc
  .record({
    state: fc.constantFrom(...LIVE_STATES, ...ENDED_STATES),
    lost: fc.constantFrom('verify-otp', 'create-authenticators'),
    otpExpiresAt: perhaps(instant),
    sessionEndsAt: perhaps(instant),
    idleEndsAt: instant,
    lifeEndsAt: instant,
    leaseUntil: perhaps(instant),
    nextAttemptAt: perhaps(instant),
    doubtAttempt: perhaps(fc.constant(1)),
    isParked: fc.boolean(),
  })
  .map(({ lost, isParked, leaseUntil, nextAttemptAt, ...columns }) => {
    const step = columns.state === 'outcome_unknown' ? lost : stepOfState(columns.state);
    const isIn = stepOfState(columns.state) !== null;
    return aRow({
      ...SEAL,
      ...columns,
      updatedAt: inMs(-1),
      step: step as Row['step'],
      leaseUntil: isIn ? leaseUntil : null,
      nextAttemptAt: isIn && !leaseUntil ? nextAttemptAt : null,
      reason: columns.state === 'otp_needed' ? 'send_failed' : null,
      ...(isIn && isParked && { parkedReason: 'integration_missing', parkedAt: NOW }),
    });
  });

describe('for any row', () => {
  it('the due time is not after the next deadline; an ended row is due until its anchor is stored', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const due = dueOf(row, NOW);
        if (signalOfTime(row) !== null) expect(due! <= NOW).toBe(true);
        if (isEnded(row.state)) expect(due).toEqual(NOW);
        expect(dueOf({ ...row, anchoredSeq: row.lastSeq }, NOW)).toEqual(isEnded(row.state) ? null : due);
        if (!isEnded(row.state) && row.leaseUntil === null) expect(due! <= deadlineOf(row)!).toBe(true);
      }),
    );
  });

  it('all passed deadlines are applied, and each change of state adds one to the version', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const moves = movesOfTime(row);
        const last = moves.at(-1)?.to ?? row;
        expect(signalOfTime(last)).toBeNull();
        expect(last.version).toBe(row.version + moves.length);
        expect(moves.map(({ signal }) => signal)).toEqual(moves.map(({ moved }) => moved.events[0]!.type));
        expect(last.lastSeq).toBe(row.lastSeq + moves.flatMap(({ moved }) => moved.events).length);
        const shown = asOfNow(row);
        expect({ ...shown, updatedAt: null }).toEqual({ ...last, updatedAt: null });
        expect(shown.updatedAt).toBe(row.updatedAt);
        if (row.leaseUntil !== null && row.leaseUntil > NOW) expect(moves).toEqual([]);
        if (moves.length > 0)
          for (const field of SEALED) if (!needs(last.state, field)) expect(last[field]).toBeNull();
      }),
    );
  });

  it('the row stays consistent for any sequence of signals', () => {
    fc.assert(
      fc.property(anyRow, fc.array(fc.constantFrom(...MOVING), { maxLength: 30 }), (start, signals) => {
        let row = start;
        for (const signal of signals) {
          const facts = FACTS[signal] as never;
          let moved;
          try {
            moved = move(row, signal, facts, { now: NOW, settings: SETTINGS });
          } catch (error) {
            expect((error as ProblemError).code).toEqual(expect.any(String));
            continue;
          }
          expect(isEnded(row.state)).toBe(false);
          const to = after(row, moved, NOW);
          expect(to.version).toBe(row.version + (to.state === row.state ? 0 : 1));
          expect(to.lastSeq).toBeGreaterThan(row.lastSeq);
          expect(to.attempt).toBe(row.attempt + (stepOfState(to.state) ? 1 : 0));
          for (const field of SEALED) if (!needs(to.state, field)) expect(to[field]).toBeNull();
          // A cancelled row keeps the reason why a code was needed.
          if (to.state !== 'cancelled') expect(to.reason !== null).toBe(to.state === 'otp_needed');
          row = to;
        }
      }),
    );
  });
});
