import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Queue, type Job } from 'bullmq';
import { until } from '#libs/testing';
import { SITUATIONS, SITUATION_NAMES, isInDoubt, stateOf, type Brought } from '../../support/situations.js';
import { STEPS, StepUnderTest, type Fault, type StepName } from '../../support/step-under-test.js';
import { Story, type Answer } from '../../support/story.js';
import { mayResend } from '../../support/time-travel.js';

const SEALED = 'num_nonnulls(sealed_otp_code, sealed_grant, sealed_authenticators)';

let story: Story;

async function sealed(id: string): Promise<number> {
  const [row] = await story.sql<{ count: number }>(
    `SELECT ${SEALED} AS count FROM onboardings WHERE id = $1`,
    [id],
  );
  return row!.count;
}

async function lateAnswer(id: string) {
  const kept = await until('late_answer_kept', async () =>
    (await story.events(id)).find(({ type }) => type === 'late_answer_kept'),
  );
  return kept.data;
}

describe('cancelling a waiting onboarding', () => {
  beforeAll(async () => {
    story = await Story.begin({ worker: false });
  });
  afterAll(() => story.end());

  it.each(SITUATION_NAMES)(
    'works immediately and only once, and keeps an unresolved attempt: %s',
    async (situation) => {
      const { id, subject } = await SITUATIONS[situation](story);
      const before = (await story.get(id)).body;
      expect(before.state).toBe(stateOf(situation));
      const secrets = await sealed(id);
      const calls = story.journal(subject).length;

      const cancelled = await story.cancel(id);
      expect(cancelled.status).toBe(200);
      expect(cancelled.headers.get('etag')).toBe(`"${before.version + 1}"`);
      expect(cancelled.body).toMatchObject({
        state: 'cancelled',
        nextAction: { type: 'none' },
        session: null,
        unresolved: before.unresolved,
        parked: null,
      });
      expect(cancelled.body.unresolved !== null).toBe(isInDoubt(situation));
      expect(await sealed(id)).toBe(0);

      const events = await story.events(id);
      const fact = events.findIndex(({ type }) => type === 'cancelled');
      expect(events[fact]).toMatchObject({ actor: 'caller', data: { reason: 'story' } });
      expect(events.slice(fact + 1).map(({ type }) => type)).toEqual(secrets > 0 ? ['secrets_wiped'] : []);

      const again = [
        await story.cancel(id),
        await story.verify(id, '123456'),
        await story.resend(id),
        await story.call('POST', `/v1/onboardings/${id}/authenticators/options`, { userName: 'ana' }),
      ];
      for (const { status, body } of again) {
        expect(status).toBe(410);
        expect(body).toMatchObject({
          code: 'onboarding_ended',
          state: 'cancelled',
          nextAction: { type: 'none' },
        });
      }
      expect((await story.get(id)).body.version).toBe(before.version + 1);
      expect(story.journal(subject)).toHaveLength(calls);
    },
  );

  it('still lets an unresolved attempt be resolved once', async () => {
    const { id } = await SITUATIONS['outcome_unknown, after create-authenticators'](story);
    await story.cancel(id);
    const resolved = await story.resolve(id, 'done');
    expect(resolved.status).toBe(200);
    expect(resolved.body).toMatchObject({ state: 'cancelled', unresolved: null });
    expect((await story.events(id)).at(-1)).toMatchObject({
      type: 'resolved',
      data: { outcome: 'done', step: 'create-authenticators' },
    });
    expect((await story.resolve(id, 'done')).body.code).toBe('onboarding_ended');
  });

  it.each([
    ['contradict each other', ['done', 'not_done', 'done', 'not_done']],
    ['agree', ['done', 'done', 'done', 'done']],
  ] as const)(
    'lets only one of four simultaneous resolve commands succeed, even if they %s',
    async (_, outcomes) => {
      const { id } = await SITUATIONS['outcome_unknown, after create-authenticators'](story);
      await story.cancel(id);
      const replies = await Promise.all(outcomes.map((outcome) => story.resolve(id, outcome)));
      const taken = replies.flatMap(({ status }, n) => (status === 200 ? [outcomes[n]] : []));
      expect(taken).toHaveLength(1);
      for (const { status, body } of replies.filter((reply) => reply.status !== 200)) {
        // 409 if another command resolves the attempt at the same moment, and 410 if it was resolved before.
        expect([
          [409, 'illegal_state'],
          [410, 'onboarding_ended'],
        ]).toContainEqual([status, body.code]);
        expect(body).toMatchObject({ state: 'cancelled', nextAction: { type: 'none' } });
      }
      const resolved = (await story.events(id)).filter(({ type }) => type === 'resolved');
      expect(resolved.map(({ data }) => data['outcome'])).toEqual(taken);
    },
  );

  it('lets the user start another onboarding', async () => {
    const { id, subject } = await story.sent();
    const live = await story.start(subject);
    expect(live.status).toBe(409);
    expect(live.body).toMatchObject({ code: 'onboarding_live', onboardingId: id });
    await story.cancel(id);
    expect((await story.start(subject)).status).toBe(201);
  });
});

/** How long the sandbox delays its answer. A cancel must fit into this time. */
const HELD_MS = 1_200;

const hold = (route: string, userId: string) =>
  story.sandbox.control.addFault({ route, match: { userId }, delayMs: HELD_MS, afterEffect: true });

async function cancelUnder(
  route: string,
  { id, subject }: Brought,
  submit: () => Promise<Answer>,
): Promise<Answer> {
  const before = story.calls(subject, route);
  hold(route, subject.userId);
  const inline = submit();
  await until('the call', () => story.calls(subject, route) > before);
  expect((await story.cancel(id)).body.state).toBe('cancelled');
  return inline;
}

function expectEnded({ status, body }: Answer): void {
  expect(status).toBe(410);
  expect(body).toMatchObject({ code: 'onboarding_ended', state: 'cancelled', nextAction: { type: 'none' } });
}

describe('cancelling with a call in flight', () => {
  beforeAll(async () => {
    story = await Story.begin();
  });
  afterAll(() => story.end());

  it('during a start: the caller of the start gets 410, and the timeline records the mail', async () => {
    const subject = story.newSubject();
    hold('init-otp', subject.userId);
    const inline = story.start(subject);
    const path = `/v1/onboardings?userId=${subject.userId}`;
    const { id } = await until('the call', async () => {
      const { items } = (await story.call<{ items: { id: string }[] }>('GET', path)).body;
      return story.calls(subject, 'init-otp') > 0 ? items[0] : null;
    });
    await story.cancel(id);
    expectEnded(await inline);
    expect(await lateAnswer(id)).toMatchObject({
      step: 'init-otp',
      attempt: 1,
      class: 'ok',
      answer: 'otp_sent',
    });
    expect((await story.get(id)).body).toMatchObject({
      state: 'cancelled',
      unresolved: null,
      lastResult: null,
    });
  });

  it('during a resend: the caller of the resend gets 410, and the timeline records the mail', async () => {
    const { id, subject } = await story.sent();
    await mayResend(story, id);
    expectEnded(await cancelUnder('init-otp', { id, subject }, () => story.resend(id)));
    expect(await lateAnswer(id)).toMatchObject({ step: 'init-otp', answer: 'otp_sent' });
    expect((await story.get(id)).body.state).toBe('cancelled');
  });

  it('during a verify: the opened session is not stored', async () => {
    const { id, subject } = await story.sent();
    const inline = await cancelUnder('otp-auth', { id, subject }, () =>
      story.verify(id, story.code(subject)),
    );
    expectEnded(inline);
    expect(await lateAnswer(id)).toMatchObject({ step: 'verify-otp', answer: 'otp_verified' });
    expect((await story.get(id)).body).toMatchObject({ state: 'cancelled', session: null });
    expect(await sealed(id)).toBe(0);
    expect(story.sandbox.control.requests({ userId: subject.userId }).at(-1)).toMatchObject({
      effect: { type: 'session_opened' },
    });
  });

  it('during a verify: a late refusal of a wrong code changes nothing', async () => {
    const { id, subject } = await story.sent();
    const inline = await cancelUnder('otp-auth', { id, subject }, () =>
      story.verify(id, story.wrongCode(subject)),
    );
    expectEnded(inline);
    expect(await lateAnswer(id)).toMatchObject({
      step: 'verify-otp',
      class: 'rejected',
      upstreamStatus: 400,
    });
    expect((await story.get(id)).body).toMatchObject({ state: 'cancelled', lastResult: null, failure: null });
  });

  it('during a submission: the onboarding shows that a passkey may exist at the provider', async () => {
    const { id, subject } = await story.verified();
    const passkey = await story.passkey(id);
    const inline = await cancelUnder('create-authenticators-otp', { id, subject }, () =>
      story.register(id, [passkey]),
    );
    expectEnded(inline);
    const late = await lateAnswer(id);
    const [stored] = story.sandbox.control.authenticators(subject.userId);
    expect(late).toMatchObject({
      step: 'create-authenticators',
      authenticatorIds: [stored!.authenticatorId],
    });
    expect((await story.get(id)).body).toMatchObject({
      state: 'cancelled',
      authenticators: [],
      unresolved: { step: 'create-authenticators', attempt: late['attempt'] },
    });
    expect(await sealed(id)).toBe(0);
  });
});

describe('cancelling during retries', () => {
  let steps: Queue;
  beforeAll(async () => {
    // Slow enough for a cancel between two tries.
    const slow = { RETRY_FLOOR_MS: '1500', RETRY_BASE_MS: '1500', RETRY_CAP_MS: '1500' };
    story = await Story.begin({ env: slow });
    steps = new Queue('steps', {
      prefix: story.env['QUEUE_PREFIX']!,
      connection: { url: story.env['REDIS_URL']! },
    });
  });
  afterAll(async () => {
    await steps.close();
    await story.end();
  });

  async function failing(step: StepName, ...then: Fault[]): Promise<StepUnderTest> {
    const at = (await StepUnderTest.before(story, step)).strike({ status: 500 }, ...then);
    await at.submit({ headers: { prefer: 'respond-async' } });
    return at;
  }

  /** An init-otp attempt is never unresolved: its only possible effect is one more mail. */
  const doubtOf = (step: StepName) => (step === 'init-otp' ? null : expect.objectContaining({ step }));

  it.each(STEPS)('between two tries prevents the next try: %s', async (step) => {
    const at = await failing(step);
    const waiting = await at.until(({ lastResult }) => lastResult?.code === 'upstream_unavailable');
    expect(waiting.nextAction.type).toBe('wait');
    expect((await story.cancel(at.id)).status).toBe(200);

    const job = await until('the job of the next try', async () =>
      (await jobsOf(at.id)).find(({ finishedOn }) => finishedOn !== undefined),
    );
    expect(job.returnvalue).toEqual({ outcome: 'not_needed', state: 'cancelled' });
    expect(at.calls).toBe(1);
    expect((await story.get(at.id)).body.unresolved).toEqual(doubtOf(step));
  });

  it.each(STEPS)(
    'with a retry in flight records the answer, which changes nothing else: %s',
    async (step) => {
      const at = await failing(step, { delayMs: HELD_MS, afterEffect: true });
      await until('the retry', () => at.calls === 2);
      expect((await story.cancel(at.id)).status).toBe(200);
      expect(await lateAnswer(at.id)).toMatchObject({ step, class: 'ok' });
      expect((await story.get(at.id)).body).toMatchObject({ state: 'cancelled', unresolved: doubtOf(step) });
      expect(at.calls).toBe(2);
    },
  );

  async function jobsOf(id: string): Promise<Job[]> {
    const jobs = (await steps.getJobs(['completed', 'delayed', 'active', 'wait', 'failed'])) as Job[];
    return jobs.filter((job) => (job.data as { onboardingId: string }).onboardingId === id);
  }
});
