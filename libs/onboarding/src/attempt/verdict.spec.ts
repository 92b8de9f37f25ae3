import { describe, expect, it } from '@jest/globals';
import { aRow, after, testConfig } from '#libs/testing';
import type { FailureClass, ProviderKind } from '#libs/upstream';
import { failure } from '../fixtures/verify-step.js';
import { STATE_OF_STEP, type Signal, type StepName } from './machine.js';
import type { Row } from './onboarding.store.js';
import { SEALED } from './secrets.js';
import { Bindings, SqlValue } from './statement.js';
import type { Step, StepEnd, Steps } from './step.js';
import { Verdicts, type AttemptEnd, type Verdict } from './verdict.js';

const config = testConfig({ RETRY_FLOOR_MS: '250', RETRY_BASE_MS: '1000', CALL_TIMEOUT_MS: '10000' });

/** Each end of these steps can be told from the others, by its signal and by what it writes. */
const SIGNALS: Record<StepName, { done: Signal; refused: Signal; gaveUp: Signal }> = {
  'init-otp': { done: 'otp_sent', refused: 'step_failed', gaveUp: 'send_gave_up' },
  'verify-otp': { done: 'otp_verified', refused: 'otp_rejected', gaveUp: 'otp_expired' },
  'create-authenticators': {
    done: 'authenticators_created',
    refused: 'authenticators_rejected',
    gaveUp: 'session_expired',
  },
};
const REFUND = { name: 'refund', required: false, write: () => 'SELECT 1' };

const aStep = (name: StepName, more: Partial<Step> = {}): Step => ({
  name,
  call: () => Promise.reject(new Error('a verdict makes no call')),
  rejected: () => ({ signal: SIGNALS[name].refused }),
  gaveUp: (_row, last) => ({ signal: SIGNALS[name].gaveUp, data: last }),
  withoutEffect: () => ({ patch: { externalRef: 'given back' }, clauses: [REFUND] }),
  counted: () => ({ externalRef: 'counted' }),
  ...more,
});

function verdictOf(row: Row, end: AttemptEnd, more: Partial<Step> = {}): Verdict {
  const steps = { get: (name: StepName) => aStep(name, more) } as unknown as Steps;
  return new Verdicts(steps, config, { next: () => 0 }).of(row, end);
}

const failed = (...of: Parameters<typeof failure>): AttemptEnd => ({ type: 'failed', error: failure(...of) });
const open = (step: StepName, attempt: number) => ({ step, attempt, at: '2026-11-20T10:00:00.000Z' });

/** The first attempt of a step's submission is in flight, with time to spare. */
const first = (step: StepName, columns: Partial<Row> = {}) =>
  aRow({
    state: STATE_OF_STEP[step],
    step,
    attempt: 2,
    submission: 2,
    leaseUntil: after(30_000),
    deadlineAt: after(3_600_000),
    unresolved: step === 'init-otp' ? [] : [open(step, 2)],
    ...columns,
  });

/** The second one, after one that ended without a definite answer. */
const second = (step: StepName, before: 'unavailable' | 'no_answer', columns: Partial<Row> = {}) =>
  first(step, {
    attempt: 3,
    [before === 'unavailable' ? 'unavailableCount' : 'noAnswerCount']: 1,
    ...(step !== 'init-otp' && { doubtAttempt: 2, unresolved: [open(step, 2), open(step, 3)] }),
    ...columns,
  });

/** Milliseconds from now that a patch gives to PostgreSQL to add. */
function inMs(value: unknown): number {
  if (!(value instanceof SqlValue)) throw new Error('no instant that the database works out');
  const bindings = new Bindings();
  value.write(bindings);
  return bindings.values[0] as number;
}

/** What follows, whether the charge stays, and which attempt is in doubt from then on. */
function told({ change, signal, retryInMs }: Verdict) {
  const { parkedReason, externalRef, doubtAttempt } = change.patch;
  return [
    signal ?? (retryInMs === null ? `parked: ${String(parkedReason)}` : 'retry'),
    externalRef,
    doubtAttempt,
  ];
}

type Cell = [StepName, FailureClass, string, 'counted' | 'given back', number | null | undefined];
const PARKED = 'parked: upstream_misconfigured';

describe('a first attempt that failed', () => {
  it.each<Cell>([
    ['init-otp', 'not_sent', 'retry', 'given back', undefined],
    ['init-otp', 'throttled', 'retry', 'given back', undefined],
    ['init-otp', 'unavailable', 'retry', 'counted', undefined],
    ['init-otp', 'no_answer', 'retry', 'counted', undefined],
    ['init-otp', 'rejected', 'step_failed', 'counted', null],
    ['init-otp', 'rejected_unclear', 'step_failed', 'counted', null],
    ['init-otp', 'misconfigured', PARKED, 'counted', undefined],
    ['verify-otp', 'not_sent', 'retry', 'given back', null],
    ['verify-otp', 'throttled', 'retry', 'given back', null],
    ['verify-otp', 'unavailable', 'retry', 'counted', 2],
    ['verify-otp', 'no_answer', 'outcome_lost', 'counted', 2],
    ['verify-otp', 'rejected', 'otp_rejected', 'counted', null],
    ['verify-otp', 'rejected_unclear', 'otp_rejected', 'counted', null],
    ['verify-otp', 'misconfigured', PARKED, 'counted', undefined],
    ['create-authenticators', 'not_sent', 'retry', 'given back', null],
    ['create-authenticators', 'throttled', 'retry', 'given back', null],
    ['create-authenticators', 'unavailable', 'retry', 'counted', 2],
    ['create-authenticators', 'no_answer', 'retry', 'counted', 2],
    ['create-authenticators', 'rejected', 'authenticators_rejected', 'counted', null],
    ['create-authenticators', 'rejected_unclear', 'authenticators_rejected', 'counted', null],
    ['create-authenticators', 'misconfigured', PARKED, 'counted', undefined],
  ])('%s, %s: %s, the charge is %s, in doubt: %p', (step, failure, what, charge, doubt) => {
    expect(told(verdictOf(first(step), failed(failure)))).toEqual([what, charge, doubt]);
  });
});

describe('a second attempt, after a 5xx, that failed', () => {
  it.each<Cell>([
    ['init-otp', 'no_answer', 'retry', 'counted', undefined],
    ['init-otp', 'rejected', 'step_failed', 'counted', null],
    ['verify-otp', 'not_sent', 'retry', 'given back', 2],
    ['verify-otp', 'throttled', 'retry', 'given back', 2],
    ['verify-otp', 'unavailable', 'retry', 'counted', 3],
    ['verify-otp', 'no_answer', 'outcome_lost', 'counted', 3],
    // Doubt is never forgotten: the refusal may be of the repetition alone.
    ['verify-otp', 'rejected', 'outcome_lost', 'counted', 2],
    ['verify-otp', 'rejected_unclear', 'outcome_lost', 'counted', 2],
    ['verify-otp', 'misconfigured', 'outcome_lost', 'counted', 2],
    ['create-authenticators', 'not_sent', 'retry', 'given back', 2],
    ['create-authenticators', 'throttled', 'retry', 'given back', 2],
    ['create-authenticators', 'unavailable', 'retry', 'counted', 3],
    ['create-authenticators', 'no_answer', 'retry', 'counted', 3],
    ['create-authenticators', 'rejected', 'outcome_lost', 'counted', 2],
    ['create-authenticators', 'misconfigured', 'outcome_lost', 'counted', 2],
  ])('%s, %s: %s, the charge is %s, in doubt: %p', (step, failure, what, charge, doubt) => {
    expect(told(verdictOf(second(step, 'unavailable'), failed(failure)))).toEqual([what, charge, doubt]);
  });
});

describe('a second attempt, after one without an answer, that failed', () => {
  it.each<Cell>([
    ['init-otp', 'not_sent', 'retry', 'given back', undefined],
    ['init-otp', 'throttled', 'send_gave_up', 'given back', null],
    ['init-otp', 'unavailable', 'send_gave_up', 'counted', null],
    ['init-otp', 'no_answer', 'send_gave_up', 'counted', null],
    ['init-otp', 'rejected', 'step_failed', 'counted', null],
    // Parked, it would be called a third time.
    ['init-otp', 'misconfigured', 'send_gave_up', 'counted', null],
    ['create-authenticators', 'not_sent', 'retry', 'given back', 2],
    ['create-authenticators', 'throttled', 'outcome_lost', 'given back', 2],
    ['create-authenticators', 'unavailable', 'outcome_lost', 'counted', 3],
    ['create-authenticators', 'no_answer', 'outcome_lost', 'counted', 3],
    ['create-authenticators', 'rejected', 'outcome_lost', 'counted', 2],
  ])('%s, %s: %s, the charge is %s, in doubt: %p', (step, failure, what, charge, doubt) => {
    expect(told(verdictOf(second(step, 'no_answer'), failed(failure)))).toEqual([what, charge, doubt]);
  });
});

describe('the answer to a repetition, by provider', () => {
  it.each<[ProviderKind, StepName, FailureClass, string, Signal | null]>([
    ['byzantine', 'verify-otp', 'rejected', 'outcome_lost', null],
    ['byzantine', 'create-authenticators', 'rejected', 'outcome_lost', null],
    // What a repetition of the same bytes is told is what became of the first.
    ['turnkey', 'verify-otp', 'rejected', 'otp_rejected', 'otp_rejected'],
    ['turnkey', 'verify-otp', 'rejected_unclear', 'otp_rejected', 'otp_rejected'],
    ['turnkey', 'verify-otp', 'misconfigured', PARKED, null],
    ['turnkey', 'verify-otp', 'no_answer', 'retry', null],
    ['turnkey', 'create-authenticators', 'rejected', 'authenticators_rejected', 'authenticators_rejected'],
    ['turnkey-auth-proxy', 'verify-otp', 'rejected', 'outcome_lost', null],
    [
      'turnkey-auth-proxy',
      'create-authenticators',
      'rejected',
      'authenticators_rejected',
      'authenticators_rejected',
    ],
  ])('%s, %s, %s: %s, which as an answer is %p', (provider, step, failure, what, answer) => {
    const verdict = verdictOf(second(step, 'unavailable', { provider }), failed(failure));
    expect([told(verdict)[0], verdict.answer]).toEqual([what, answer]);
  });
});

describe('an end for which no time is left', () => {
  const noTime = { deadlineAt: after(10_000) };

  it.each<[StepName, FailureClass, string, object | undefined]>([
    ['init-otp', 'not_sent', 'send_gave_up', { refunded: true, unanswered: false }],
    ['init-otp', 'throttled', 'send_gave_up', { refunded: true, unanswered: false }],
    ['init-otp', 'unavailable', 'send_gave_up', { refunded: false, unanswered: true }],
    ['init-otp', 'no_answer', 'send_gave_up', { refunded: false, unanswered: true }],
    ['verify-otp', 'not_sent', 'otp_expired', { refunded: true, unanswered: false }],
    ['verify-otp', 'throttled', 'otp_expired', { refunded: true, unanswered: false }],
    ['create-authenticators', 'not_sent', 'session_expired', { refunded: true, unanswered: false }],
  ])('%s, %s: %s, and the step is told %j', (step, failure, signal, last) => {
    const { change, ...verdict } = verdictOf(first(step, noTime), failed(failure));
    expect(verdict).toEqual({ signal, answer: null, retryInMs: null });
    expect(change.events.find(({ type }) => type === signal)).toMatchObject({ data: last });
  });

  it.each(['verify-otp', 'create-authenticators'] as const)('%s, unavailable: outcome_lost', (step) => {
    expect(verdictOf(first(step, noTime), failed('unavailable')).signal).toBe('outcome_lost');
  });

  it('counts the time of the call itself', () => {
    // The failure of the fixture took 12 ms; the retry waits for 250 and may take 10 000.
    const ends = (ms: number) =>
      verdictOf(first('verify-otp', { deadlineAt: after(ms) }), failed('not_sent'));
    expect(ends(10_262).signal).toBeNull();
    expect(ends(10_261).signal).toBe('otp_expired');
  });
});

describe('a retry', () => {
  it('is scheduled for the instant that the law gives, on the row and in the timeline', () => {
    const { change, retryInMs, answer } = verdictOf(
      first('verify-otp'),
      failed('unavailable', { status: 502 }),
    );
    expect([retryInMs, inMs(change.patch.nextAttemptAt), answer]).toEqual([250, 250, null]);
    expect(change.patch).toMatchObject({
      leaseUntil: null,
      wokenAt: null,
      unavailableCount: 1,
      noAnswerCount: 0,
      lastResult: { step: 'verify-otp', code: 'upstream_unavailable' },
    });
    expect(change.patch).not.toHaveProperty('state');
    expect(change.events).toEqual([
      {
        type: 'attempt_ended',
        actor: 'upstream',
        data: { step: 'verify-otp', attempt: 2, class: 'unavailable', upstreamStatus: 502, durationMs: 12 },
      },
      { type: 'retry_scheduled', actor: 'service', data: { step: 'verify-otp', attempt: 3, inMs: 250 } },
    ]);
  });

  it.each<[FailureClass, number, number]>([
    ['not_sent', 1, 2],
    ['throttled', 1, 2],
    ['unavailable', 2, 2],
    ['no_answer', 1, 3],
    ['rejected', 1, 2],
  ])(
    'is counted by how it ended: after %s, %d times unavailable and %d times no answer',
    (each, five, none) => {
      const row = first('create-authenticators', { unavailableCount: 1, noAnswerCount: 2 });
      const { unavailableCount, noAnswerCount } = verdictOf(row, failed(each)).change.patch;
      expect([unavailableCount, noAnswerCount]).toEqual([five, none]);
    },
  );

  it('waits for as long as upstream says, and for the cooldown after a mail that may have gone out', () => {
    const told = failed('throttled', { status: 429, retryAfterMs: 90_000 });
    expect(verdictOf(first('verify-otp'), told).retryInMs).toBe(90_000);
    const mailed = first('init-otp', { otpResendAt: after(45_000) });
    expect(verdictOf(mailed, failed('no_answer')).retryInMs).toBe(45_000 - 12);
    const long = first('init-otp', { otpResendAt: after(-1) });
    expect(verdictOf(long, failed('no_answer')).retryInMs).toBe(250);
  });

  it('keeps the evidence of the attempt in doubt, and drops attempts without a doubt', () => {
    const { change } = verdictOf(
      second('create-authenticators', 'unavailable'),
      failed('unavailable', { status: 500 }),
    );
    expect(change.patch.unresolved).toMatchObject([
      { attempt: 3, evidence: { status: 500, bytesSent: true } },
    ]);
    const { change: unsent } = verdictOf(second('create-authenticators', 'unavailable'), failed('not_sent'));
    expect(unsent.patch.unresolved).toEqual([open('create-authenticators', 2)]);
  });

  it('keeps the doubt of an earlier submission', () => {
    const earlier = open('create-authenticators', 1);
    const row = first('verify-otp', { unresolved: [earlier, open('verify-otp', 2)] });
    expect(verdictOf(row, failed('not_sent')).change.patch.unresolved).toEqual([earlier]);
    expect(verdictOf(row, failed('no_answer')).change.patch.unresolved).toMatchObject([
      earlier,
      { attempt: 2 },
    ]);
  });
});

describe('a mail that may have gone out unseen', () => {
  it.each<[ProviderKind, StepName, FailureClass, boolean]>([
    ['byzantine', 'init-otp', 'unavailable', true],
    ['byzantine', 'init-otp', 'no_answer', true],
    ['byzantine', 'init-otp', 'not_sent', false],
    ['byzantine', 'init-otp', 'rejected', false],
    ['turnkey', 'init-otp', 'no_answer', false],
    ['turnkey-auth-proxy', 'init-otp', 'no_answer', true],
    ['byzantine', 'verify-otp', 'no_answer', false],
  ])('%s, %s, %s is in the timeline: %p', (provider, step, failure, isTold) => {
    const { events } = verdictOf(first(step, { provider }), failed(failure)).change;
    expect(events.some(({ type }) => type === 'second_mail_possible')).toBe(isTold);
  });
});

describe('an attempt that succeeded', () => {
  const end: StepEnd = { signal: 'otp_verified', patch: { otpWrong: 0 }, clauses: [REFUND], data: { a: 1 } };
  const success: AttemptEnd = { type: 'succeeded', end, durationMs: 40 };

  it('moves the row, and settles only the doubt of its own submission', () => {
    const earlier = open('create-authenticators', 1);
    const row = second('verify-otp', 'unavailable', {
      unresolved: [earlier, open('verify-otp', 2), open('verify-otp', 3)],
    });
    const { change, ...verdict } = verdictOf(row, success);
    expect(verdict).toEqual({ answer: 'otp_verified', signal: 'otp_verified', retryInMs: null });
    expect(change.patch).toMatchObject({
      state: 'otp_verified',
      step: null,
      unresolved: [earlier],
      doubtAttempt: null,
      lastResult: null,
      leaseUntil: null,
      nextAttemptAt: null,
      sealedOtpCode: null,
      externalRef: 'counted',
      otpWrong: 0,
    });
    expect(change.patch).not.toHaveProperty('sealedGrant');
    expect(inMs(change.patch.idleEndsAt)).toBe(config.ONBOARDING_IDLE_MS);
    expect(change.clauses).toEqual([REFUND]);
    expect(change.events).toEqual([
      {
        type: 'attempt_ended',
        actor: 'upstream',
        data: { step: 'verify-otp', attempt: 3, class: 'ok', upstreamStatus: 200, durationMs: 40 },
      },
      { type: 'otp_verified', actor: 'upstream', data: { a: 1 } },
    ]);
  });

  it('records that it wipes secrets if it ends the onboarding and there are any', () => {
    const done: AttemptEnd = { type: 'succeeded', end: { signal: 'authenticators_created' }, durationMs: 1 };
    const types = (columns: Partial<Row>) =>
      verdictOf(first('create-authenticators', columns), done).change.events.map(({ type }) => type);
    expect(types({ sealedGrant: Buffer.from('x') })).toEqual([
      'attempt_ended',
      'authenticators_created',
      'secrets_wiped',
    ]);
    expect(types({})).toEqual(['attempt_ended', 'authenticators_created']);
  });

  it('throws if its signal leads nowhere', () => {
    const lost: AttemptEnd = { type: 'succeeded', end: { signal: 'otp_resend_asked' }, durationMs: 1 };
    expect(() => verdictOf(first('verify-otp'), lost)).toThrow('leads nowhere from "otp_submitted"');
  });
});

describe('an attempt that was refused', () => {
  const refused = (reason: Parameters<typeof failure>[1]) => failed('rejected', { status: 400, ...reason });

  it('gives the caller and the timeline the step’s own reason', () => {
    const rejected = () =>
      ({
        signal: 'otp_rejected',
        result: { code: 'otp_invalid', detail: 'wrong' },
        clauses: [REFUND],
      }) satisfies StepEnd;
    const { change } = verdictOf(first('verify-otp'), refused({ reason: 'otp_invalid' }), { rejected });
    expect(change.patch).toMatchObject({
      state: 'otp_sent',
      lastResult: { step: 'verify-otp', code: 'otp_invalid', detail: 'wrong', at: expect.any(String) },
    });
    expect(change.clauses).toEqual([REFUND]);
  });

  it('records the status that ended the onboarding', () => {
    const rejected = () =>
      ({ signal: 'step_failed', failure: { code: 'subject_not_found', detail: 'no' } }) satisfies StepEnd;
    const { change } = verdictOf(first('init-otp'), refused({}), { rejected });
    expect(change.patch).toMatchObject({
      state: 'failed',
      failure: { code: 'subject_not_found', step: 'init-otp', upstreamStatus: 400 },
    });
  });

  it('gives the charge back if the provider asks for a captcha', () => {
    const { change } = verdictOf(first('init-otp'), refused({ reason: 'captcha_required' }));
    expect([change.patch.externalRef, change.clauses]).toEqual(['given back', [REFUND]]);
  });
});

describe('an integration that an operator must mend', () => {
  it('parks the row, and counts the parking if upstream refused', () => {
    const row = first('verify-otp', { parkings: 1 });
    const { change, ...verdict } = verdictOf(row, failed('misconfigured', { status: 401 }));
    expect(verdict).toEqual({ answer: null, signal: null, retryInMs: null });
    expect(change.patch).toMatchObject({
      parkedReason: 'upstream_misconfigured',
      parkings: 2,
      leaseUntil: null,
      nextAttemptAt: null,
      unresolved: [],
      lastResult: { code: 'upstream_misconfigured' },
    });
    expect(inMs(change.patch.parkedAt)).toBe(0);
    expect(change.events).toMatchObject([
      { type: 'attempt_ended', data: { class: 'misconfigured', upstreamStatus: 401 } },
      { type: 'parked', data: { reason: 'upstream_misconfigured', step: 'verify-otp' } },
    ]);
  });

  it('parks a row without its integration: not counted, the charge given back, the doubt kept', () => {
    const row = second('verify-otp', 'unavailable', { parkings: 1 });
    const { change } = verdictOf(row, { type: 'integration_missing' });
    expect(change.patch).toMatchObject({
      parkedReason: 'integration_missing',
      parkings: 1,
      externalRef: 'given back',
      unresolved: [open('verify-otp', 2)],
    });
    expect(change.events[0]).toMatchObject({
      data: { class: 'not_sent', upstreamStatus: null, durationMs: 0 },
    });
  });

  it('is not waited for if the step has a better end', () => {
    const misconfigured = () => ({ signal: 'send_gave_up', codeLives: true }) satisfies StepEnd;
    const { change, signal } = verdictOf(first('init-otp'), failed('misconfigured'), { misconfigured });
    expect([signal, change.patch.state, change.patch.parkedReason]).toEqual([
      'send_gave_up',
      'otp_sent',
      undefined,
    ]);
    const none = verdictOf(first('init-otp'), failed('misconfigured'), { misconfigured: () => null });
    expect(none.change.patch.parkedReason).toBe('upstream_misconfigured');
  });
});

describe('a step without budget', () => {
  it('is given up, and its doubt becomes an unknown outcome', () => {
    const outOfTries = { type: 'out_of_tries' } as const;
    const none = verdictOf(first('verify-otp'), outOfTries);
    expect([none.signal, none.answer]).toEqual(['otp_expired', null]);
    expect(none.change.events).toEqual([
      { type: 'otp_expired', actor: 'upstream', data: { refunded: false, unanswered: false } },
    ]);
    const doubtful = verdictOf(second('verify-otp', 'unavailable'), outOfTries);
    expect(doubtful.change.patch).toMatchObject({
      state: 'outcome_unknown',
      step: 'verify-otp',
      lastResult: { code: 'outcome_unknown' },
    });
    // A code that may have been mailed twice is no doubt.
    expect(verdictOf(second('init-otp', 'no_answer'), outOfTries).signal).toBe('send_gave_up');
  });
});

describe('an attempt whose end was not seen', () => {
  it('is lapsed in the timeline, and counts as lost', () => {
    const error = failure('no_answer');
    const { change, signal } = verdictOf(first('verify-otp'), { type: 'failed', error, lapsed: true });
    expect(signal).toBe('outcome_lost');
    expect(change.events[0]!.data).toMatchObject({ class: 'no_answer', lapsed: true });
    expect(change.events[1]).toMatchObject({
      type: 'outcome_lost',
      data: { bytesSent: true, status: null, detail: "a test's no_answer" },
    });
  });

  it('has the duration that the runner measured, if there is one', () => {
    const end: AttemptEnd = { type: 'failed', error: failure('no_answer'), durationMs: 77 };
    expect(verdictOf(first('verify-otp'), end).change.events[0]!.data).toMatchObject({ durationMs: 77 });
  });
});

describe('every end', () => {
  const ENDS: AttemptEnd[] = [
    ...(['not_sent', 'throttled', 'unavailable', 'no_answer', 'rejected', 'misconfigured'] as const).map(
      (each) => failed(each),
    ),
    { type: 'integration_missing' },
    { type: 'out_of_tries' },
  ];
  const STEPS_OF_ENDS = (Object.keys(SIGNALS) as StepName[]).flatMap((step) =>
    [first(step), second(step, 'unavailable'), second(step, 'no_answer')].flatMap((row) =>
      ENDS.map((end) => ({ row, end })),
    ),
  );

  it.each(STEPS_OF_ENDS)('lets go of the row: $row.step, attempt $row.attempt, $end.type', ({ row, end }) => {
    const { patch, events } = verdictOf(row, end).change;
    expect(patch).toMatchObject({ leaseUntil: null, wokenAt: null });
    expect(patch).toHaveProperty('nextAttemptAt');
    if (patch.state === undefined) return;
    // A state never keeps a secret that it does not need.
    const grantStays = patch.state === 'otp_verified' || patch.state === 'outcome_unknown';
    for (const field of SEALED) {
      if (field === 'sealedGrant' && grantStays) expect(patch).not.toHaveProperty(field);
      else expect(patch[field]).toBeNull();
    }
    expect(patch.step).toBe(patch.state === 'outcome_unknown' ? row.step : null);
    expect(events.length).toBeGreaterThan(0);
  });
});
