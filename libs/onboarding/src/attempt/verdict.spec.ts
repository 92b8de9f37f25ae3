import { describe, expect, it } from '@jest/globals';
import { aRow, after, testConfig } from '#libs/testing';
import type { FailureClass, ProviderKind } from '#libs/upstream';
import { failure } from '../fixtures/verify-step.js';
import { after as rowAfter, type Facts } from '../flow/move.js';
import type { Columns, Row, Explanation } from '../flow/row.js';
import { SEALED, stateOfStep, type Signal, type StepName } from '../flow/table.js';
import type { Step, StepEnd, Steps } from './step.js';
import { Verdicts, type AttemptEnd, type Verdict } from './verdict.js';

const config = testConfig({ RETRY_FLOOR_MS: '250', RETRY_BASE_MS: '1000', CALL_TIMEOUT_MS: '10000' });

const told: Explanation = { code: 'upstream_rejected', detail: 'of a test' };

const ENDS: Record<StepName, { refused: StepEnd; gaveUp: StepEnd }> = {
  'init-otp': {
    refused: { signal: 'step_failed', facts: { failure: told } },
    gaveUp: { signal: 'send_gave_up', facts: { codeLives: false, result: told } },
  },
  'verify-otp': {
    refused: { signal: 'otp_rejected', facts: { result: told } },
    gaveUp: { signal: 'otp_expired', facts: { result: told } },
  },
  'create-authenticators': {
    refused: { signal: 'authenticators_rejected', facts: { result: told } },
    gaveUp: { signal: 'session_expired', facts: { result: told } },
  },
};

const aStep = (name: StepName, more: Partial<Step> = {}): Step => ({
  name,
  call: () => Promise.reject(new Error('a verdict makes no call')),
  rejected: () => ENDS[name].refused,
  gaveUp: () => ENDS[name].gaveUp,
  ...more,
});

function verdictsWith(more: Partial<Step> = {}): Verdicts {
  const steps = { get: (name: StepName) => aStep(name, more) } as unknown as Steps;
  return new Verdicts(steps, config, { next: () => 0 });
}

const verdictOn = (row: Row, end: AttemptEnd, more: Partial<Step> = {}): Verdict =>
  verdictsWith(more).on(row, end);

const failed = (...of: Parameters<typeof failure>): AttemptEnd => ({
  type: 'failed',
  error: failure(...of),
  durationMs: 12,
});
const open = (step: StepName, attempt: number) => ({ step, attempt, at: '2026-11-20T10:00:00.000Z' });

/** Makes a row whose first attempt of a submission is in flight, with enough time left. */
const first = (step: StepName, columns: Partial<Columns> = {}) =>
  aRow({
    state: stateOfStep(step),
    step,
    attempt: 2,
    submission: 2,
    leaseUntil: after(30_000),
    otpExpiresAt: after(3_600_000),
    sessionEndsAt: after(3_600_000),
    idleEndsAt: after(3_600_000),
    unresolved: step === 'init-otp' ? [] : [open(step, 2)],
    ...columns,
  });

/** Makes a row whose second attempt is in flight, after a first attempt with an unknown effect. */
const second = (step: StepName, before: 'unavailable' | 'no_answer', columns: Partial<Columns> = {}) =>
  first(step, {
    attempt: 3,
    [before === 'unavailable' ? 'unavailableCount' : 'noAnswerCount']: 1,
    ...(step !== 'init-otp' && { doubtAttempt: 2, unresolved: [open(step, 2), open(step, 3)] }),
    ...columns,
  });

const left = (row: Row, { moved, now }: Verdict) => rowAfter(row, moved, now);

type Charge = 'counted' | 'given back' | 'none';

/** A sent code counts in the row and in the subject's budget, a try only in the row. */
function chargeOf(row: Row, verdict: Verdict): Charge {
  const { otpSends, otpTriesLeft } = verdict.moved.patch;
  if (row.step === 'create-authenticators') return 'none';
  if (row.step === 'verify-otp') return otpTriesLeft === row.otpTriesLeft - 1 ? 'counted' : 'given back';
  expect(verdict.moved.refund).toBe(otpSends === undefined ? 'send' : null);
  return otpSends === undefined ? 'given back' : 'counted';
}

/** @returns the decision, the charge, and the attempt whose effect stays unknown. */
function toldOf(row: Row, verdict: Verdict) {
  const { signal, retryInMs, parked } = verdict;
  const what = signal ?? (retryInMs === null ? `parked: ${String(parked)}` : 'retry');
  return [what, chargeOf(row, verdict), left(row, verdict).doubtAttempt];
}

type Cell = [StepName, FailureClass, string, Charge, number | null];
const PARKED = 'parked: upstream_misconfigured';

describe('a first attempt that failed', () => {
  it.each<Cell>([
    ['init-otp', 'not_sent', 'retry', 'given back', null],
    ['init-otp', 'throttled', 'retry', 'given back', null],
    ['init-otp', 'unavailable', 'retry', 'counted', null],
    ['init-otp', 'no_answer', 'retry', 'counted', null],
    ['init-otp', 'rejected', 'step_failed', 'counted', null],
    ['init-otp', 'rejected_unclear', 'step_failed', 'counted', null],
    ['init-otp', 'misconfigured', PARKED, 'counted', null],
    ['verify-otp', 'not_sent', 'retry', 'given back', null],
    ['verify-otp', 'throttled', 'retry', 'given back', null],
    ['verify-otp', 'unavailable', 'retry', 'counted', 2],
    ['verify-otp', 'no_answer', 'outcome_lost', 'counted', 2],
    ['verify-otp', 'rejected', 'otp_rejected', 'counted', null],
    ['verify-otp', 'rejected_unclear', 'otp_rejected', 'counted', null],
    ['verify-otp', 'misconfigured', PARKED, 'counted', null],
    ['create-authenticators', 'not_sent', 'retry', 'none', null],
    ['create-authenticators', 'throttled', 'retry', 'none', null],
    ['create-authenticators', 'unavailable', 'retry', 'none', 2],
    ['create-authenticators', 'no_answer', 'retry', 'none', 2],
    ['create-authenticators', 'rejected', 'authenticators_rejected', 'none', null],
    ['create-authenticators', 'rejected_unclear', 'authenticators_rejected', 'none', null],
    ['create-authenticators', 'misconfigured', PARKED, 'none', null],
  ])(
    '%s that ends with %s leads to %s; the try or send is: %s; attempt with an unknown effect: %p',
    (step, failure, what, charge, doubt) => {
      const row = first(step);
      expect(toldOf(row, verdictOn(row, failed(failure)))).toEqual([what, charge, doubt]);
    },
  );
});

describe('a first attempt whose outcome already counts as unknown, and that failed,', () => {
  const LATE = after(3_600_001);
  it.each<[StepName, FailureClass, Signal | null]>([
    ['verify-otp', 'not_sent', 'otp_expired'],
    ['verify-otp', 'throttled', 'otp_expired'],
    ['verify-otp', 'misconfigured', 'otp_expired'],
    ['verify-otp', 'unavailable', null],
    ['verify-otp', 'no_answer', null],
    ['verify-otp', 'rejected', 'otp_rejected'],
    ['create-authenticators', 'not_sent', 'session_expired'],
    ['create-authenticators', 'throttled', 'session_expired'],
    ['create-authenticators', 'misconfigured', 'session_expired'],
    ['create-authenticators', 'unavailable', null],
    ['create-authenticators', 'no_answer', null],
    ['create-authenticators', 'rejected', 'authenticators_rejected'],
  ])('tells the outcome after the deadline: %s that ends with %s leads to %p', (step, failure, signal) => {
    const verdict = verdictsWith().onLost(first(step), failed(failure), LATE);
    expect(verdict?.answer ?? null).toBe(signal);
    if (verdict) expect(left(first(step), verdict)).toMatchObject({ doubtAttempt: null, unresolved: [] });
  });

  it.each<AttemptEnd>([failed('not_sent'), { type: 'integration_paused' }, { type: 'integration_missing' }])(
    'without a call, tells the outcome only after the deadline, and if no earlier effect is unknown: %j',
    (end) => {
      const verdicts = verdictsWith();
      expect(verdicts.onLost(first('verify-otp'), end, LATE)).toMatchObject({ answer: 'otp_expired' });
      expect(verdicts.onLost(first('verify-otp'), end, after(0))).toBeNull();
      expect(verdicts.onLost(second('verify-otp', 'unavailable'), end, LATE)).toBeNull();
    },
  );
});

describe('a second attempt that failed, after a first attempt with a 5xx', () => {
  it.each<Cell>([
    ['init-otp', 'no_answer', 'retry', 'counted', null],
    ['init-otp', 'rejected', 'step_failed', 'counted', null],
    ['verify-otp', 'not_sent', 'retry', 'given back', 2],
    ['verify-otp', 'throttled', 'retry', 'given back', 2],
    ['verify-otp', 'unavailable', 'retry', 'counted', 3],
    ['verify-otp', 'no_answer', 'outcome_lost', 'counted', 3],
    // The effect of the first attempt stays unknown, because the refusal may concern only the repetition.
    ['verify-otp', 'rejected', 'outcome_lost', 'counted', 2],
    ['verify-otp', 'rejected_unclear', 'outcome_lost', 'counted', 2],
    ['verify-otp', 'misconfigured', 'outcome_lost', 'counted', 2],
    ['create-authenticators', 'not_sent', 'retry', 'none', 2],
    ['create-authenticators', 'throttled', 'retry', 'none', 2],
    ['create-authenticators', 'unavailable', 'retry', 'none', 3],
    ['create-authenticators', 'no_answer', 'retry', 'none', 3],
    ['create-authenticators', 'rejected', 'outcome_lost', 'none', 2],
    ['create-authenticators', 'misconfigured', 'outcome_lost', 'none', 2],
  ])(
    '%s that ends with %s leads to %s; the try or send is: %s; attempt with an unknown effect: %p',
    (step, failure, what, charge, doubt) => {
      const row = second(step, 'unavailable');
      expect(toldOf(row, verdictOn(row, failed(failure)))).toEqual([what, charge, doubt]);
    },
  );
});

describe('a second attempt that failed, after a first attempt without an answer', () => {
  it.each<Cell>([
    ['init-otp', 'not_sent', 'retry', 'given back', null],
    ['init-otp', 'throttled', 'send_gave_up', 'given back', null],
    ['init-otp', 'unavailable', 'send_gave_up', 'counted', null],
    ['init-otp', 'no_answer', 'send_gave_up', 'counted', null],
    ['init-otp', 'rejected', 'step_failed', 'counted', null],
    // The step is not parked, because its call after the repair would be a third call.
    ['init-otp', 'misconfigured', 'send_gave_up', 'counted', null],
    ['create-authenticators', 'not_sent', 'retry', 'none', 2],
    ['create-authenticators', 'throttled', 'outcome_lost', 'none', 2],
    ['create-authenticators', 'unavailable', 'outcome_lost', 'none', 3],
    ['create-authenticators', 'no_answer', 'outcome_lost', 'none', 3],
    ['create-authenticators', 'rejected', 'outcome_lost', 'none', 2],
  ])(
    '%s that ends with %s leads to %s; the try or send is: %s; attempt with an unknown effect: %p',
    (step, failure, what, charge, doubt) => {
      const row = second(step, 'no_answer');
      expect(toldOf(row, verdictOn(row, failed(failure)))).toEqual([what, charge, doubt]);
    },
  );
});

describe('the answer to a repeated call, by provider', () => {
  it.each<[ProviderKind, StepName, FailureClass, string, Signal | null]>([
    ['byzantine', 'verify-otp', 'rejected', 'outcome_lost', null],
    ['byzantine', 'create-authenticators', 'rejected', 'outcome_lost', null],
    // The answer to a repetition of the same bytes is the outcome of the first call.
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
  ])(
    'at %s, for %s that ends with %s: leads to %s, with the definite answer %p',
    (provider, step, failure, what, answer) => {
      const row = second(step, 'unavailable', { provider });
      const verdict = verdictOn(row, failed(failure));
      expect([toldOf(row, verdict)[0], verdict.answer]).toEqual([what, answer]);
    },
  );
});

describe('a call that failed, if no time is left for another call:', () => {
  const noTime = { idleEndsAt: after(10_000) };

  it.each<[StepName, FailureClass, string, boolean, Charge]>([
    ['init-otp', 'not_sent', 'send_gave_up', false, 'given back'],
    ['init-otp', 'throttled', 'send_gave_up', false, 'given back'],
    ['init-otp', 'unavailable', 'send_gave_up', true, 'counted'],
    ['init-otp', 'no_answer', 'send_gave_up', true, 'counted'],
    ['verify-otp', 'not_sent', 'otp_expired', false, 'given back'],
    ['verify-otp', 'throttled', 'otp_expired', false, 'given back'],
    ['create-authenticators', 'not_sent', 'session_expired', false, 'none'],
  ])(
    '%s that ends with %s leads to %s; without an answer: %p; the try or send is: %s',
    (step, failure, signal, unanswered, charge) => {
      const row = first(step, noTime);
      const lasts: object[] = [];
      const gaveUp: Step['gaveUp'] = (_row, last) => {
        lasts.push(last);
        return ENDS[step].gaveUp;
      };
      const verdict = verdictOn(row, failed(failure), { gaveUp });
      expect(verdict).toMatchObject({ signal, answer: null, retryInMs: null, parked: null });
      expect(lasts).toEqual([{ unanswered }]);
      expect(chargeOf(row, verdict)).toBe(charge);
    },
  );

  it.each(['verify-otp', 'create-authenticators'] as const)(
    '%s that ends with unavailable has an unknown outcome',
    (step) => {
      expect(verdictOn(first(step, noTime), failed('unavailable')).signal).toBe('outcome_lost');
    },
  );

  it('the duration of this call counts as time that has passed', () => {
    // The failed call took 12 ms. The retry waits for 250 ms and may take 10 000 ms.
    const ends = (ms: number) =>
      verdictOn(first('verify-otp', { otpExpiresAt: after(ms) }), failed('not_sent'));
    expect(ends(10_262).signal).toBeNull();
    expect(ends(10_261).signal).toBe('otp_expired');
  });
});

describe('a retry', () => {
  it('is scheduled for the time that the retry law decides, in the row and in the timeline', () => {
    const { moved, retryInMs, answer } = verdictOn(
      first('verify-otp'),
      failed('unavailable', { status: 502 }),
    );
    expect([retryInMs, moved.patch.nextAttemptAt, answer]).toEqual([250, after(12 + 250), null]);
    expect(moved.patch).toMatchObject({
      leaseUntil: null,
      unavailableCount: 1,
      noAnswerCount: 0,
      lastResult: {
        step: 'verify-otp',
        code: 'upstream_unavailable',
        detail: expect.stringContaining('(unavailable)'),
      },
    });
    expect(moved.patch).not.toHaveProperty('state');
    expect(moved.events).toEqual([
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
    'counts how the attempt ended: after %s, %d ended unavailable and %d without an answer',
    (each, five, none) => {
      const row = first('create-authenticators', { unavailableCount: 1, noAnswerCount: 2 });
      const { unavailableCount, noAnswerCount } = verdictOn(row, failed(each)).moved.patch;
      expect([unavailableCount, noAnswerCount]).toEqual([five, none]);
    },
  );

  it('waits as long as the provider asks, and until the cooldown ends if a mail may have been sent', () => {
    const throttled = failed('throttled', { status: 429, retryAfterMs: 90_000 });
    expect(verdictOn(first('verify-otp'), throttled).retryInMs).toBe(90_000);
    const mailed = first('init-otp', { otpResendAt: after(45_000) });
    expect(verdictOn(mailed, failed('no_answer')).retryInMs).toBe(45_000 - 12);
    for (const otpResendAt of [after(-1), null]) {
      expect(verdictOn(first('init-otp', { otpResendAt }), failed('no_answer')).retryInMs).toBe(250);
    }
  });

  it('waits longer with each call of its submission', () => {
    const most = { next: () => 1 - Number.EPSILON };
    const verdicts = new Verdicts({ get: aStep } as unknown as Steps, config, most);
    const waits = [first('verify-otp'), second('verify-otp', 'unavailable')].map(
      (row) => verdicts.on(row, failed('not_sent')).retryInMs,
    );
    expect(waits).toEqual([1_000, 2_000]);
  });

  it('keeps the evidence of attempts with an unknown effect, but not of other attempts', () => {
    const row = second('create-authenticators', 'unavailable');
    expect(verdictOn(row, failed('unavailable', { status: 500 })).moved.patch.unresolved).toMatchObject([
      { attempt: 3, evidence: { status: 500, bytesSent: true, detail: "a test's unavailable" } },
    ]);
    expect(verdictOn(row, failed('not_sent')).moved.patch.unresolved).toEqual([
      open('create-authenticators', 2),
    ]);
  });

  it('keeps the unknown outcome of an attempt of an earlier submission', () => {
    const earlier = open('create-authenticators', 1);
    const row = first('verify-otp', { unresolved: [earlier, open('verify-otp', 2)] });
    expect(verdictOn(row, failed('not_sent')).moved.patch.unresolved).toEqual([earlier]);
    expect(verdictOn(row, failed('no_answer')).moved.patch.unresolved).toMatchObject([
      earlier,
      { attempt: 2 },
    ]);
  });
});

describe('a mail that may have been sent', () => {
  it.each<[ProviderKind, StepName, FailureClass, boolean]>([
    ['byzantine', 'init-otp', 'unavailable', true],
    ['byzantine', 'init-otp', 'no_answer', true],
    ['byzantine', 'init-otp', 'not_sent', false],
    ['byzantine', 'init-otp', 'rejected', false],
    ['turnkey', 'init-otp', 'no_answer', false],
    ['turnkey-auth-proxy', 'init-otp', 'no_answer', true],
    ['byzantine', 'verify-otp', 'no_answer', false],
  ])(
    'is shown in the timeline or not: at %s, after %s that ends with %s: %p',
    (provider, step, failure, isTold) => {
      const { events } = verdictOn(first(step, { provider }), failed(failure)).moved;
      expect(events.some(({ type }) => type === 'second_mail_possible')).toBe(isTold);
    },
  );
});

describe('an attempt that succeeded', () => {
  const facts: Facts['otp_verified'] = {
    sealedGrant: Buffer.from('grant'),
    deviceSigning: null,
    sessionExpiresAt: after(900_000),
  };
  const success: AttemptEnd = {
    type: 'succeeded',
    end: { signal: 'otp_verified', facts },
    durationMs: 40,
  };
  const created: StepEnd = { signal: 'authenticators_created', facts: { authenticatorIds: null } };

  it('moves the row to the next state, and resolves only attempts of its own submission', () => {
    const earlier = open('create-authenticators', 1);
    const row = second('verify-otp', 'unavailable', {
      unresolved: [earlier, open('verify-otp', 2), open('verify-otp', 3)],
    });
    const { moved, ...verdict } = verdictOn(row, success);
    expect(verdict).toEqual({
      answer: 'otp_verified',
      signal: 'otp_verified',
      retryInMs: null,
      parked: null,
      now: after(40),
    });
    expect(moved.patch).toMatchObject({
      state: 'otp_verified',
      step: null,
      unresolved: [earlier],
      doubtAttempt: null,
      lastResult: null,
      leaseUntil: null,
      nextAttemptAt: null,
      sealedOtpCode: null,
      sealedGrant: facts.sealedGrant,
      sessionExpiresAt: facts.sessionExpiresAt,
      idleEndsAt: after(40 + config.ONBOARDING_IDLE_MS),
      otpTriesLeft: 2,
    });
    // The code was not wrong, so the try that was counted in advance is given back.
    expect(moved.refund).toBe('try');
    expect(moved.events).toEqual([
      {
        type: 'attempt_ended',
        actor: 'upstream',
        data: { step: 'verify-otp', attempt: 3, class: 'ok', upstreamStatus: 200, durationMs: 40 },
      },
      {
        type: 'otp_verified',
        actor: 'upstream',
        data: { sessionExpiresAt: after(900_000).toISOString() },
      },
    ]);
  });

  it('records that secrets are wiped, if it ends the onboarding and the row has secrets', () => {
    const done: AttemptEnd = { type: 'succeeded', end: created, durationMs: 1 };
    const types = (columns: Partial<Columns>) =>
      verdictOn(first('create-authenticators', columns), done).moved.events.map(({ type }) => type);
    expect(types({ sealedGrant: Buffer.from('x') })).toEqual([
      'attempt_ended',
      'authenticators_created',
      'secrets_wiped',
    ]);
    expect(types({})).toEqual(['attempt_ended', 'authenticators_created']);
  });

  it('throws if the state of the row does not allow its result', () => {
    const stray: AttemptEnd = { type: 'succeeded', end: created, durationMs: 1 };
    expect(() => verdictOn(first('verify-otp'), stray)).toThrow('Step verify-otp is in flight');
  });
});

describe('an attempt that was refused', () => {
  const refused = (reason: Parameters<typeof failure>[1]) => failed('rejected', { status: 400, ...reason });

  it('gives the step’s own reason to the caller and to the timeline', () => {
    const rejected = (): StepEnd => ({
      signal: 'otp_rejected',
      facts: { result: { code: 'otp_invalid', detail: 'wrong' }, isWrong: true },
    });
    const { moved } = verdictOn(first('verify-otp'), refused({ reason: 'otp_invalid' }), { rejected });
    expect(moved.patch).toMatchObject({
      state: 'otp_sent',
      otpWrong: 1,
      lastResult: { step: 'verify-otp', code: 'otp_invalid', detail: 'wrong', at: expect.any(String) },
    });
    expect(moved.events.map(({ type }) => type)).toEqual(['attempt_ended', 'otp_rejected']);
  });

  it('refunds the try if the step says that the code was not wrong', () => {
    const rejected = (): StepEnd => ({ signal: 'otp_expired', facts: { result: told, refund: true } });
    const { moved } = verdictOn(first('verify-otp'), refused({}), { rejected });
    expect(moved.refund).toBe('try');
  });

  it('records the provider’s HTTP status if the attempt ends the onboarding', () => {
    const rejected = (): StepEnd => ({
      signal: 'step_failed',
      facts: { failure: { code: 'subject_not_found', detail: 'no' } },
    });
    const { moved } = verdictOn(first('init-otp'), refused({}), { rejected });
    expect(moved.patch).toMatchObject({
      state: 'failed',
      failure: { code: 'subject_not_found', step: 'init-otp', upstreamStatus: 400 },
    });
  });

  it('gives back the counted send if the provider asks for a captcha', () => {
    const row = first('init-otp');
    expect(chargeOf(row, verdictOn(row, refused({ reason: 'captcha_required' })))).toBe('given back');
  });
});

describe('a fault of the integration', () => {
  it('parks the row, and counts the parking if the provider has refused the service', () => {
    const row = first('verify-otp', { parkings: 1 });
    const { moved, ...verdict } = verdictOn(row, failed('misconfigured', { status: 401 }));
    expect(verdict).toMatchObject({
      answer: null,
      signal: null,
      retryInMs: null,
      parked: 'upstream_misconfigured',
    });
    expect(moved.patch).toMatchObject({
      parkedReason: 'upstream_misconfigured',
      parkedAt: after(12),
      parkings: 2,
      leaseUntil: null,
      nextAttemptAt: null,
      unresolved: [],
      lastResult: { code: 'upstream_misconfigured', detail: expect.stringContaining('operator') },
    });
    expect(moved.events).toMatchObject([
      { type: 'attempt_ended', data: { class: 'misconfigured', upstreamStatus: 401 } },
      { type: 'parked', data: { reason: 'upstream_misconfigured', step: 'verify-otp' } },
    ]);
  });

  it('parks a row whose integration is missing, counts no parking, and gives back the counted try', () => {
    const row = second('verify-otp', 'unavailable', { parkings: 1 });
    const verdict = verdictOn(row, { type: 'integration_missing' });
    expect(verdict.parked).toBe('integration_missing');
    expect(left(row, verdict)).toMatchObject({
      parkedReason: 'integration_missing',
      parkings: 1,
      doubtAttempt: 2,
      unresolved: [open('verify-otp', 2)],
    });
    expect(chargeOf(row, verdict)).toBe('given back');
    expect(verdict.moved.events[0]).toMatchObject({
      data: { class: 'not_sent', upstreamStatus: null, durationMs: 0 },
    });
    // A row whose provider no longer exists is parked too.
    const orphan = second('init-otp', 'unavailable', { provider: 'gone' });
    expect(chargeOf(orphan, verdictOn(orphan, { type: 'integration_missing' }))).toBe('given back');
  });

  it('does not park a step that defines its own end for this failure', () => {
    const misconfigured = (): StepEnd => ({
      signal: 'send_gave_up',
      facts: { codeLives: true, result: told },
    });
    const { moved, signal, parked } = verdictOn(first('init-otp'), failed('misconfigured'), {
      misconfigured,
    });
    expect([signal, moved.patch.state, moved.patch.parkedReason, parked]).toEqual([
      'send_gave_up',
      'otp_sent',
      null,
      null,
    ]);
    const none = verdictOn(first('init-otp'), failed('misconfigured'), { misconfigured: () => null });
    expect(none.moved.patch.parkedReason).toBe('upstream_misconfigured');
  });
});

describe('a step whose next attempt exceeds a budget', () => {
  it('gives up, or has an unknown outcome if an earlier attempt has an unknown effect', () => {
    const outOfTries = { type: 'no_next_attempt' } as const;
    const lasts: object[] = [];
    const gaveUp: Step['gaveUp'] = (_row, last) => {
      lasts.push(last);
      return ENDS['verify-otp'].gaveUp;
    };
    const none = verdictOn(first('verify-otp'), outOfTries, { gaveUp });
    expect([none.signal, none.answer, lasts]).toEqual(['otp_expired', null, [{ unanswered: false }]]);
    expect(none.moved.events).toEqual([{ type: 'otp_expired', actor: 'upstream' }]);
    const doubtful = verdictOn(second('verify-otp', 'unavailable'), outOfTries);
    expect(doubtful.moved.patch).toMatchObject({
      state: 'outcome_unknown',
      step: 'verify-otp',
      lastResult: { code: 'outcome_unknown', detail: expect.stringContaining('resolve it') },
    });
    expect(doubtful.moved.events).toMatchObject([{ data: { detail: 'no time was left to try again' } }]);
    // A second mail with a code does no harm, so the outcome does not count as unknown.
    expect(verdictOn(second('init-otp', 'no_answer'), outOfTries).signal).toBe('send_gave_up');
  });
});

describe('an attempt without an answer', () => {
  it('is shown in the timeline as lapsed if its lease expired, and has an unknown outcome', () => {
    const error = failure('no_answer');
    const { moved, signal, now } = verdictOn(first('verify-otp'), { type: 'failed', error, lapsed: true });
    expect([signal, now]).toEqual(['outcome_lost', after(0)]);
    expect(moved.events[0]!.data).toMatchObject({ class: 'no_answer', lapsed: true, durationMs: null });
    expect(moved.events[1]).toMatchObject({
      type: 'outcome_lost',
      data: { bytesSent: true, status: null, detail: "a test's no_answer" },
    });
  });

  it('is shown in the timeline with its duration if this process made the call', () => {
    const end: AttemptEnd = { type: 'failed', error: failure('no_answer'), durationMs: 77 };
    const { moved, now } = verdictOn(first('verify-otp'), end);
    expect(moved.events[0]!.data).toMatchObject({ durationMs: 77 });
    expect(now).toEqual(after(77));
  });
});

describe('every end of an attempt', () => {
  const SECRETS = Object.fromEntries(SEALED.map((field) => [field, Buffer.from(field)]));
  const HOW: AttemptEnd[] = [
    ...(['not_sent', 'throttled', 'unavailable', 'no_answer', 'rejected', 'misconfigured'] as const).map(
      (each) => failed(each),
    ),
    { type: 'integration_missing' },
    { type: 'no_next_attempt' },
  ];
  const ROWS = (Object.keys(ENDS) as StepName[]).flatMap((step) =>
    [first(step, SECRETS), second(step, 'unavailable', SECRETS), second(step, 'no_answer', SECRETS)].flatMap(
      (row) => HOW.map((end) => ({ row, end })),
    ),
  );

  it.each(ROWS)(
    'ends the lease and keeps only needed secrets, for $row.step, attempt $row.attempt, $end.type',
    ({ row, end }) => {
      const verdict = verdictOn(row, end);
      const { patch, events } = verdict.moved;
      expect(patch.leaseUntil).toBeNull();
      expect(patch).toHaveProperty('nextAttemptAt');
      expect(events.length).toBeGreaterThan(0);
      if (patch.state === undefined) return;
      const grantStays = patch.state === 'otp_verified' || patch.state === 'outcome_unknown';
      const to = left(row, verdict);
      for (const field of SEALED) {
        expect(to[field]).toEqual(field === 'sealedGrant' && grantStays ? row.sealedGrant : null);
      }
      expect(patch.step).toBe(patch.state === 'outcome_unknown' ? row.step : null);
    },
  );
});
