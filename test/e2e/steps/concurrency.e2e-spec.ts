import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { Story, type Answer, type Subject } from '../../support/story.js';
import { mayResend } from '../../support/time-travel.js';

let story: Story;
let replicaUrls: string[];
beforeAll(async () => {
  // So many requests may take a second on a small machine.
  story = await Story.begin({
    env: { CALL_TIMEOUT_MS: '5000', CLAIM_MAX_AGE_MS: '4000', LEASE_MS: '10000' },
  });
  replicaUrls = [story.serviceUrl, (await story.startService()).url];
});
afterAll(() => story.end());

/** Sends the same request many times at once, to both replicas by turns. */
function crowd(times: number, path: string, body: object): Promise<Answer[]> {
  return Promise.all(
    Array.from({ length: times }, (_, n) =>
      story.call<Answer['body']>('POST', path, body, {}, replicaUrls[n % replicaUrls.length]),
    ),
  );
}

function tally(answers: Answer[]): Record<string, number> {
  const kinds = answers.map(({ status, body }) => `${status} ${body.code ?? body.state}`);
  return Object.fromEntries(
    [...new Set(kinds)].sort().map((kind) => [kind, kinds.filter((each) => each === kind).length]),
  );
}

const mails = ({ email }: Subject) => story.sandbox.control.mails({ email }).length;

/** Repeats the cancel after a retryable 409: other commands have overtaken all three tries of the service. */
const cancelled = (id: string) =>
  until('a cancel that no other command overtook', async () => {
    const answer = await story.cancel(id);
    return answer.status === 409 && answer.body.retryable ? null : answer;
  });

/** Delays the answer to the first call, so that nearly all other requests come before it. */
const hold = (route: string, { userId }: Subject) =>
  story.sandbox.control.addFault({ route, match: { userId }, delayMs: 1_500, afterEffect: true });

/** Expects one success and refusals while the step was running. `late` are the permitted errors after it. */
function expectOne(answers: Answer[], done: string, ...late: string[]): void {
  const { [done]: through, '409 step_in_progress': waiting = 0, ...others } = tally(answers);
  expect(through).toBe(1);
  expect(waiting).toBeGreaterThan(0);
  expect(late).toEqual(expect.arrayContaining(Object.keys(others)));
}

async function claims(id: string, signal: string): Promise<number> {
  return (await story.eventTypes(id)).filter((type) => type === signal).length;
}

describe('requests at the same time, to two replicas', () => {
  it('a hundred verifies make one upstream call', async () => {
    const { id, subject } = await story.sent();
    hold('otp-auth', subject);
    const answers = await crowd(100, `/v1/onboardings/${id}/otp/verify`, { code: story.code(subject) });
    expectOne(answers, '200 otp_verified', '409 illegal_state');
    expect(answers.find(({ body }) => body.code === 'step_in_progress')!.body).toMatchObject({
      state: 'otp_submitted',
      retryable: true,
      nextAction: { type: 'wait', until: expect.any(String) },
    });
    expect(story.calls(subject, 'otp-auth')).toBe(1);
    expect(await claims(id, 'otp_submitted')).toBe(1);
  });

  it('a hundred verifies of a wrong code make one call for each try that the code has', async () => {
    const { id, subject } = await story.sent();
    const answers = await crowd(100, `/v1/onboardings/${id}/otp/verify`, { code: story.wrongCode(subject) });
    const { '422 otp_invalid': wrong = 0, ...others } = tally(answers);
    expect(wrong).toBeGreaterThan(0);
    expect(wrong).toBeLessThanOrEqual(3);
    expect(Object.keys(others).filter((kind) => !/^409 (step_in_progress|otp_locked)$/.test(kind))).toEqual(
      [],
    );
    expect(story.calls(subject, 'otp-auth')).toBe(wrong);
    expect((await story.get(id)).body.otp.attemptsLeft).toBe(3 - wrong);
  });

  it('two starts for one user make one onboarding, and the refused caller gets its id', async () => {
    for (let round = 0; round < 10; round++) {
      const subject = story.newSubject();
      const { accountId, userId } = subject;
      const answers = await crowd(2, '/v1/onboardings', { subject: { accountId, userId } });
      expect(tally(answers)).toEqual({ '201 otp_sent': 1, '409 onboarding_live': 1 });
      const [created, refused] = answers.sort((a, b) => a.status - b.status);
      expect(refused!.body.onboardingId).toBe(created!.body.id);
      expect(mails(subject)).toBe(1);
    }
  });

  it('requests that replace the user’s onboarding leave only one live onboarding, a new one', async () => {
    const { id, subject } = await story.sent();
    const { accountId, userId } = subject;
    const answers = await crowd(4, '/v1/onboardings', { subject: { accountId, userId }, supersede: true });
    for (const { status } of answers) expect([201, 409, 410]).toContain(status);
    expect((await story.get(id)).body.state).toBe('cancelled');
    expect((await story.events(id)).find(({ type }) => type === 'cancelled')).toMatchObject({
      data: { reason: 'superseded' },
    });
    const rows = await story.sql<{ state: string }>(
      `SELECT state FROM onboardings WHERE subject_key = $1 AND state <> 'cancelled'`,
      [`${accountId}/${userId}`],
    );
    expect(rows).toEqual([{ state: 'otp_sent' }]);
  });

  it('two resends send one mail', async () => {
    const resendTwice = async () => {
      const { id, subject } = await story.sent();
      await mayResend(story, id);
      hold('init-otp', subject);
      const answers = await crowd(2, `/v1/onboardings/${id}/otp/resend`, {});
      expectOne(answers, '200 otp_sent');
      expect(mails(subject)).toBe(2);
      expect(await claims(id, 'otp_resend_asked')).toBe(1);
    };
    await Promise.all(Array.from({ length: 5 }, resendTwice));
  });

  it('twenty submissions of one passkey register it once', async () => {
    const { id, subject } = await story.verified();
    const passkey = await story.passkey(id);
    hold('create-authenticators-otp', subject);
    const answers = await crowd(20, `/v1/onboardings/${id}/authenticators`, { authenticators: [passkey] });
    // Later requests are refused because the onboarding has ended, or because only five submissions are
    // checked at the same time.
    expectOne(answers, '200 completed', '410 onboarding_ended', '422 attestation_invalid');
    expect(story.calls(subject, 'create-authenticators-otp')).toBe(1);
    expect(story.sandbox.control.authenticators(subject.userId)).toHaveLength(1);
  });

  it('a verify, a resend and a cancel end in the state cancelled', async () => {
    for (let round = 0; round < 10; round++) {
      const { id, subject } = await story.sent();
      await mayResend(story, id);
      const [verify, resend, cancel] = await Promise.all([
        story.verify(id, story.code(subject)),
        story.resend(id),
        cancelled(id),
      ]);
      expect(cancel.status).toBe(200);
      for (const { status } of [verify, resend]) expect([200, 409, 410, 422]).toContain(status);
      expect((await story.get(id)).body.state).toBe('cancelled');
      const events = await story.events(id);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
      expect(story.calls(subject, 'otp-auth') + story.calls(subject, 'init-otp')).toBe(
        events.filter(({ type }) => type === 'attempt_started').length,
      );
    }
  });
});
