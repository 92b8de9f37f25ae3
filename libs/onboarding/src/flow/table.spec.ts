import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  ENDED_STATES,
  LIVE_STATES,
  SEALED,
  SIGNALS,
  STATES,
  needs,
  nextState,
  signalAtBound,
  type Signal,
  type Situation,
  type State,
} from './table.js';

const endings = { step_failed: 'failed', expired: 'expired', cancelled: 'cancelled' };

/** Written by hand from the design, so that a mistake in the state machine's table makes a test fail. */
const expected: [string, Situation, Partial<Record<Signal, State>>][] = [
  ['otp_requested', { state: 'otp_requested' }, { otp_sent: 'otp_sent', send_gave_up: 'otp_needed' }],
  [
    'otp_requested, while the earlier code is valid',
    { state: 'otp_requested', codeLives: true },
    { otp_sent: 'otp_sent', send_gave_up: 'otp_sent' },
  ],
  [
    'otp_sent',
    { state: 'otp_sent' },
    { otp_submitted: 'otp_submitted', otp_resend_asked: 'otp_requested', otp_expired: 'otp_needed' },
  ],
  ['otp_needed', { state: 'otp_needed' }, { otp_resend_asked: 'otp_requested' }],
  [
    'otp_submitted',
    { state: 'otp_submitted' },
    {
      otp_verified: 'otp_verified',
      otp_rejected: 'otp_sent',
      otp_expired: 'otp_needed',
      outcome_lost: 'outcome_unknown',
    },
  ],
  [
    'otp_verified',
    { state: 'otp_verified' },
    { authenticators_submitted: 'authenticators_submitted', session_expired: 'otp_needed' },
  ],
  [
    'authenticators_submitted',
    { state: 'authenticators_submitted' },
    {
      authenticators_created: 'completed',
      authenticators_rejected: 'otp_verified',
      session_expired: 'otp_needed',
      outcome_lost: 'outcome_unknown',
    },
  ],
  [
    'outcome_unknown after verify-otp, the answer says otp_verified',
    { state: 'outcome_unknown', step: 'verify-otp', answer: 'otp_verified' },
    { otp_resend_asked: 'otp_requested', resolved_not_done: 'otp_requested', late_answer: 'otp_verified' },
  ],
  [
    'outcome_unknown after create-authenticators in a live session',
    {
      state: 'outcome_unknown',
      step: 'create-authenticators',
      sessionLives: true,
      answer: 'authenticators_created',
    },
    {
      otp_resend_asked: 'otp_requested',
      resolved_done: 'completed',
      resolved_not_done: 'otp_verified',
      late_answer: 'completed',
    },
  ],
  [
    'outcome_unknown after create-authenticators, after the session has ended',
    {
      state: 'outcome_unknown',
      step: 'create-authenticators',
      sessionLives: false,
      answer: 'authenticators_rejected',
    },
    {
      otp_resend_asked: 'otp_requested',
      resolved_done: 'completed',
      resolved_not_done: 'otp_needed',
      late_answer: 'otp_verified',
    },
  ],
];

describe('the state machine', () => {
  describe.each(expected)('in the state %s', (_name, situation, moves) => {
    it.each(SIGNALS)('handles the signal %s as the design says', (signal) => {
      const target = { ...moves, ...endings }[signal] ?? null;
      expect(nextState(situation, signal)).toBe(target);
    });
  });

  describe.each(ENDED_STATES)('in the ended state %s', (state) => {
    it.each(SIGNALS)('does not allow the signal %s', (signal) =>
      expect(nextState({ state }, signal)).toBeNull(),
    );
  });

  it('is tested in every live state', () => {
    expect(new Set(expected.map(([, situation]) => situation.state))).toEqual(new Set(LIVE_STATES));
  });

  it.each([
    ['unknown state "limbo"', () => nextState({ state: 'limbo' as State }, 'expired')],
    ['unknown signal "otp_eaten"', () => nextState({ state: 'otp_sent' }, 'otp_eaten' as Signal)],
    ['unknown state "toString"', () => nextState({ state: 'toString' as State }, 'expired')],
    ['after step "init-otp"', () => nextState({ state: 'outcome_unknown', step: 'init-otp' }, 'expired')],
    ['after step "undefined"', () => nextState({ state: 'outcome_unknown' }, 'expired')],
    [
      'late_answer needs the signal of the answer',
      () => nextState({ state: 'outcome_unknown', step: 'verify-otp' }, 'late_answer'),
    ],
    ['"otp_needed" has no deadline of its own', () => signalAtBound('otp_needed', true)],
  ])('refuses wrong input with an error that contains: %s', (message, act) => {
    expect(act).toThrow(message);
  });

  it('never treats a late answer as a loss, an expiry or a cancellation', () => {
    const situation = { state: 'outcome_unknown', step: 'verify-otp' } as const;
    for (const answer of ['outcome_lost', 'expired', 'cancelled'] as const) {
      expect(nextState({ ...situation, answer }, 'late_answer')).toBeNull();
    }
  });

  it('never leaves an ended state, and reaches only known states, for any sequence of signals', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...SIGNALS), { maxLength: 40 }),
        fc.boolean(),
        (signals, sessionLives) => {
          let state: State = 'otp_requested';
          for (const signal of signals) {
            const step = 'create-authenticators';
            const next = nextState({ state, step, sessionLives, answer: 'authenticators_created' }, signal);
            if ((ENDED_STATES as readonly State[]).includes(state)) expect(next).toBeNull();
            state = next ?? state;
            expect(STATES).toContain(state);
          }
        },
      ),
    );
  });
});

/** Written by hand: the secrets that the database may store in each state. */
const KEPT: Partial<Record<State, string[]>> = {
  otp_requested: ['sealedRequests'],
  otp_submitted: ['sealedOtpCode', 'sealedRequests'],
  otp_verified: ['sealedGrant'],
  authenticators_submitted: ['sealedGrant', 'sealedAuthenticators', 'sealedRequests'],
  outcome_unknown: ['sealedGrant'],
};

describe('the encrypted columns', () => {
  it.each(STATES)('are wiped in the state %s unless the state needs them', (state) => {
    expect(SEALED.filter((field) => needs(state, field))).toEqual(KEPT[state] ?? []);
  });
});
