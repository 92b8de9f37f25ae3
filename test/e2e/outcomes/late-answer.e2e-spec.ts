import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { until } from '#libs/testing';
import { StepUnderTest, type Fault, type StepName } from '../../support/step-under-test.js';
import { Story, type Answer } from '../../support/story.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import { lapseLeases } from '../../support/time-travel.js';

jest.setTimeout(240_000);

const ENV = { SWEEP_EVERY_MS: '100' };

/** The provider delays its answer for this time, in which the test cuts the replica off from the database. */
const delayMs = 1_500;
const held: Fault = { delayMs, afterEffect: true };

/**
 * A replica loses its connection to the database during its call, and can write the answer only after its
 * lease has lapsed.
 */
describe('a late answer, written after the worker has made another attempt', () => {
  let story: Story;
  let database: TcpProxy;
  let cutOff: string;
  beforeAll(async () => {
    story = await Story.begin({ env: ENV });
    database = await story.proxyTo('DATABASE_URL');
    cutOff = (await story.startService({ DATABASE_URL: database.url })).url;
  });
  beforeEach(() => database.open());
  afterAll(() => story.end());

  /** Cuts the replica off from the database during its call, until `takenOver` has resolved. */
  async function answeredLate(
    at: StepUnderTest,
    fault: Fault,
    takenOver: () => Promise<unknown>,
  ): Promise<Answer> {
    const caller = at.strike(fault).submit({ at: cutOff, headers: { prefer: 'wait=30' } });
    await until('the call is under way', () => at.calls === 1);
    await database.close();
    await until('upstream has answered', () => at.journal()[0]!.answer !== null);
    await at.findId();
    await lapseLeases(story);
    await takenOver();
    await database.open();
    return caller;
  }

  it('that accepts the code opens the session, and the outcome is known again', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const answer = await answeredLate(at, held, () => at.until('outcome_unknown'));
    expect(answer).toMatchObject({
      status: 200,
      body: { state: 'otp_verified', unresolved: null, lastResult: null },
    });
    expect((await at.events()).map(({ type }) => type).slice(4)).toEqual([
      'otp_submitted',
      'attempt_started',
      'attempt_ended',
      'outcome_lost',
      'attempt_ended',
      'late_answer',
    ]);
    expect((await story.register(at.id, [await story.passkey(at.id)])).body.state).toBe('completed');
  });

  it('that rejects the code counts once as a wrong code', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const wrong: Fault = { delayMs, status: 400, body: { error: 'invalid OTP code' } };
    const answer = await answeredLate(at, wrong, () => at.until('outcome_unknown'));
    expect(answer).toMatchObject({ status: 422, body: { code: 'otp_invalid', attemptsLeft: 2 } });
    expect((await story.get(at.id)).body).toMatchObject({ state: 'otp_sent', unresolved: null });
    expect(await at.eventsOf('late_answer')).toMatchObject([{ data: { answer: 'otp_rejected' } }]);
  });

  it('is recorded if it reports a failure, and the outcome stays unknown', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    await answeredLate(at, { delayMs, status: 500 }, () => at.until('outcome_unknown'));
    expect((await story.get(at.id)).body).toMatchObject({
      state: 'outcome_unknown',
      unresolved: { step: 'verify-otp' },
    });
    expect(await at.eventsOf('late_answer_kept')).toMatchObject([
      { data: { class: 'unavailable', upstreamStatus: 500 } },
    ]);
  });

  it('about the first of two mails is recorded, and only the newer code works', async () => {
    const at = await StepUnderTest.before(story, 'init-otp');
    await answeredLate(at, held, () => at.until('otp_sent'));
    const [newest] = story.sandbox.control.mails({ email: at.subject.email });
    expect(await at.eventsOf('late_answer_kept')).toMatchObject([
      { data: { step: 'init-otp', attempt: 1, class: 'ok' } },
    ]);
    expect((await story.verify(at.id, newest!.code)).body.state).toBe('otp_verified');
  });

  it('is recorded for the operator, with the ids of the passkeys that the provider registered', async () => {
    const at = await StepUnderTest.before(story, 'create-authenticators');
    await answeredLate(at, held, () => at.until('outcome_unknown'));
    const [stored] = story.sandbox.control.authenticators(at.subject.userId);
    expect((await story.get(at.id)).body).toMatchObject({
      state: 'outcome_unknown',
      unresolved: { attempt: 3 },
    });
    expect(await at.eventsOf('late_answer_kept')).toMatchObject([
      { data: { attempt: 3, class: 'ok', authenticatorIds: [stored!.authenticatorId] } },
    ]);
  });

  it('that comes after a resend is only recorded', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    await answeredLate(at, held, async () => {
      await at.until('outcome_unknown');
      await story.resend(at.id);
    });
    expect((await story.get(at.id)).body).toMatchObject({
      state: 'otp_sent',
      session: null,
      otp: { sends: 2 },
    });
    expect(await at.eventsOf('late_answer_kept')).toMatchObject([{ data: { answer: 'otp_verified' } }]);
    expect(await at.eventsOf('late_answer')).toEqual([]);
  });
});

describe('an answer that comes after its onboarding was cancelled', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ worker: false });
  });
  afterAll(() => story.end());

  it.each([
    { step: 'init-otp', answer: 'otp_sent', unresolved: null },
    { step: 'verify-otp', answer: 'otp_verified', unresolved: { step: 'verify-otp', attempt: 2 } },
    {
      step: 'create-authenticators',
      answer: 'authenticators_created',
      unresolved: { step: 'create-authenticators', attempt: 3 },
    },
  ] satisfies { step: StepName; answer: string; unresolved: object | null }[])(
    '$step: the answer is recorded, and the caller gets 410',
    async ({ step, answer, unresolved }) => {
      const at = await StepUnderTest.before(story, step);
      const caller = at.strike(held).submit();
      await until('the call is under way', () => at.calls === 1);
      const cancelled = await story.cancel(await at.findId());
      expect(cancelled.body).toMatchObject({ state: 'cancelled', session: null });
      expect(await caller).toMatchObject({ status: 410, body: { code: 'onboarding_ended' } });
      const kept = await at.eventsOf('late_answer_kept');
      expect(kept).toMatchObject([{ data: { step, class: 'ok', answer } }]);
      expect((await story.get(at.id)).body).toMatchObject({ state: 'cancelled', unresolved });
    },
  );
});

describe('a process that is paused until its lease has lapsed', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ env: ENV });
  });
  afterAll(() => story.end());

  const first = async (at: StepUnderTest, type: string) => (await at.eventsOf(type))[0];

  it('resumes, reads the late answers, and changes only outcomes that are still unknown', async () => {
    const service = await story.startProcess('onboarding');
    const send = await StepUnderTest.before(story, 'init-otp');
    const verify = await StepUnderTest.before(story, 'verify-otp');
    // The delay keeps both calls in flight at the same time.
    const callers = [send, verify].map((at) =>
      at.strike({ ...held, delayMs: 2_000 }).submit({ at: service.url }),
    );
    await until('both calls are in flight', () => send.calls === 1 && verify.calls === 1);
    service.pause();
    await send.findId();
    const sent = await send.until('otp_sent');
    await verify.until('outcome_unknown');
    service.resume();
    await Promise.all(callers);

    // The caller's answer may come before the late answer is recorded.
    const kept = await until('the late answer is recorded', () => first(send, 'late_answer_kept'));
    expect(kept).toMatchObject({ data: { step: 'init-otp', attempt: 1 } });
    expect((await story.get(send.id)).body).toMatchObject({ state: 'otp_sent', version: sent.version });
    // The paused process already had the provider's answer in its socket.
    const late = await until('the answer ends the doubt', () => first(verify, 'late_answer'));
    expect(late).toMatchObject({ data: { answer: 'otp_verified' } });
    expect((await story.get(verify.id)).body).toMatchObject({ state: 'otp_verified', unresolved: null });
    expect(await service.stop()).toBe(0);
  });
});
