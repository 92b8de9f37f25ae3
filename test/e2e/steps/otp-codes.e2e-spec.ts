import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Story, type Answer, type Subject } from '../../support/story.js';
import { elapse } from '../../support/time-travel.js';

const COOLDOWN_MS = 60_000;
const WINDOW_MS = 600_000;
const DAY_MS = 86_400_000;

let story: Story;
beforeAll(async () => {
  story = await Story.begin({
    worker: false,
    env: {
      OTP_RESEND_COOLDOWN_MS: String(COOLDOWN_MS),
      OTP_SENDS_PER_WINDOW: '3',
      OTP_SEND_WINDOW_MS: String(WINDOW_MS),
      OTP_SENDS_PER_DAY: '6',
      OTP_WRONG_PER_ONBOARDING: '6',
      OTP_WRONG_PER_DAY: '8',
    },
  });
});
afterAll(() => story.end());

const mails = ({ email }: Subject) => story.sandbox.control.mails({ email }).length;
const retryAfterMs = ({ headers }: Answer) => Number(headers.get('retry-after')) * 1000;

async function mistype(id: string, subject: Subject, times: number): Promise<Answer> {
  for (let n = 1; n < times; n++) await story.verify(id, story.wrongCode(subject));
  return story.verify(id, story.wrongCode(subject));
}

async function resendLater(id: string, subject: Subject): Promise<Answer> {
  await elapse(story, id, subject, COOLDOWN_MS);
  return story.resend(id);
}

describe('a mailed code', () => {
  it('is locked after three wrong tries, until a resend', async () => {
    const { id, subject } = await story.sent();
    for (const attemptsLeft of [2, 1, 0]) {
      const wrong = await story.verify(id, story.wrongCode(subject));
      expect(wrong.status).toBe(422);
      expect(wrong.body).toMatchObject({
        code: 'otp_invalid',
        state: 'otp_sent',
        attemptsLeft,
        retryable: false,
      });
    }
    const read = (await story.get(id)).body;
    expect(read).toMatchObject({
      state: 'otp_sent',
      otp: { attemptsLeft: 0, sends: 1 },
      nextAction: { type: 'resend_otp', notBefore: read.otp.resendAvailableAt },
      lastResult: { step: 'verify-otp', code: 'otp_invalid' },
    });

    const old = story.code(subject);
    const locked = await story.verify(id, old);
    expect(locked.status).toBe(409);
    expect(locked.body).toMatchObject({ code: 'otp_locked', state: 'otp_sent', attemptsLeft: 0 });
    expect(story.calls(subject, 'otp-auth')).toBe(3);

    const resent = await resendLater(id, subject);
    expect(resent.status).toBe(200);
    expect(resent.body).toMatchObject({
      state: 'otp_sent',
      otp: { attemptsLeft: 3, sends: 2 },
      nextAction: { type: 'submit_otp' },
      lastResult: null,
    });
    const stale = await story.verify(id, old);
    expect(stale.body).toMatchObject({ code: 'otp_invalid', attemptsLeft: 2 });
    const verified = await story.verify(id, story.code(subject));
    expect(verified.body).toMatchObject({ state: 'otp_verified', lastResult: null });
  });

  it('ends the onboarding at the sixth wrong try, counted over all its codes', async () => {
    const { id, subject } = await story.sent();
    await mistype(id, subject, 3);
    await resendLater(id, subject);
    expect((await mistype(id, subject, 2)).body).toMatchObject({ code: 'otp_invalid', attemptsLeft: 1 });

    const sixth = await mistype(id, subject, 1);
    expect(sixth.status).toBe(409);
    expect(sixth.body).toMatchObject({ code: 'otp_locked', state: 'failed', nextAction: { type: 'none' } });
    expect((await story.get(id)).body).toMatchObject({
      state: 'failed',
      failure: { code: 'otp_locked', step: 'verify-otp', upstreamStatus: 400 },
    });
    for (const refused of [await story.verify(id, story.code(subject)), await story.resend(id)]) {
      expect(refused.status).toBe(410);
      expect(refused.body).toMatchObject({ code: 'onboarding_ended', state: 'failed' });
    }
    expect((await story.eventTypes(id)).slice(-3)).toEqual(['attempt_ended', 'step_failed', 'secrets_wiped']);
  });

  it.each([['12345'], ['1234567890'], ['12 456'], ['123-56'], ['１２３４５６'], [''], [123456], [null]])(
    'is refused without a call if its form is wrong: %j',
    async (code) => {
      const { id, subject } = await story.sent();
      const { status, body } = await story.call('POST', `/v1/onboardings/${id}/otp/verify`, { code });
      expect(status).toBe(400);
      expect(body).toMatchObject({ code: 'validation_failed', errors: [{ pointer: '/code' }] });
      expect((await story.get(id)).body.otp.attemptsLeft).toBe(3);
      expect(story.calls(subject, 'otp-auth')).toBe(0);
    },
  );
});

describe('the wrong codes of a user in one day', () => {
  it('block verify, resend and a new onboarding at their limit, until Retry-After has passed', async () => {
    const { id, subject } = await story.sent();
    await mistype(id, subject, 3);
    await resendLater(id, subject);
    expect((await mistype(id, subject, 3)).body.code).toBe('otp_locked');

    await elapse(story, id, subject, WINDOW_MS);
    const second = await story.sent(subject);
    expect((await story.verify(second.id, story.code(subject))).status).toBe(200);
    await story.cancel(second.id);

    const third = await story.sent(subject);
    // The eighth wrong code of the day: the code allows another try, but the user's daily limit does not.
    const last = await mistype(third.id, subject, 2);
    expect(last.body).toMatchObject({ code: 'otp_invalid', attemptsLeft: 0, nextAction: { type: 'none' } });
    const { otp, nextAction } = (await story.get(third.id)).body;
    expect({ ...otp, nextAction }).toMatchObject({ attemptsLeft: 0, nextAction: { type: 'none' } });
    expect(Date.parse(otp.resendAvailableAt!) - Date.now()).toBeGreaterThan(DAY_MS - 2 * WINDOW_MS);
    const [sent, tried] = [mails(subject), story.calls(subject, 'otp-auth')];

    await elapse(story, third.id, subject, COOLDOWN_MS);
    const refusals = {
      verify: await story.verify(third.id, story.code(subject)),
      resend: await story.resend(third.id),
      supersede: await story.start(subject, { supersede: true }),
    };
    await story.cancel(third.id);
    const start = await story.start(subject);
    // The limit lasts longer than the onboarding, so no next action is left.
    for (const refused of [refusals.verify, refusals.resend]) {
      expect(refused.body).toMatchObject({ state: 'otp_sent', nextAction: { type: 'none' } });
    }
    for (const refused of [...Object.values(refusals), start]) {
      expect(refused.status).toBe(429);
      expect(refused.body).toMatchObject({ code: 'otp_locked', retryable: true });
      expect(retryAfterMs(refused)).toBeLessThanOrEqual(DAY_MS);
      expect(retryAfterMs(refused)).toBeGreaterThan(DAY_MS - 2 * WINDOW_MS);
    }
    expect(await story.eventTypes(third.id)).not.toContain('otp_resend_asked');
    expect(mails(subject)).toBe(sent);
    expect(story.calls(subject, 'otp-auth')).toBe(tried);

    await elapse(story, third.id, subject, retryAfterMs(start) - 5_000);
    expect((await story.start(subject)).body.code).toBe('otp_locked');
    await elapse(story, third.id, subject, 5_000);
    expect((await story.start(subject)).status).toBe(201);
  });
});

describe('a resend', () => {
  it('is refused during the cooldown, and works when the time in Retry-After has passed', async () => {
    const { id, subject } = await story.sent();
    const early = await story.resend(id);
    expect(early.status).toBe(429);
    expect(early.body).toMatchObject({ code: 'otp_resend_too_soon', retryable: true });
    expect(retryAfterMs(early)).toBeLessThanOrEqual(COOLDOWN_MS);

    await elapse(story, id, subject, retryAfterMs(early) - 5_000);
    const still = await story.resend(id);
    expect(still.body.code).toBe('otp_resend_too_soon');
    expect(retryAfterMs(still)).toBeLessThanOrEqual(5_000);
    expect(mails(subject)).toBe(1);

    await elapse(story, id, subject, retryAfterMs(still));
    expect((await story.resend(id)).status).toBe(200);
    expect(mails(subject)).toBe(2);
  });

  it('is limited in a time window; at the limit, no new onboarding replaces the current one', async () => {
    const { id, subject } = await story.sent();
    await resendLater(id, subject);
    await resendLater(id, subject);
    expect(mails(subject)).toBe(3);

    const { otp } = (await story.get(id)).body;
    const [first] = await story.sql<{ at: Date }>(
      `SELECT sends[1] AS at FROM otp_budgets WHERE subject_key = $1`,
      [`${subject.accountId}/${subject.userId}`],
    );
    expect(Date.parse(otp.resendAvailableAt!)).toBe(first!.at.getTime() + WINDOW_MS);

    const fourth = await resendLater(id, subject);
    expect(fourth.body).toMatchObject({
      state: 'otp_sent',
      nextAction: { type: 'submit_otp' },
    });
    const superseding = await story.start(subject, { supersede: true });
    for (const refused of [fourth, superseding]) {
      expect(refused.status).toBe(429);
      expect(refused.body).toMatchObject({ code: 'otp_send_limit', retryable: true });
      expect(retryAfterMs(refused)).toBeLessThanOrEqual(WINDOW_MS);
    }
    expect((await story.get(id)).body.state).toBe('otp_sent');
    expect(mails(subject)).toBe(3);

    // A caller that lost its first answer still gets the onboarding's id.
    expect(await story.start(subject)).toMatchObject({
      status: 409,
      body: { code: 'onboarding_live', onboardingId: id },
    });

    await elapse(story, id, subject, retryAfterMs(superseding) - 5_000);
    expect((await story.resend(id)).body.code).toBe('otp_send_limit');
    await elapse(story, id, subject, 5_000);
    expect((await story.resend(id)).status).toBe(200);
  });

  it('is limited over the day, even if the limit of the window is not reached', async () => {
    const { id, subject } = await story.sent();
    for (let sends = 2; sends <= 6; sends++) {
      await elapse(story, id, subject, WINDOW_MS);
      expect((await story.resend(id)).body.otp?.sends).toBe(sends);
    }
    await elapse(story, id, subject, WINDOW_MS);
    const seventh = await story.resend(id);
    expect(seventh.status).toBe(429);
    expect(seventh.body.code).toBe('otp_send_limit');
    expect(Math.abs(retryAfterMs(seventh) - (DAY_MS - 6 * WINDOW_MS))).toBeLessThan(30_000);
    expect(mails(subject)).toBe(6);

    // By this time, the onboarding has expired.
    await elapse(story, id, subject, retryAfterMs(seventh));
    expect((await story.start(subject)).status).toBe(201);
    expect((await story.get(id)).body.state).toBe('expired');
  });

  it('is not limited by the codes of other users', async () => {
    const { id, subject } = await story.sent();
    await resendLater(id, subject);
    await resendLater(id, subject);
    expect((await resendLater(id, subject)).body.code).toBe('otp_send_limit');
    const sibling = { ...story.newSubject(), accountId: subject.accountId };
    story.sandbox.control.addSubject(sibling);
    expect((await story.start(sibling)).status).toBe(201);
  });
});
