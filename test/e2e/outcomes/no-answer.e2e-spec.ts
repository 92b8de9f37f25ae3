import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STEPS, StepUnderTest, type Fault, type StepName } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

/** Shorter than the delay of the late answers. */
const SHORT_CALL_MS = 1_500;

/** Faults instead of a complete and valid answer. Each call of the step meets the same fault. */
const UNANSWERED: Record<string, Fault> = {
  'cut before the effect': { cut: 'before' },
  'cut after the effect': { cut: 'after' },
  'cut in the middle of the answer': { cut: 'mid-response' },
  'an answer after the call timeout': { delayMs: 60_000, cut: 'before' },
  'an effect whose answer comes too late': { delayMs: SHORT_CALL_MS + 400, afterEffect: true },
  '408': { status: 408 },
  'a 2xx with half of a JSON text': {
    status: 200,
    body: '{"otpId":"7c1b',
    contentType: 'application/json',
    afterEffect: true,
  },
  'a 2xx with unexpected JSON': { status: 200, body: { ok: true }, afterEffect: true },
  'a 2xx with HTML': {
    status: 200,
    body: '<html><body>Welcome</body></html>',
    contentType: 'text/html',
    afterEffect: true,
  },
  'an empty 204': { status: 204, body: '', afterEffect: true },
  'a 2xx larger than 256 KiB': {
    status: 200,
    body: JSON.stringify({
      otpId: 'x',
      sessionId: 'x',
      session: 'x',
      authenticatorIds: [],
      padding: 'x'.repeat(300_000),
    }),
    contentType: 'application/json',
    afterEffect: true,
  },
};

const CASES = STEPS.flatMap((step) =>
  Object.entries(UNANSWERED).map(([meets, fault]) => ({ step, meets, fault })),
);

/** How the steps end if none of their calls gets an answer. */
const ENDS: Record<
  StepName,
  { calls: number; status: number; state: string; reason?: string; code: string }
> = {
  'init-otp': {
    calls: 2,
    status: 202,
    state: 'otp_needed',
    reason: 'send_failed',
    code: 'upstream_unavailable',
  },
  'verify-otp': { calls: 1, status: 409, state: 'outcome_unknown', code: 'outcome_unknown' },
  'create-authenticators': { calls: 2, status: 409, state: 'outcome_unknown', code: 'outcome_unknown' },
};

describe('a call without an answer', () => {
  let story: Story;
  /** The URL of a replica with a short call timeout, for the late answers. */
  let impatient: string;
  beforeAll(async () => {
    const short = { CALL_TIMEOUT_MS: String(SHORT_CALL_MS), CLAIM_MAX_AGE_MS: '1400' };
    story = await Story.begin({ worker: false });
    impatient = (await story.startService(short)).url;
    await story.startWorker(short);
  });
  afterAll(() => story.end());

  it.each(CASES)(
    'ends the step as docs/explanation/retry-law.md says: $step, $meets',
    async ({ step, fault }) => {
      const end = ENDS[step];
      const at = await StepUnderTest.before(story, step);
      at.strike({ ...fault, times: 0 });
      const answer = await at.submit(fault.delayMs ? { at: impatient } : {});
      expect(answer.status).toBe(end.status);
      const { body: onboarding } = await story.get(at.id);
      expect(onboarding).toMatchObject({
        state: end.state,
        reason: end.reason ?? null,
        lastResult: { step, code: end.code },
        unresolved: step === 'init-otp' ? null : { step },
      });
      expect(at.calls).toBe(end.calls);
      if (step !== 'create-authenticators' || fault.afterEffect !== true) {
        expect(await at.attempts()).toEqual(Array.from({ length: end.calls }, () => 'no_answer'));
      }
      if (step === 'init-otp') {
        expect(onboarding.otp.sends).toBe(2);
        expect(await at.eventsOf('second_mail_possible')).toHaveLength(2);
      }
    },
  );

  it('has an event that tells whether bytes were sent, and which HTTP status was received', async () => {
    const cut = await StepUnderTest.before(story, 'verify-otp');
    await cut.strike({ cut: 'mid-response' }).submit();
    const [lost] = await cut.eventsOf('outcome_lost');
    expect(lost!.data).toMatchObject({ bytesSent: true, headersSeen: true, status: 200 });
    const unheard = await StepUnderTest.before(story, 'verify-otp');
    await unheard.strike({ cut: 'after' }).submit();
    const [gone] = await unheard.eventsOf('outcome_lost');
    expect(gone!.data).toMatchObject({ bytesSent: true, headersSeen: false, status: null });
  });

  it('no longer counts as unresolved after a resend, if its step is verify-otp', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const answer = await at.strike({ cut: 'after' }).submit();
    expect(answer.body).toMatchObject({ code: 'outcome_unknown', nextAction: { type: 'resolve' } });
    await story.cooledDown(at.id);
    const resent = await story.resend(at.id);
    expect(resent.body).toMatchObject({ state: 'otp_sent', unresolved: null, otp: { attemptsLeft: 3 } });
    expect((await story.verify(at.id, story.code(at.subject))).body.state).toBe('otp_verified');
  });
});

describe('the retry of a send whose answer was lost', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ env: { OTP_RESEND_COOLDOWN_MS: '1500' } });
  });
  afterAll(() => story.end());

  it('waits for the cooldown of codes, and then only the newest code works', async () => {
    const at = await StepUnderTest.before(story, 'init-otp');
    const answer = await at.strike({ cut: 'after' }).submit();
    expect(answer).toMatchObject({ status: 201, body: { state: 'otp_sent', otp: { sends: 2 } } });
    const [first, second] = await at.eventsOf('attempt_started');
    expect(Date.parse(second!.at) - Date.parse(first!.at)).toBeGreaterThanOrEqual(1500);
    const [newest, older] = story.sandbox.control.mails({ email: at.subject.email });
    const sent = (mail: typeof newest) => ({ type: 'otp_sent', otpId: mail!.otpId });
    expect(at.journal().map(({ effect }) => effect)).toMatchObject([sent(older), sent(newest)]);
    if (older!.code !== newest!.code) {
      expect((await story.verify(at.id, older!.code)).body.code).toBe('otp_invalid');
    }
    expect((await story.verify(at.id, newest!.code)).status).toBe(200);
  });
});
