import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Queues } from '#libs/jobs';
import { closedPort } from '../../support/ports.js';
import { DONE_STATE, STEPS, StepUnderTest, WAITING_STATE } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';
import { runOut } from '../../support/time-travel.js';
import { momentsOf } from '../../support/moments.js';

jest.setTimeout(240_000);

describe('a retry', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin();
  });
  afterAll(() => story.end());

  const jobOf = (at: StepUnderTest, attempt: number) =>
    story.service.get(Queues).get('steps').getJob(`${at.id}_${at.step}_${attempt}`);

  it.each(STEPS)('of %s gives a waiting caller the success after two answers with 503', async (step) => {
    const at = await StepUnderTest.before(story, step);
    const answer = await at.strike({ status: 503, times: 2 }).submit();
    expect(answer.status).toBe(step === 'init-otp' ? 201 : 200);
    expect(answer.body).toMatchObject({ state: DONE_STATE[step], lastResult: null, unresolved: null });
    expect(await at.attempts()).toEqual(['unavailable', 'unavailable', 'ok']);
    expect(at.journal().map(({ answer: status }) => status)).toEqual([503, 503, 200]);
  });

  it.each(STEPS)('of %s is a job: its data is only an id, and its result is the outcome', async (step) => {
    const at = await StepUnderTest.before(story, step);
    await at.strike({ status: 503, times: 2 }).submit();
    const [first] = await at.eventsOf('attempt_started').then((events) => events.slice(-3));
    const number = first!.data['attempt'] as number;
    const [none, second, third] = await Promise.all([0, 1, 2].map((more) => jobOf(at, number + more)));
    // The service makes the first attempt without a job.
    expect(none).toBeUndefined();
    for (const job of [second!, third!]) {
      expect(job.name).toBe(step);
      expect(job.data).toEqual({ onboardingId: at.id });
    }
    await finished(second!.id!, third!.id!);
    expect((await jobOf(at, number + 1))!.returnvalue).toMatchObject({
      outcome: 'retry_scheduled',
      attempt: number + 1,
    });
    expect((await jobOf(at, number + 2))!.returnvalue).toEqual({
      outcome: DONE_STATE[step],
      attempt: number + 2,
    });
  });

  it.each(STEPS)('of %s is made even if the caller does not wait', async (step) => {
    const at = await StepUnderTest.before(story, step);
    const answer = await at.strike({ status: 503, times: 2 }).submit({ headers: { prefer: 'wait=0' } });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/v1/onboardings/${at.id}`);
    expect(answer.body).toMatchObject({ state: WAITING_STATE[step], nextAction: { type: 'wait' } });
    await at.until(DONE_STATE[step]);
    expect(at.calls).toBe(3);
  });

  it('fails its job with a reason if the step fails for good', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    await at.strike({ status: 500, times: 0 }).submit();
    await finished(`${at.id}_verify-otp_4`);
    const job = (await jobOf(at, 4))!;
    expect(await job.isFailed()).toBe(true);
    expect(job.failedReason).toMatch(/^outcome_unknown: /);
    expect(job.attemptsMade).toBe(1);
  });

  it('that waits permits only cancel, and the onboarding shows the time of the next try', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    at.strike({ status: 429, retryAfterS: 60 });
    const waiting = await at.submit({ headers: { prefer: 'respond-async' } });
    expect(waiting.status).toBe(202);
    const waited = await at.until((each) => each.lastResult?.code === 'upstream_unavailable');
    expect(Date.parse(momentsOf(waited).until!)).toBeGreaterThan(Date.now() + 50_000);
    for (const refused of [await story.verify(at.id, '123456'), await story.resend(at.id)]) {
      expect(refused).toMatchObject({
        status: 409,
        body: { code: 'step_in_progress', nextAction: { type: 'wait' } },
      });
    }
    expect((await story.cancel(at.id)).body.state).toBe('cancelled');
  });

  /** A job's result is written a moment after the onboarding's row. */
  async function finished(...ids: string[]): Promise<void> {
    const steps = story.service.get(Queues).get('steps');
    for (const id of ids) {
      for (let state = ''; state !== 'completed' && state !== 'failed';) state = await steps.getJobState(id);
    }
  }
});

describe('Retry-After', () => {
  let story: Story;
  let upstream: Server | undefined;
  beforeAll(async () => {
    story = await Story.begin();
  });
  afterEach(() => void upstream?.closeAllConnections());
  afterAll(async () => {
    upstream?.close();
    await story.end();
  });

  it.each([429, 503])(
    'in seconds delays the retry; an answer with status %i uses up neither a send nor a try',
    async (status) => {
      const send = await StepUnderTest.before(story, 'init-otp');
      const sent = await send.strike({ status, retryAfterS: 1 }).submit();
      expect(sent.body).toMatchObject({ state: 'otp_sent', otp: { sends: 1, attemptsLeft: 3 } });
      expect(await pauses(send)).toEqual([expect.any(Number)]);
      expect((await pauses(send))[0]).toBeGreaterThanOrEqual(1_000);
      expect(await budget(story, send)).toEqual({ sends: 1, wrong: 0 });

      const { id, subject } = send;
      story.sandbox.control.addFault({
        route: 'otp-auth',
        match: { userId: subject.userId },
        status,
        retryAfterS: 0,
      });
      const wrong = await story.verify(id, story.wrongCode(subject));
      expect(wrong).toMatchObject({ status: 422, body: { code: 'otp_invalid', attemptsLeft: 2 } });
      expect(await budget(story, send)).toEqual({ sends: 1, wrong: 1 });
    },
  );

  it('as a date also delays the retry', async () => {
    // An HTTP date has whole seconds, so the wait may be up to one second shorter.
    const inTwoSeconds = () => new Date(Date.now() + 2_000).toUTCString();
    upstream = createServer((_, response) =>
      response.writeHead(429, { 'retry-after': inTwoSeconds() }).end(),
    );
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const busy = await story.startService({ INTEGRATION_BYZANTINE_BASE_URL: url });

    const at = await StepUnderTest.before(story, 'init-otp');
    expect((await at.submit({ at: busy.url })).body).toMatchObject({ state: 'otp_sent', otp: { sends: 1 } });
    // Without the date, the retry would come after 100 ms.
    expect((await pauses(at))[0]).toBeGreaterThanOrEqual(500);
  });

  it('beyond the code’s life ends the step immediately, and the answer names the next action', async () => {
    const { url } = await story.startService({ OTP_LIFE_MS: '20000' });
    const { id, subject } = await startedAt(url);
    story.sandbox.control.addFault({
      route: 'otp-auth',
      match: { userId: subject.userId },
      status: 429,
      retryAfterS: 30,
    });
    const answer = await story.verify(id, story.code(subject));
    expect(answer).toMatchObject({
      status: 410,
      body: { code: 'otp_expired', nextAction: { type: 'resend_otp' } },
    });
    expect(story.calls(subject, 'otp-auth')).toBe(1);
  });

  it('may be missing: after such a 5xx with no time left for a retry, the outcome is unknown', async () => {
    const { id, subject } = await story.sent();
    const [spareMs, delayMs] = [2_400, 2_500];
    story.sandbox.control.addFault({
      route: 'otp-auth',
      match: { userId: subject.userId },
      delayMs,
      status: 500,
    });
    // Before the code expires, there is time for only one slow call.
    await runOut(story, id, 'code', Number(story.env['CALL_TIMEOUT_MS']) + spareMs);
    const answer = await story.verify(id, story.code(subject));
    expect(answer).toMatchObject({ status: 409, body: { code: 'outcome_unknown' } });
    expect(story.calls(subject, 'otp-auth')).toBe(1);
  });

  async function startedAt(url: string) {
    const subject = story.newSubject();
    const { accountId, userId } = subject;
    const { body } = await story.call('POST', '/v1/onboardings', { subject: { accountId, userId } }, {}, url);
    return { id: body.id, subject };
  }
});

describe('an unreachable provider', () => {
  let story: Story;
  let unreachable: Record<string, string>;
  beforeAll(async () => {
    // The service retries init-otp until the onboarding expires, verify-otp until the code expires, and
    // create-authenticators until SESSION_MARGIN_MS before the session ends.
    story = await Story.begin({
      worker: false,
      sandbox: { sessionLifeMs: 15_000 },
      env: { ONBOARDING_IDLE_MS: '15000', OTP_LIFE_MS: '12000', SESSION_MARGIN_MS: '1000' },
    });
    unreachable = {
      CONNECT_TIMEOUT_MS: '400',
      CALL_TIMEOUT_MS: '2000',
      CLAIM_MAX_AGE_MS: '1990',
      INTEGRATION_BYZANTINE_BASE_URL: `http://127.0.0.1:${await closedPort()}`,
    };
  });
  afterAll(() => story.end());

  it('is called until too little time is left, and the calls use up no tries and no sends', async () => {
    const { url: refusing } = await story.startService(unreachable);
    const all = await Promise.all(STEPS.map((step) => StepUnderTest.before(story, step)));
    // The worker must make no retries while the test prepares the steps.
    await story.startWorker(unreachable);
    const lastCalls = await Promise.all(
      all.map(async ({ id }) => {
        if (!id) return null;
        const { body } = await story.call('GET', `/v1/onboardings/${id}`, undefined, {}, refusing);
        return momentsOf(body).before ?? null;
      }),
    );
    const ends = await Promise.all(
      all.map(async (at) => {
        const answer = await at.submit({ at: refusing, headers: { prefer: 'wait=30' } });
        // A read after the 202 could show an expired onboarding.
        const body = answer.status === 202 ? answer.body : (await story.get(at.id)).body;
        return { answer, body, endedAt: Date.parse((await at.events()).at(-1)!.at) };
      }),
    );
    expect(ends.map(({ answer }) => answer.status)).toEqual([202, 410, 410]);
    for (const [index, at] of all.entries()) {
      const attempts = await at.attempts();
      expect(new Set(attempts)).toEqual(new Set(['not_sent']));
      expect(attempts.length).toBeGreaterThan(5);
      expect(at.calls).toBe(0);
      // No further call fits into the time left.
      const lastCall = lastCalls[index];
      if (lastCall) expect(ends[index]!.endedAt).toBeLessThan(Date.parse(lastCall) + 2_000);
    }
    const [send, verify, create] = ends.map(({ body }) => body);
    expect(send).toMatchObject({
      state: 'otp_needed',
      reason: 'send_failed',
      otp: { sends: 0 },
      lastResult: { code: 'upstream_unavailable' },
    });
    expect(verify).toMatchObject({
      state: 'otp_needed',
      reason: 'otp_expired',
      otp: { sends: 1, attemptsLeft: 3 },
      unresolved: null,
    });
    expect(create).toMatchObject({
      state: 'otp_needed',
      reason: 'session_expired',
      authenticators: [],
      unresolved: null,
    });
    expect(await budget(story, all[0]!)).toEqual({ sends: 0, wrong: 0 });
    // The code expired during the step, so the daily count contains this try
    // (docs/decisions/0010-counting-tries.md).
    expect(await budget(story, all[1]!)).toEqual({ sends: 1, wrong: 1 });
  });
});

describe('an upstream that fails for a long time', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ env: { OTP_SENDS_PER_WINDOW: '3' } });
  });
  afterAll(() => story.end());

  it('gets no more requests to send mails than the user’s limit allows', async () => {
    const at = await StepUnderTest.before(story, 'init-otp');
    const answer = await at.strike({ status: 500, times: 0, afterEffect: true }).submit();
    expect(answer).toMatchObject({
      status: 202,
      body: { state: 'otp_needed', reason: 'send_failed', otp: { sends: 3 } },
    });
    expect(answer.body.lastResult).toMatchObject({ step: 'init-otp', code: 'upstream_unavailable' });
    expect(await at.attempts()).toEqual(['unavailable', 'unavailable', 'unavailable']);
    expect(story.sandbox.control.mails({ email: at.subject.email })).toHaveLength(3);
    const resent = await story.resend(at.id);
    expect(resent).toMatchObject({ status: 429, body: { code: 'otp_send_limit' } });
    // `notBefore` is when the send limit permits another code.
    const { otp, createdAt } = answer.body;
    expect(resent.body.nextAction).toEqual({ type: 'resend_otp', notBefore: otp.resendAvailableAt });
    const windowMs = Date.parse(otp.resendAvailableAt!) - Date.parse(createdAt);
    expect(Math.abs(windowMs - 600_000)).toBeLessThan(1_000);
    expect(at.calls).toBe(3);
  });
});

/** @returns the milliseconds between an attempt's end and the next one's start. */
async function pauses(at: StepUnderTest): Promise<number[]> {
  const ends = await at.eventsOf('attempt_ended');
  const starts = await at.eventsOf('attempt_started');
  return starts.slice(1).map(({ at: start }, index) => Date.parse(start) - Date.parse(ends[index]!.at));
}

async function budget(story: Story, { subject }: StepUnderTest): Promise<{ sends: number; wrong: number }> {
  const [row] = await story.sql<{ sends: number; wrong: number }>(
    `SELECT cardinality(sends) AS sends, cardinality(wrong_codes) AS wrong
     FROM otp_budgets WHERE subject_key = $1`,
    [`${subject.accountId}/${subject.userId}`],
  );
  return row!;
}
