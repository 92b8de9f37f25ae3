import { describe, expect, it } from '@jest/globals';
import { INVARIANT_NAMES, check } from './checker.js';
import type {
  CallerAnswer,
  FinalRow,
  History,
  OnboardingHistory,
  TimelineEntry,
  UpstreamCall,
} from './history.js';

const TERMS = { sessionMarginMs: 1_000, networkDelayMs: 100, readAt: 1_000_000 };
const SESSION_ENDS = new Date(20_000).toISOString();

type Fact = [type: string, data?: TimelineEntry['data'], at?: number];

/** Event n happens n × 100 ms after the start, unless it has its own time. */
const events = (...facts: Fact[]): TimelineEntry[] =>
  facts.map(([type, data = {}, at], index) => ({
    seq: index + 1,
    type,
    at: at ?? (index + 1) * 100,
    actor: 'x',
    data,
  }));

const started = (step: UpstreamCall['step'], attempt: number, fingerprint = 'f'): Fact => [
  'attempt_started',
  { step, attempt, fingerprint },
];
const ended = (step: UpstreamCall['step'], attempt: number, end: string): Fact => [
  'attempt_ended',
  { step, attempt, class: end },
];

const call = (step: UpstreamCall['step'], attempt: number, at: number, more: Partial<UpstreamCall> = {}) => ({
  step,
  attempt,
  sentAt: at,
  arrivedAt: at,
  answeredAt: at + 10,
  answer: 200,
  otpId: step === 'verify-otp' ? 'otp-1' : null,
  effect: null,
  ...more,
});

const anAnswer = (more: Partial<CallerAnswer>): CallerAnswer => ({
  at: 5_000,
  what: 'get',
  key: null,
  status: 200,
  code: null,
  replayed: false,
  version: null,
  state: null,
  updatedAt: null,
  attemptsLeft: null,
  otpSentAt: null,
  ...more,
});

/** @returns an onboarding whose row, timeline, upstream calls and answers agree. */
function straightWay(): OnboardingHistory {
  return {
    row: {
      id: 'one',
      userId: 'ana',
      externalRef: 'key-1',
      state: 'completed',
      step: null,
      version: 6,
      lastSeq: 12,
      attempt: 3,
      parkedReason: null,
      leaseUntil: null,
      nextAttemptAt: null,
      dueAt: null,
      otpHandle: 'otp-1',
      unresolved: [],
      authenticators: [{ id: 'a-1', credentialId: 'c-1' }],
      holdsSecrets: false,
    },
    events: events(
      ['created'],
      started('init-otp', 1),
      ended('init-otp', 1, 'ok'),
      ['otp_sent'],
      ['otp_submitted'],
      started('verify-otp', 2),
      ended('verify-otp', 2, 'ok'),
      ['otp_verified', { sessionExpiresAt: SESSION_ENDS }],
      ['authenticators_submitted'],
      started('create-authenticators', 3),
      ended('create-authenticators', 3, 'ok'),
      ['authenticators_created'],
    ),
    calls: [
      call('init-otp', 1, 220, { effect: { type: 'otp_sent', otpId: 'otp-1' } }),
      call('verify-otp', 2, 620, {
        effect: { type: 'session_opened', otpId: 'otp-1', expiresAt: SESSION_ENDS },
      }),
      call('create-authenticators', 3, 1_020, {
        effect: { type: 'authenticators_created', credentialIds: ['c-1'], authenticatorIds: ['a-1'] },
      }),
    ],
    answers: [
      anAnswer({
        what: 'start',
        key: 'key-1',
        status: 201,
        version: 2,
        state: 'otp_sent',
        updatedAt: 400,
        attemptsLeft: 3,
        otpSentAt: 'then',
      }),
      anAnswer({
        what: 'verify',
        key: 'key-2',
        version: 4,
        state: 'otp_verified',
        updatedAt: 800,
        attemptsLeft: 2,
        otpSentAt: 'then',
      }),
      anAnswer({ what: 'authenticators', key: 'key-3', version: 6, state: 'completed', updatedAt: 1_200 }),
    ],
  };
}

const PASSKEYS = [{ userId: 'ana', credentialId: 'c-1', authenticatorId: 'a-1' }];

/** @returns the rules that the onboarding breaks, for example `I4`. */
function broken(onboarding: OnboardingHistory, passkeys: History['passkeys'] = PASSKEYS): string[] {
  const found = check({ onboardings: [onboarding], passkeys }, TERMS);
  return [...new Set(found.map(({ invariant }) => invariant.split(' ', 1)[0]!))];
}

/** Changes {@link straightWay}. `lastSeq` is the number of events, unless `row` sets it. */
function but(
  facts: Fact[] | null,
  row: Partial<FinalRow> = {},
  more: Partial<OnboardingHistory> = {},
): OnboardingHistory {
  const straight = straightWay();
  const timeline = facts ? events(...facts) : straight.events;
  return {
    ...straight,
    events: timeline,
    answers: [],
    ...more,
    row: {
      ...straight.row,
      ...(facts && { lastSeq: timeline.length }),
      ...row,
    },
  };
}

const SENT: Fact[] = [['created'], started('init-otp', 1), ended('init-otp', 1, 'ok'), ['otp_sent']];
const SENT_CALL = straightWay().calls.slice(0, 1);
const LIVE: Pick<FinalRow, 'authenticators' | 'dueAt'> = { authenticators: [], dueAt: 2_000_000 };

describe('the checker', () => {
  it('finds nothing in a run without faults', () => {
    expect(broken(straightWay())).toEqual([]);
  });

  it('finds nothing in a run whose faults are handled by the retry law', () => {
    const lost = but(
      [
        ...SENT,
        ['otp_submitted'],
        started('verify-otp', 2),
        ['attempt_ended', { step: 'verify-otp', attempt: 2, class: 'no_answer', lapsed: true }],
        ['outcome_lost'],
        ['late_answer', { answer: 'otp_rejected' }],
        ['cancelled', { reason: 'key-9' }],
        ['late_answer_kept'],
        ['resolved', { step: 'verify-otp', outcome: 'not_done' }],
      ],
      { state: 'cancelled', version: 6, attempt: 2, authenticators: [], otpHandle: 'otp-1' },
      { calls: [...SENT_CALL, call('verify-otp', 2, 620, { answer: 'client_gone', answeredAt: 2_000 })] },
    );
    expect(broken(lost, [])).toEqual([]);
  });

  it('has exactly the rules I1 to I12, which this file tests', () => {
    const numbers = INVARIANT_NAMES.map((name) => name.split(' ', 1)[0]);
    expect([...new Set(numbers)].sort()).toEqual(
      ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10', 'I11', 'I12'].sort(),
    );
  });
});

describe('I1 (no step begins before the previous step has succeeded)', () => {
  it('is broken by a step whose predecessor never succeeded', () => {
    const facts: Fact[] = [
      ...SENT.slice(0, 2),
      ended('init-otp', 1, 'ok'),
      ['otp_submitted'],
      started('verify-otp', 2),
    ];
    expect(
      broken(
        but(facts, { state: 'otp_submitted', ...LIVE, attempt: 2, version: 2 }, { calls: SENT_CALL }),
        [],
      ),
    ).toContain('I1');
  });

  it('is broken by a call with a code that was never mailed, even if the timeline is correct', () => {
    const straight = straightWay();
    straight.calls[1]!.otpId = 'otp-of-another';
    expect(broken(straight)).toContain('I1');
  });

  it('permits a call that reaches the provider after its attempt ended and a new code was mailed', () => {
    const late = but(
      [
        ...SENT,
        ['otp_submitted'],
        started('verify-otp', 2),
        ended('verify-otp', 2, 'no_answer'),
        ['outcome_lost'],
        ['otp_resend_asked'],
        started('init-otp', 3),
        ended('init-otp', 3, 'ok'),
        ['otp_sent'],
      ],
      { state: 'otp_sent', ...LIVE, attempt: 3, version: 6, otpHandle: 'otp-2' },
      {
        calls: [
          ...SENT_CALL,
          call('init-otp', 3, 1_020, { effect: { type: 'otp_sent', otpId: 'otp-2' }, answeredAt: 1_100 }),
          call('verify-otp', 2, 1_050, { sentAt: 620, answer: 'cut', answeredAt: 1_060 }),
        ],
      },
    );
    expect(broken(late, []).filter((number) => number === 'I1' || number === 'I2')).toEqual([]);
  });

  const submittedAfter = (resend: Partial<UpstreamCall>) =>
    but(
      [
        ...SENT,
        ['otp_resend_asked'],
        started('init-otp', 2),
        ended('init-otp', 2, 'rejected_unclear'),
        ['send_gave_up'],
        ['otp_submitted'],
        started('verify-otp', 3),
        ended('verify-otp', 3, 'rejected'),
        ['otp_rejected'],
      ],
      { state: 'otp_sent', ...LIVE, attempt: 3, version: 6 },
      {
        calls: [
          ...SENT_CALL,
          call('init-otp', 2, 620, { answer: 400, ...resend }),
          call('verify-otp', 3, 1_120, { answer: 400 }),
        ],
      },
    );

  it('is broken by a submission of the old code after a resend that mailed another code', () => {
    expect(broken(submittedAfter({ effect: { type: 'otp_sent', otpId: 'otp-2' } }), [])).toContain('I1');
  });

  it('is broken by a submission of an old code that was already used', () => {
    const used = but(
      [
        ...SENT,
        ['otp_submitted'],
        started('verify-otp', 2),
        ended('verify-otp', 2, 'ok'),
        ['otp_verified', { sessionExpiresAt: SESSION_ENDS }],
        ['session_expired'],
        ['otp_resend_asked'],
        started('init-otp', 3),
        ended('init-otp', 3, 'rejected_unclear'),
        ['send_gave_up'],
        ['otp_submitted'],
        started('verify-otp', 4),
      ],
      { state: 'otp_submitted', ...LIVE, attempt: 4, version: 8 },
      { calls: SENT_CALL },
    );
    const found = check({ onboardings: [used], passkeys: [] }, TERMS);
    expect(found.map(({ detail }) => detail)).toContain('15: verify-otp without otp_sent');
  });

  it('permits a submission of the old code after a resend that mailed nothing', () => {
    expect(broken(submittedAfter({}), [])).toEqual([]);
  });

  it('is broken by a passkey that is sent with an expired session', () => {
    const facts: Fact[] = [
      ...straightWay()
        .events.slice(0, 8)
        .map(({ type, data }): Fact => [type, data]),
      ['session_expired'],
      started('create-authenticators', 3),
    ];
    expect(broken(but(facts))).toContain('I1');
  });
});

describe('I2 (at most one call is in flight)', () => {
  it('is broken by an attempt that begins before the previous attempt has ended', () => {
    const facts: Fact[] = [
      ['created'],
      started('init-otp', 1),
      started('init-otp', 2),
      ended('init-otp', 2, 'ok'),
      ['otp_sent'],
    ];
    expect(
      broken(but(facts, { state: 'otp_sent', ...LIVE, attempt: 2, version: 2 }, { calls: [] }), []),
    ).toContain('I2');
  });

  it('is broken by a call that arrives while another call has no answer yet', () => {
    const straight = straightWay();
    straight.calls[1]!.answeredAt = 1_500;
    expect(broken(straight)).toEqual(['I2']);
  });

  it('permits a call after an abandoned call', () => {
    const retried = but(
      [
        ['created'],
        started('init-otp', 1),
        ended('init-otp', 1, 'no_answer'),
        started('init-otp', 2),
        ended('init-otp', 2, 'ok'),
        ['otp_sent'],
      ],
      { state: 'otp_sent', ...LIVE, attempt: 2, version: 2 },
      {
        calls: [
          call('init-otp', 1, 220, { answer: 'client_gone', answeredAt: 900 }),
          call('init-otp', 2, 420, { effect: { type: 'otp_sent', otpId: 'otp-1' } }),
        ],
      },
    );
    expect(broken(retried, [])).toEqual([]);
  });
});

describe('I3 (no code is sent again after a definite answer)', () => {
  const twice = (first: Partial<UpstreamCall>, fingerprint = 'f') =>
    but(
      [
        ...SENT,
        ['otp_submitted'],
        started('verify-otp', 2),
        ended('verify-otp', 2, 'rejected'),
        ['otp_rejected'],
        ['otp_submitted'],
        started('verify-otp', 3, fingerprint),
        ended('verify-otp', 3, 'rejected'),
        ['otp_rejected'],
      ],
      { state: 'otp_sent', ...LIVE, attempt: 3, version: 6 },
      {
        calls: [
          ...SENT_CALL,
          call('verify-otp', 2, 620, { answer: 400, ...first }),
          call('verify-otp', 3, 1_020, { answer: 400 }),
        ],
      },
    );

  it('is broken by a code that is sent again after an answer', () => {
    expect(broken(twice({}), [])).toEqual(['I3']);
  });

  it('permits a different code', () => {
    expect(broken(twice({}, 'another'), [])).toEqual([]);
  });
});

describe('I4 (attempt numbers only rise, and the tries left only fall)', () => {
  it('is broken by an attempt number that comes twice', () => {
    const facts: Fact[] = [
      ['created'],
      started('init-otp', 1),
      ended('init-otp', 1, 'not_sent'),
      started('init-otp', 1),
      ended('init-otp', 1, 'ok'),
      ['otp_sent'],
    ];
    expect(
      broken(but(facts, { state: 'otp_sent', ...LIVE, attempt: 1, version: 2 }, { calls: SENT_CALL }), []),
    ).toContain('I4');
  });

  it('is broken by a code whose number of tries left grows', () => {
    const straight = straightWay();
    straight.answers[1]!.attemptsLeft = 4;
    expect(broken(straight)).toEqual(['I4']);
  });
});

describe('I5 (nothing changes after the onboarding has ended)', () => {
  it('is broken by an event after the onboarding has ended', () => {
    const straight = straightWay();
    const after = { seq: 13, type: 'retry_scheduled', at: 1_300, actor: 'x', data: {} };
    expect(
      broken({ ...straight, events: [...straight.events, after], row: { ...straight.row, lastSeq: 13 } }),
    ).toEqual(['I5']);
  });

  it('is broken by a final state that differs from the final state in an answer to a caller', () => {
    const straight = straightWay();
    straight.answers.push(anAnswer({ version: 7, state: 'expired' }));
    expect(broken(straight)).toEqual(expect.arrayContaining(['I5', 'I7']));
  });

  it('is broken by secrets that outlive the onboarding', () => {
    expect(broken(but(null, { holdsSecrets: true }))).toEqual(['I5']);
  });
});

describe('I6 (each change has one event, without a gap)', () => {
  it('is broken by a gap in the numbers of the events', () => {
    const straight = straightWay();
    straight.events[11]!.seq = 13;
    expect(broken(straight)).toEqual(['I6']);
  });

  it('is broken by a change of state without its event', () => {
    expect(broken(but(null, { version: 7 }))).toEqual(['I6']);
  });

  it('is broken by an event that the current state does not permit', () => {
    const facts: Fact[] = [...SENT, ['otp_verified']];
    expect(
      broken(but(facts, { state: 'otp_sent', ...LIVE, attempt: 1, version: 2 }, { calls: SENT_CALL }), []),
    ).toEqual(['I6']);
  });

  it('is broken by a row whose state differs from the last state in its timeline', () => {
    expect(
      broken(but(SENT, { state: 'otp_needed', ...LIVE, attempt: 1, version: 2 }, { calls: SENT_CALL }), []),
    ).toEqual(['I6']);
  });

  it('is broken if callers saw the same version with two different states', () => {
    const straight = straightWay();
    straight.answers.push(anAnswer({ version: 2, state: 'otp_needed' }));
    expect(broken(straight)).toEqual(['I6']);
  });
});

describe('I7 (each accepted command is carried out, or its timeline shows why not)', () => {
  const resent: Fact[] = [
    ...SENT,
    ['otp_resend_asked', { reason: 'key-2' }],
    started('init-otp', 2),
    ended('init-otp', 2, 'ok'),
    ['otp_sent'],
  ];
  const calls = [
    ...SENT_CALL,
    call('init-otp', 2, 620, { effect: { type: 'otp_sent' as const, otpId: 'otp-2' } }),
  ];
  const row = { state: 'otp_sent', ...LIVE, attempt: 2, version: 4, otpHandle: 'otp-2' } as const;
  const accepted = anAnswer({ what: 'resend', key: 'key-2', version: 4, state: 'otp_sent' });

  it('permits a resend that was accepted and carried out', () => {
    expect(broken(but(resent, row, { calls, answers: [accepted] }), [])).toEqual([]);
  });

  it('is broken by a resend that was accepted and has left no event', () => {
    expect(
      broken(
        but(resent, row, { calls, answers: [accepted, anAnswer({ what: 'resend', key: 'key-3' })] }),
        [],
      ),
    ).toEqual(['I7']);
  });

  it('is broken by a resend that was carried out twice', () => {
    const again: Fact[] = [
      ...resent,
      ['otp_resend_asked', { reason: 'key-2' }],
      started('init-otp', 3),
      ended('init-otp', 3, 'ok'),
      ['otp_sent'],
    ];
    const third = call('init-otp', 3, 1_120, { effect: { type: 'otp_sent', otpId: 'otp-3' } });
    const twice = but(
      again,
      { ...row, attempt: 3, version: 6, otpHandle: 'otp-3' },
      { calls: [...calls, third] },
    );
    expect(broken(twice, [])).toEqual(['I7']);
  });

  it('is broken by a code that was accepted and has left no event', () => {
    const straight = straightWay();
    straight.answers.push(anAnswer({ what: 'verify', key: 'key-8' }));
    expect(broken(straight)).toEqual(['I7']);
  });

  it('is broken by a version that a caller saw, although the row never reached it', () => {
    const straight = straightWay();
    straight.answers.push(anAnswer({ version: 8 }));
    expect(broken(straight)).toEqual(['I7']);
  });

  it('is broken by a step that never ends', () => {
    const facts: Fact[] = [['created'], started('init-otp', 1)];
    expect(
      broken(
        but(
          facts,
          { state: 'otp_requested', step: 'init-otp', ...LIVE, attempt: 1, version: 1 },
          { calls: [] },
        ),
        [],
      ),
    ).toEqual(['I7']);
  });

  it.each([{ parkedReason: 'integration_missing' }, { dueAt: 900_000 }, { dueAt: null }])(
    'is broken by a live onboarding that would wait forever, with %j',
    (stuck) => {
      expect(
        broken(
          but(SENT, { state: 'otp_sent', ...LIVE, attempt: 1, version: 2, ...stuck }, { calls: SENT_CALL }),
          [],
        ),
      ).toEqual(['I7']);
    },
  );
});

describe('I8 (no session is used in the safety margin before its expiry)', () => {
  it.each([
    { sentAt: 19_001, arrivedAt: 19_010 },
    { sentAt: 18_999, arrivedAt: 19_200 },
  ])('is broken by a passkey that is sent too late: %j', (late) => {
    const straight = straightWay();
    Object.assign(straight.calls[2]!, late, { answeredAt: 19_300 });
    expect(broken(straight)).toEqual(['I8']);
  });
});

describe('I9 (each idempotency key makes at most one onboarding)', () => {
  it('is broken by two onboardings with one idempotency key', () => {
    const one = straightWay();
    const other = { ...straightWay(), answers: [] };
    other.row = { ...other.row, id: 'other' };
    const found = check({ onboardings: [one, other], passkeys: PASSKEYS }, TERMS);
    expect(found.map(({ invariant }) => invariant)).toEqual([
      'I9 each idempotency key makes at most one onboarding',
    ]);
  });
});

describe('I10 (each registered passkey is on the row, or its attempt is unresolved)', () => {
  const lost: Partial<FinalRow> = { state: 'cancelled', authenticators: [], version: 6 };
  const facts: Fact[] = [
    ...straightWay()
      .events.slice(0, 10)
      .map(({ type, data }): Fact => [type, data]),
    ['cancelled'],
  ];

  it('is broken by a passkey that is not on the row', () => {
    expect(broken(but(facts, lost))).toEqual(['I10']);
  });

  it.each<[string, Partial<FinalRow>, Fact[]]>([
    ['unresolved', { unresolved: [{ step: 'create-authenticators', attempt: 3 }] }, []],
    ['resolved', {}, [['resolved', { step: 'create-authenticators', outcome: 'done' }]]],
  ])('permits a passkey whose attempt is %s', (_, row, more) => {
    expect(broken(but([...facts, ...more], { ...lost, ...row }))).toEqual([]);
  });

  it('is broken by a passkey that no call of the run created', () => {
    const stranger = { userId: 'ana', credentialId: 'c-2', authenticatorId: 'a-2' };
    expect(broken(straightWay(), [...PASSKEYS, stranger])).toEqual(['I10']);
  });

  it('is broken if the provider never created a passkey of the row, or gave it another id', () => {
    expect(broken(but(null, { authenticators: [{ id: null, credentialId: 'c-9' }] }))).toContain('I10');
    expect(broken(but(null, { authenticators: [{ id: 'a-9', credentialId: 'c-1' }] }))).toEqual(['I10']);
  });
});

describe('I11 (no unresolved attempt is forgotten)', () => {
  const verifying = (...rest: Fact[]): Fact[] => [
    ...SENT,
    ['otp_submitted'],
    started('verify-otp', 2),
    ...rest,
  ];
  const row = { state: 'otp_sent', ...LIVE, attempt: 2, version: 4 } as const;
  const cut = [...SENT_CALL, call('verify-otp', 2, 620, { answer: 'cut' })];

  it('is broken by a lost answer that counts as a refusal', () => {
    const facts = verifying(ended('verify-otp', 2, 'no_answer'), ['otp_rejected']);
    expect(broken(but(facts, row, { calls: cut }), [])).toEqual(['I11']);
  });

  it('is broken by a code that is sent again after a lost answer', () => {
    const facts = verifying(
      ended('verify-otp', 2, 'no_answer'),
      started('verify-otp', 3),
      ended('verify-otp', 3, 'ok'),
      ['otp_verified'],
    );
    const again = call('verify-otp', 3, 920, { effect: { type: 'session_opened', expiresAt: SESSION_ENDS } });
    expect(
      broken(but(facts, { ...row, state: 'otp_verified', attempt: 3 }, { calls: [...cut, again] }), []),
    ).toEqual(['I11']);
  });

  it('is broken by a row with an unknown outcome, but without an unresolved attempt', () => {
    const facts = verifying(ended('verify-otp', 2, 'no_answer'), ['outcome_lost']);
    const unknown = { ...row, state: 'outcome_unknown', step: 'verify-otp' } as const;
    expect(broken(but(facts, unknown, { calls: cut }), [])).toEqual(['I11']);
    const named = { ...unknown, unresolved: [{ step: 'verify-otp' as const, attempt: 2 }] };
    expect(broken(but(facts, named, { calls: cut }), [])).toEqual([]);
  });

  it('is broken by a row that lists an answered attempt as unresolved', () => {
    expect(broken(but(null, { unresolved: [{ step: 'verify-otp', attempt: 2 }] }))).toEqual(['I11']);
  });
});

describe('I12 (the timeline agrees with the calls at the provider)', () => {
  it.each<[string, (straight: OnboardingHistory) => void]>([
    ['a success without an effect upstream', ({ calls }) => (calls[0]!.effect = null)],
    ['a call that arrives before its claim is written', ({ calls }) => (calls[0]!.arrivedAt = 150)],
    [
      'a call that arrives twice',
      ({ calls }) => calls.push({ ...calls[2]!, arrivedAt: 1_100, effect: null }),
    ],
    [
      'a call that arrives a third time after a refusal of the key',
      ({ calls }) => {
        const refused = { ...calls[0]!, answer: 401, effect: null };
        calls.unshift(refused, refused);
      },
    ],
    [
      'a call that arrives again after a refusal that had an effect',
      ({ calls }) => calls.unshift({ ...calls[0]!, answer: 401 }),
    ],
    ['a call that no attempt made', ({ calls }) => calls.push(call('init-otp', 7, 1_500))],
    [
      'a call that arrived although the timeline says that it was not sent',
      ({ events }) => (events[2]!.data.class = 'not_sent'),
    ],
    ['an effect that the timeline calls a refusal', ({ events }) => (events[10]!.data.class = 'rejected')],
  ])('is broken by %s', (_, lie) => {
    const straight = straightWay();
    lie(straight);
    expect(broken(straight)).toContain('I12');
  });

  it.each([0, 1, 2])(
    'permits a second call of an attempt after the provider refused the key of call %d',
    (index) => {
      const straight = straightWay();
      const made = straight.calls[index]!;
      straight.calls.splice(index, 0, { ...made, answeredAt: made.arrivedAt, answer: 401, effect: null });
      expect(broken(straight)).toEqual([]);
    },
  );

  it('is broken by a row whose code is not the last code that was mailed', () => {
    const facts: Fact[] = SENT;
    expect(
      broken(
        but(
          facts,
          { state: 'otp_sent', ...LIVE, attempt: 1, version: 2, otpHandle: 'otp-0' },
          { calls: SENT_CALL },
        ),
        [],
      ),
    ).toEqual(['I12']);
  });
});
