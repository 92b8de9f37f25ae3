import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { until } from '#libs/testing';
import { DONE_STATE, StepUnderTest, type Fault } from '../../support/step-under-test.js';
import { Story, type Answer } from '../../support/story.js';
import { POSTGRES_READY as READY, type TcpProxy } from '../../support/tcp-proxy.js';

let database: TcpProxy;
let story: Story;
beforeAll(async () => {
  story = await Story.begin({ worker: false, proxied: ['DATABASE_URL'] });
  database = await story.proxyTo('DATABASE_URL');
});
afterAll(() => story.end());

/** The provider delays its answer for this time, in which the test prepares the lost acknowledgement. */
const delayMs = 1_500;
const UNKNOWN_KEY = { status: 401, body: { error: 'unknown public key', status: 401 }, times: 2 };

interface Case {
  what: string;
  fault: Fault;
  status: number;
  state: string;
  event: string;
}

describe('the statement that ends an attempt, if PostgreSQL’s acknowledgement is lost', () => {
  it.each<Case>([
    {
      what: 'succeeded',
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
      what: 'left an unknown outcome',
      fault: { cut: 'after' },
      status: 409,
      state: 'outcome_unknown',
      event: 'outcome_lost',
    },
  ])(
    'takes effect once, and the caller gets an answer: the attempt $what',
    async ({ fault, status, state, event }) => {
      const at = await StepUnderTest.before(story, 'verify-otp');
      const headers = { prefer: 'wait=5', 'idempotency-key': randomUUID() };
      const submitted = at.strike({ ...fault, delayMs }).submit({ headers });
      await at.until('otp_submitted');
      let lost = 0;
      database.intercept(new RegExp(at.id), ({ loseAnswer }) => loseAnswer(READY, () => (lost += 1)));
      const answer = await submitted;
      expect([answer.status, lost]).toEqual([status, 1]);
      const { status: sameStatus, body: sameBody } = await at.submit({ headers });
      expect({ sameStatus, sameBody }).toEqual({ sameStatus: status, sameBody: answer.body });
      expect((await story.get(at.id)).body.state).toBe(state);
      const types = (await at.events()).map(({ type }) => type);
      expect(types.slice(types.indexOf('attempt_ended', types.indexOf('otp_submitted')))).toEqual([
        'attempt_ended',
        event,
      ]);
      expect(types).not.toContain('late_answer_kept');
    },
  );
});

/** Expects that the attempt without a call used up no try and no send. */
async function expectOneCall(at: StepUnderTest, before: Answer['body']): Promise<void> {
  expect(await at.attempts()).toEqual(['not_sent', 'ok']);
  expect(at.calls).toBe(1);
  const lapsed = (await at.eventsOf('attempt_ended')).filter(({ data }) => 'lapsed' in data);
  expect(lapsed).toEqual([]);
  const { body } = await story.get(at.id);
  expect(body.unresolved).toBeNull();
  expect(body.otp.attemptsLeft).toBe(before.otp.attemptsLeft - (at.step === 'verify-otp' ? 1 : 0));
  expect(body.otp.sends).toBe(before.otp.sends + (at.step === 'init-otp' ? 1 : 0));
  const [budget] = await story.sql(
    `SELECT cardinality(sends) AS sends, cardinality(wrong_codes) AS tries
     FROM otp_budgets WHERE subject_key LIKE $1`,
    [`%${at.subject.userId}`],
  );
  expect(budget).toEqual({ sends: body.otp.sends, tries: 0 });
}

describe('the statement that begins an attempt, if PostgreSQL’s acknowledgement is lost', () => {
  beforeAll(() => story.startWorker());

  it.each([
    ['resend', /gw_claim_send/, () => StepUnderTest.beforeResend(story)],
    ['verification', /gw_claim_verify/, () => StepUnderTest.before(story, 'verify-otp')],
    ['creation of passkeys', /gw_claim_auth/, () => StepUnderTest.before(story, 'create-authenticators')],
  ])('uses up no try and no send, and the step continues: %s', async (_, claim, begin) => {
    const at = await begin();
    const before = (await story.get(at.id)).body;
    let lost = 0;
    database.intercept(claim, ({ loseAnswer }) => loseAnswer(READY, () => (lost += 1)));
    expect([(await at.submit()).status, lost]).toEqual([503, 1]);
    await until('the step has ended', async () => (await at.attempts()).length === 2);
    expect((await story.get(at.id)).body.state).toBe(DONE_STATE[at.step]);
    await expectOneCall(at, before);
  });

  it('still starts an onboarding: its code is sent once, and the caller learns the id', async () => {
    const subject = story.newSubject();
    let lost = 0;
    database.intercept(/gw_start/, ({ loseAnswer }) => loseAnswer(READY, () => (lost += 1)));
    expect([(await story.start(subject)).status, lost]).toEqual([503, 1]);
    const again = await story.start(subject);
    expect(again).toMatchObject({ status: 409, body: { code: 'onboarding_live' } });
    const id = again.body.onboardingId;
    await story.until(id, 'otp_sent');
    const types = await story.eventTypes(id);
    expect(types.filter((type) => type === 'attempt_started')).toHaveLength(2);
    expect(types).not.toContain('second_mail_possible');
    expect(story.calls(subject, 'init-otp')).toBe(1);
  });

  it('uses up no try, even if PostgreSQL executes it only after the caller got a 503', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const before = (await story.get(at.id)).body;
    const other = new Client({ connectionString: story.databaseUrl });
    await other.connect();
    try {
      const [own] = (await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
      await other.query('BEGIN');
      await other.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [at.id]);
      const submitted = at.submit();
      // Outside the transaction, because a transaction sees only its first version of pg_stat_activity.
      const waiting = 'SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))';
      const isWaiting = async () => (await story.sql(waiting, [own!.pid])).length === 1;
      await until('the claim waits for the row', isWaiting);
      database.cut();
      expect((await submitted).status).toBe(503);
    } finally {
      await other.end();
    }
    await story.until(at.id, 'otp_verified');
    await expectOneCall(at, before);
  });
});
