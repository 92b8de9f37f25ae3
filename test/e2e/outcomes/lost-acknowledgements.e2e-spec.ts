import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { StepUnderTest, type Fault } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';

/** PostgreSQL's word that the transaction is over: `ReadyForQuery`, idle. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

let database: TcpProxy;
let story: Story;
beforeAll(async () => {
  story = await Story.begin({ worker: false, proxied: ['DATABASE_URL'] });
  database = await story.proxyTo('DATABASE_URL');
});
afterAll(() => story.end());

/** Time enough to ask for the loss while the call is in flight. */
const delayMs = 1_500;
const UNKNOWN_KEY = { status: 401, body: { error: 'unknown public key', status: 401 }, times: 2 };

interface Case {
  what: string;
  fault: Fault;
  status: number;
  state: string;
  event: string;
}

describe('the end of an attempt that was written, and whose acknowledgement was lost', () => {
  it.each<Case>([
    {
      what: 'moved the row on',
      fault: { afterEffect: true },
      status: 200,
      state: 'otp_verified',
      event: 'otp_verified',
    },
    {
      what: 'refused the code',
      fault: { status: 422 },
      status: 422,
      state: 'otp_sent',
      event: 'otp_rejected',
    },
    {
      what: 'scheduled a retry',
      fault: { status: 503, retryAfterS: 60 },
      status: 202,
      state: 'otp_submitted',
      event: 'retry_scheduled',
    },
    { what: 'parked the row', fault: UNKNOWN_KEY, status: 202, state: 'otp_submitted', event: 'parked' },
    {
      what: 'left a doubt',
      fault: { cut: 'after' },
      status: 409,
      state: 'outcome_unknown',
      event: 'outcome_lost',
    },
  ])('is written once, and its caller is answered: it $what', async ({ fault, status, state, event }) => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const submitted = at.strike({ ...fault, delayMs }).submit({ headers: { prefer: 'wait=5' } });
    await at.until('otp_submitted');
    let lost = 0;
    database.intercept(new RegExp(at.id), ({ loseAnswer }) => loseAnswer(READY, () => (lost += 1)));
    const answer = await submitted;
    expect([answer.status, lost]).toEqual([status, 1]);
    expect((await story.get(at.id)).body.state).toBe(state);
    const types = (await at.events()).map(({ type }) => type);
    expect(types.slice(types.indexOf('attempt_ended', types.indexOf('otp_submitted')))).toEqual([
      'attempt_ended',
      event,
    ]);
    expect(types).not.toContain('late_answer_kept');
  });
});

describe('the claim of an attempt that was written, and whose acknowledgement was lost', () => {
  it('is settled as not sent: no try, no budget and no code is lost, and the step goes on', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const before = (await story.get(at.id)).body;
    let lost = 0;
    database.intercept(/gw_claim_verify/, ({ loseAnswer }) => loseAnswer(READY, () => (lost += 1)));
    const answer = await at.submit();
    expect([answer.status, lost]).toEqual([503, 1]);
    await until('it is settled', async () => (await at.eventsOf('retry_scheduled')).length > 0);
    const { body } = await story.get(at.id);
    expect(body).toMatchObject({ state: 'otp_submitted', unresolved: null });
    expect(body.otp.attemptsLeft).toBe(before.otp.attemptsLeft);
    expect((await at.events()).findLast(({ type }) => type === 'attempt_ended')?.data).toMatchObject({
      class: 'not_sent',
      upstreamStatus: null,
    });
    await story.startWorker();
    await story.until(at.id, 'otp_verified');
  });

  it('of a start leaves an onboarding whose code is still sent, and its caller finds it', async () => {
    const subject = story.newSubject();
    let lost = 0;
    database.intercept(/gw_start/, ({ loseAnswer }) => loseAnswer(READY, () => (lost += 1)));
    expect([(await story.start(subject)).status, lost]).toEqual([503, 1]);
    const again = await story.start(subject);
    expect(again).toMatchObject({ status: 409, body: { code: 'onboarding_live' } });
    const id = (again.body as unknown as { onboardingId: string }).onboardingId;
    await story.until(id, 'otp_sent');
    expect((await story.events(id)).map(({ type }) => type)).not.toContain('second_mail_possible');
  });
});
