import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { closedPort } from '../../support/ports.js';
import { StepUnderTest, WAITING_STATE, type Fault, type StepName } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

/**
 * A case of the retry law (docs/explanation/retry-law.md). The expected results are written by hand, so that
 * a test fails if the law changes.
 */
interface Cell {
  step: StepName;
  meets: string;
  faults: Fault[];
  /** How each attempt ends: a failure class or `ok`. */
  attempts: string[];
  status: number;
  state: string;
  code?: string;
  resend?: true;
  refusing?: true;
}

const always = { times: 0 };
const said = (text: string, status = 400): Fault => ({ status, body: { error: text, status } });
const serverError: Fault = { status: 500 };
const tooMany: Fault = { status: 429 };
const comeBack: Fault = { status: 503, retryAfterS: 0 };
const cut: Fault = { cut: 'before' };
const unclear = said('computer says no');
const times = (count: number, each: string) => Array.from({ length: count }, () => each);

const INIT = { step: 'init-otp' } as const;
const VERIFY = { step: 'verify-otp' } as const;
const CREATE = { step: 'create-authenticators' } as const;

const sent = { status: 201, state: 'otp_sent' };
const verified = { status: 200, state: 'otp_verified' };
const completed = { status: 200, state: 'completed' };
const unknown = { status: 409, state: 'outcome_unknown', code: 'outcome_unknown' };
const parked = (step: StepName) => ({
  status: 202,
  state: WAITING_STATE[step],
  code: 'upstream_misconfigured',
});

const CELLS: Cell[] = [
  { ...INIT, meets: 'not_sent', faults: [], refusing: true, attempts: ['not_sent', 'ok'], ...sent },
  {
    ...INIT,
    meets: 'throttled',
    faults: [tooMany, comeBack],
    attempts: ['throttled', 'throttled', 'ok'],
    ...sent,
  },
  {
    ...INIT,
    meets: 'unavailable',
    faults: [{ ...serverError, times: 6 }],
    attempts: [...times(6, 'unavailable'), 'ok'],
    ...sent,
  },
  { ...INIT, meets: 'no_answer once', faults: [cut], attempts: ['no_answer', 'ok'], ...sent },
  {
    ...INIT,
    meets: 'no_answer',
    faults: [{ ...cut, ...always }],
    attempts: ['no_answer', 'no_answer'],
    status: 202,
    state: 'otp_needed',
    code: 'upstream_unavailable',
  },
  {
    ...INIT,
    meets: 'no_answer, then a 5xx',
    faults: [cut, { ...serverError, ...always }],
    attempts: ['no_answer', 'unavailable'],
    status: 202,
    state: 'otp_needed',
    code: 'upstream_unavailable',
  },
  {
    ...INIT,
    meets: 'rejected (404)',
    faults: [said('user not found', 404)],
    attempts: ['rejected'],
    status: 422,
    state: 'failed',
    code: 'subject_not_found',
  },
  {
    ...INIT,
    meets: 'rejected (409)',
    faults: [said('computer says no', 409)],
    attempts: ['rejected'],
    status: 422,
    state: 'failed',
    code: 'upstream_rejected',
  },
  {
    ...INIT,
    meets: 'rejected (422)',
    faults: [said('computer says no', 422)],
    attempts: ['rejected'],
    status: 422,
    state: 'failed',
    code: 'upstream_rejected',
  },
  {
    ...INIT,
    meets: 'rejected_unclear',
    faults: [unclear],
    attempts: ['rejected_unclear'],
    status: 422,
    state: 'failed',
    code: 'upstream_rejected',
  },
  {
    ...INIT,
    meets: 'rejected after a 5xx',
    faults: [serverError, unclear],
    attempts: ['unavailable', 'rejected_unclear'],
    status: 422,
    state: 'failed',
    code: 'upstream_rejected',
  },
  {
    ...INIT,
    resend: true,
    meets: 'rejected (404), while a code is valid',
    faults: [said('user not found', 404)],
    attempts: ['rejected'],
    status: 422,
    state: 'otp_sent',
    code: 'subject_not_found',
  },
  {
    ...INIT,
    resend: true,
    meets: 'rejected_unclear, while a code is valid',
    faults: [unclear],
    attempts: ['rejected_unclear'],
    status: 422,
    state: 'otp_sent',
    code: 'upstream_rejected',
  },
  {
    ...INIT,
    resend: true,
    meets: 'rejected after a 5xx, while a code was valid',
    faults: [serverError, unclear],
    attempts: ['unavailable', 'rejected_unclear'],
    status: 422,
    state: 'otp_needed',
    code: 'upstream_rejected',
  },
  {
    ...INIT,
    resend: true,
    meets: 'no_answer, while a code was valid',
    faults: [{ ...cut, ...always }],
    attempts: ['no_answer', 'no_answer'],
    status: 202,
    state: 'otp_needed',
    code: 'upstream_unavailable',
  },
  {
    ...INIT,
    resend: true,
    meets: 'misconfigured, while a code is valid',
    faults: [{ status: 401, ...always }],
    attempts: ['misconfigured'],
    status: 202,
    state: 'otp_sent',
    code: 'upstream_misconfigured',
  },
  {
    ...INIT,
    meets: 'rejected (401 of the account)',
    faults: [said('Account does not belong to integrator', 401)],
    attempts: ['rejected'],
    status: 422,
    state: 'failed',
    code: 'subject_not_found',
  },
  {
    ...INIT,
    meets: 'misconfigured',
    faults: [{ status: 401, ...always }],
    attempts: ['misconfigured'],
    ...parked('init-otp'),
  },

  { ...VERIFY, meets: 'not_sent', faults: [], refusing: true, attempts: ['not_sent', 'ok'], ...verified },
  {
    ...VERIFY,
    meets: 'throttled',
    faults: [tooMany, comeBack],
    attempts: ['throttled', 'throttled', 'ok'],
    ...verified,
  },
  {
    ...VERIFY,
    meets: 'unavailable twice',
    faults: [{ ...serverError, times: 2 }],
    attempts: ['unavailable', 'unavailable', 'ok'],
    ...verified,
  },
  {
    ...VERIFY,
    meets: 'unavailable',
    faults: [{ ...serverError, ...always }],
    attempts: times(3, 'unavailable'),
    ...unknown,
  },
  { ...VERIFY, meets: 'no_answer', faults: [{ ...cut, ...always }], attempts: ['no_answer'], ...unknown },
  {
    ...VERIFY,
    meets: 'rejected: wrong',
    faults: [said('invalid OTP code')],
    attempts: ['rejected'],
    status: 422,
    state: 'otp_sent',
    code: 'otp_invalid',
  },
  {
    ...VERIFY,
    meets: 'rejected: expired',
    faults: [said('OTP code expired')],
    attempts: ['rejected'],
    status: 410,
    state: 'otp_needed',
    code: 'otp_expired',
  },
  {
    ...VERIFY,
    meets: 'rejected: locked',
    faults: [said('OTP code is locked: too many attempts')],
    attempts: ['rejected'],
    status: 409,
    state: 'otp_sent',
    code: 'otp_locked',
  },
  {
    ...VERIFY,
    meets: 'rejected (404)',
    faults: [said('gone', 404)],
    attempts: ['rejected'],
    status: 422,
    state: 'failed',
    code: 'subject_not_found',
  },
  {
    ...VERIFY,
    meets: 'rejected (409)',
    faults: [said('computer says no', 409)],
    attempts: ['rejected'],
    status: 422,
    state: 'otp_sent',
    code: 'upstream_rejected',
  },
  {
    ...VERIFY,
    meets: 'rejected_unclear',
    faults: [unclear],
    attempts: ['rejected_unclear'],
    status: 422,
    state: 'otp_sent',
    code: 'upstream_rejected',
  },
  {
    ...VERIFY,
    meets: 'misconfigured',
    faults: [{ status: 401, ...always }],
    attempts: ['misconfigured'],
    ...parked('verify-otp'),
  },

  { ...CREATE, meets: 'not_sent', faults: [], refusing: true, attempts: ['not_sent', 'ok'], ...completed },
  {
    ...CREATE,
    meets: 'throttled',
    faults: [tooMany, comeBack],
    attempts: ['throttled', 'throttled', 'ok'],
    ...completed,
  },
  {
    ...CREATE,
    meets: 'unavailable four times',
    faults: [{ ...serverError, times: 4 }],
    attempts: [...times(4, 'unavailable'), 'ok'],
    ...completed,
  },
  {
    ...CREATE,
    meets: 'unavailable',
    faults: [{ ...serverError, ...always }],
    attempts: times(5, 'unavailable'),
    ...unknown,
  },
  { ...CREATE, meets: 'no_answer once', faults: [cut], attempts: ['no_answer', 'ok'], ...completed },
  {
    ...CREATE,
    meets: 'no_answer',
    faults: [{ ...cut, ...always }],
    attempts: ['no_answer', 'no_answer'],
    ...unknown,
  },
  {
    ...CREATE,
    meets: 'no_answer, then a 5xx',
    faults: [cut, { ...serverError, ...always }],
    attempts: ['no_answer', 'unavailable'],
    ...unknown,
  },
  {
    ...CREATE,
    meets: 'a 5xx, then no_answer',
    faults: [serverError, { ...cut, ...always }],
    attempts: ['unavailable', 'no_answer', 'no_answer'],
    ...unknown,
  },
  {
    ...CREATE,
    meets: 'rejected: bad passkey',
    faults: [said('invalid authenticator attestation: x')],
    attempts: ['rejected'],
    status: 422,
    state: 'otp_verified',
    code: 'attestation_invalid',
  },
  {
    ...CREATE,
    meets: 'rejected: duplicate',
    faults: [said('credential already registered')],
    attempts: ['rejected'],
    status: 422,
    state: 'otp_verified',
    code: 'attestation_invalid',
  },
  {
    ...CREATE,
    meets: 'rejected: session gone',
    faults: [said('session expired')],
    attempts: ['rejected'],
    status: 410,
    state: 'otp_needed',
    code: 'session_expired',
  },
  {
    ...CREATE,
    meets: 'rejected (404)',
    faults: [said('gone', 404)],
    attempts: ['rejected'],
    status: 410,
    state: 'otp_needed',
    code: 'session_expired',
  },
  {
    ...CREATE,
    meets: 'rejected (409)',
    faults: [said('computer says no', 409)],
    attempts: ['rejected'],
    status: 422,
    state: 'otp_verified',
    code: 'upstream_rejected',
  },
  {
    ...CREATE,
    meets: 'rejected_unclear',
    faults: [unclear],
    attempts: ['rejected_unclear'],
    status: 422,
    state: 'otp_verified',
    code: 'upstream_rejected',
  },
  {
    ...CREATE,
    meets: 'misconfigured',
    faults: [{ status: 401, ...always }],
    attempts: ['misconfigured'],
    ...parked('create-authenticators'),
  },
];

/** After a call that may have taken effect, these refusals leave the outcome unknown. */
const REFUSALS = [
  { meets: 'a known 400', fault: said('invalid OTP code'), failure: 'rejected' },
  { meets: 'an unknown 400', fault: unclear, failure: 'rejected_unclear' },
  { meets: '404', fault: said('user not found', 404), failure: 'rejected' },
  { meets: '409', fault: said('computer says no', 409), failure: 'rejected' },
  { meets: '422', fault: said('computer says no', 422), failure: 'rejected' },
  { meets: '401', fault: { status: 401 }, failure: 'misconfigured' },
] satisfies { meets: string; fault: Fault; failure: string }[];

for (const step of ['verify-otp', 'create-authenticators'] as const) {
  for (const { meets, fault, failure } of REFUSALS) {
    CELLS.push({
      step,
      meets: `a 5xx, then ${meets}`,
      faults: [serverError, fault],
      attempts: ['unavailable', failure],
      ...unknown,
    });
  }
}

let story: Story;
let refusing: string;
beforeAll(async () => {
  story = await Story.begin();
  // The probe fails, so that parked onboardings stay parked.
  story.sandbox.control.addFault({ route: 'whoami', status: 401, times: 0 });
  const closed = `http://127.0.0.1:${await closedPort()}`;
  refusing = (await story.startService({ INTEGRATION_BYZANTINE_BASE_URL: closed })).url;
});
afterAll(() => story.end());

describe('each case of docs/explanation/retry-law.md', () => {
  it.each(CELLS)('$step ends in the state $state after $meets', async (cell) => {
    const at = cell.resend
      ? await StepUnderTest.beforeResend(story)
      : await StepUnderTest.before(story, cell.step);
    at.strike(...cell.faults);
    const answer = await at.submit(cell.refusing ? { at: refusing } : {});
    const { body: onboarding } = await story.get(at.id);

    expect({ state: onboarding.state, attempts: await at.attempts() }).toEqual({
      state: cell.state,
      attempts: cell.attempts,
    });
    expect(answer.status).toBe(cell.status);
    expect(answer.status >= 400 ? answer.body.code : onboarding.lastResult?.code).toBe(cell.code);
    expect((onboarding.failure ?? onboarding.lastResult)?.code).toBe(cell.code);
    expect(at.calls).toBe(cell.attempts.filter((each) => each !== 'not_sent').length);
    expect(await at.eventsOf('retry_scheduled')).toHaveLength(cell.attempts.length - 1);

    const doubt = cell.state === 'outcome_unknown' ? expect.objectContaining({ step: cell.step }) : null;
    expect(onboarding.unresolved).toEqual(doubt);
    const isParked = cell.code === 'upstream_misconfigured' && cell.state === WAITING_STATE[cell.step];
    expect(onboarding.parked !== null).toBe(isParked);
  });
});
