import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STEPS, StepUnderTest, type Fault, type StepName } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

/** The state after an unclear refusal. */
const UNCLEAR: Record<StepName, string> = {
  'init-otp': 'failed',
  'verify-otp': 'otp_sent',
  'create-authenticators': 'otp_verified',
};

const FORMS: Record<string, Fault> = {
  'an unknown text': { status: 400, body: { error: 'the moon is in the wrong house', status: 400 } },
  'an empty text': { status: 400, body: { error: '', status: 400 } },
  'plain text': { status: 400, body: 'Failed to deserialize the JSON body', contentType: 'text/plain' },
  HTML: { status: 400, body: '<html><body><h1>400 Bad Request</h1></body></html>', contentType: 'text/html' },
  nothing: { status: 400, body: '' },
  'an unusual status': { status: 418, body: { error: 'teapot', status: 418 } },
  'an unknown text with a known text far down': {
    status: 400,
    body: { error: `${'x'.repeat(600)} invalid OTP code` },
  },
};

const CASES = STEPS.flatMap((step) => Object.entries(FORMS).map(([form, fault]) => ({ step, form, fault })));

describe('an unclear refusal', () => {
  it.each(CASES)('of $step with $form gives the caller upstream_rejected', async ({ step, fault }) => {
    const at = await StepUnderTest.before(story, step);
    const answer = await at.strike(fault).submit();
    expect(answer).toMatchObject({ status: 422, body: { code: 'upstream_rejected' } });
    const { body } = await story.get(at.id);
    expect(body).toMatchObject({ state: UNCLEAR[step], unresolved: null, parked: null });
    expect((body.failure ?? body.lastResult)!.code).toBe('upstream_rejected');
    expect(await at.attempts()).toEqual(['rejected_unclear']);
    // The provider's text may contain a code, so neither answer nor timeline shows it.
    expect(JSON.stringify([answer.body, body, await at.events()])).not.toMatch(
      /the moon|deserialize|<h1>|teapot/,
    );
  });

  it('uses up a try of the code, and the code stays valid', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const answer = await at.strike(FORMS['an unknown text']!).submit();
    expect(answer.body).toMatchObject({ code: 'upstream_rejected', attemptsLeft: 2 });
    expect((await story.verify(at.id, story.code(at.subject))).body.state).toBe('otp_verified');
  });

  it('keeps the session for another passkey', async () => {
    const at = await StepUnderTest.before(story, 'create-authenticators');
    await at.strike(FORMS['HTML']!).submit();
    expect((await story.register(at.id, [await story.passkey(at.id)])).body.state).toBe('completed');
  });
});

describe('a clear refusal', () => {
  it('with 404 makes init-otp fail for good, and create-authenticators require a new code', async () => {
    const unknown = { accountId: crypto.randomUUID(), userId: crypto.randomUUID(), email: '' };
    const start = await story.start(unknown);
    expect(start).toMatchObject({ status: 422, body: { code: 'subject_not_found', state: 'failed' } });
    const { body } = await story.get(start.body.onboardingId);
    expect(body.failure).toMatchObject({ code: 'subject_not_found', step: 'init-otp', upstreamStatus: 404 });

    const at = await StepUnderTest.before(story, 'create-authenticators');
    const answer = await at.strike({ status: 404 }).submit();
    expect(answer).toMatchObject({
      status: 410,
      body: { code: 'session_expired', nextAction: { type: 'resend_otp' } },
    });
  });

  it('of the email address makes a new onboarding fail', async () => {
    const at = await StepUnderTest.before(story, 'init-otp');
    const error = 'Turnkey error 3: invalid email address (Details: [])';
    const answer = await at.strike({ status: 400, body: { error, status: 400 } }).submit();
    expect(answer).toMatchObject({ status: 422, body: { code: 'contact_invalid', state: 'failed' } });
  });

  it('of a registered passkey names this passkey, and keeps the session', async () => {
    const at = await StepUnderTest.before(story, 'create-authenticators');
    const answer = await at
      .strike({ status: 400, body: { error: 'Credential already registered' } })
      .submit();
    expect(answer).toMatchObject({
      status: 422,
      body: { code: 'attestation_invalid', errors: [{ code: 'credential_already_registered' }] },
    });
    expect((await story.get(at.id)).body).toMatchObject({ state: 'otp_verified', authenticators: [] });
  });

  it('is understood in upper and lower case: three such refusals of a wrong code lock the code', async () => {
    const { id, subject } = await story.sent();
    const fault = { route: 'otp-auth', match: { userId: subject.userId }, status: 400, times: 3 };
    story.sandbox.control.addFault({ ...fault, body: { error: 'INVALID otp CODE' } });
    const left: unknown[] = [];
    for (let tries = 0; tries < 3; tries++) left.push((await story.verify(id, '123456')).body.attemptsLeft);
    expect(left).toEqual([2, 1, 0]);
    expect(await story.verify(id, story.code(subject))).toMatchObject({
      status: 409,
      body: { code: 'otp_locked' },
    });
    expect(story.calls(subject, 'otp-auth')).toBe(3);
  });
});
