import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { StepUnderTest } from '../../support/step-under-test.js';
import { Story, type Answer } from '../../support/story.js';
import { runOut } from '../../support/time-travel.js';

/** The provider executes the call, but answers with a failure. */
const actedThenFailed = { status: 500, afterEffect: true } as const;

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

describe('an init-otp call that fails after it has sent a mail', () => {
  it('is repeated: the timeline warns of a second mail, and the onboarding counts two sends', async () => {
    const at = await StepUnderTest.before(story, 'init-otp');
    const answer = await at.strike(actedThenFailed).submit();
    expect(answer).toMatchObject({
      status: 201,
      body: { state: 'otp_sent', otp: { sends: 2, attemptsLeft: 3 } },
    });
    expect(await story.eventTypes(at.id)).toEqual([
      'created',
      'attempt_started',
      'attempt_ended',
      'second_mail_possible',
      'retry_scheduled',
      'attempt_started',
      'attempt_ended',
      'otp_sent',
    ]);
    const [newest, older] = story.sandbox.control.mails({ email: at.subject.email });
    const [row] = await story.sql<{ otp_handle: string }>(
      'SELECT otp_handle FROM onboardings WHERE id = $1',
      [at.id],
    );
    expect(row!.otp_handle).toBe(newest!.otpId);
    expect(older!.otpId).not.toBe(newest!.otpId);
    expect((await story.verify(at.id, newest!.code)).body.state).toBe('otp_verified');
  });
});

describe('a verify-otp call that fails after the provider has checked the code', () => {
  it('has an unknown outcome if its repetition is refused; the code does not count as wrong', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    const answer = await at.strike(actedThenFailed).submit();
    expect(answer).toMatchObject({ status: 409, body: { code: 'outcome_unknown' } });
    expect(await at.attempts()).toEqual(['unavailable', 'rejected_unclear']);
    expect(at.journal().map(({ answer: status }) => status)).toEqual([500, 400]);
    const { body } = await story.get(at.id);
    expect(body).toMatchObject({
      state: 'outcome_unknown',
      nextAction: { type: 'resolve' },
      session: null,
      // Attempt 1 sent the code, attempt 2 lost its answer, attempt 3 repeated the call of attempt 2.
      unresolved: { step: 'verify-otp', attempt: 2 },
      lastResult: { step: 'verify-otp', code: 'outcome_unknown' },
      otp: { attemptsLeft: 1 },
    });
    expect(await story.eventTypes(at.id)).not.toContain('otp_rejected');
  });

  it('has an unknown outcome even if the code was wrong, because the first answer was lost', async () => {
    const { id, subject } = await story.sent();
    const route = { route: 'otp-auth', match: { userId: subject.userId } };
    story.sandbox.control.addFault({ ...route, ...actedThenFailed });
    const answer = await story.verify(id, story.wrongCode(subject));
    expect(answer).toMatchObject({ status: 409, body: { code: 'outcome_unknown' } });
    const [row] = await story.sql<{ otp_wrong: number }>('SELECT otp_wrong FROM onboardings WHERE id = $1', [
      id,
    ]);
    expect(row!.otp_wrong).toBe(0);
  });

  it('can be followed by a new code: after a resend, or if an operator resolves it as not done', async () => {
    for (const leave of [(id: string) => story.resend(id), (id: string) => story.resolve(id, 'not_done')]) {
      const at = await lost('verify-otp');
      await story.cooledDown(at.id);
      const answer = await leave(at.id);
      expect(answer).toMatchObject({
        status: 200,
        body: { state: 'otp_sent', unresolved: null, otp: { sends: 2 } },
      });
      expect((await story.verify(at.id, story.code(at.subject))).body.state).toBe('otp_verified');
    }
  });

  it('cannot be resolved as done, because there is no session', async () => {
    const at = await lost('verify-otp');
    expect(await story.resolve(at.id, 'done')).toMatchObject({
      status: 409,
      body: { code: 'outcome_unknown' },
    });
    expect((await story.get(at.id)).body).toMatchObject({
      state: 'outcome_unknown',
      unresolved: { step: 'verify-otp' },
    });
  });
});

describe('a create-authenticators call that fails after it has stored the passkey', () => {
  it('has an unknown outcome if the repeated call finds the passkey', async () => {
    const at = await StepUnderTest.before(story, 'create-authenticators');
    const answer = await at.strike(actedThenFailed).submit();
    expect(answer).toMatchObject({ status: 409, body: { code: 'outcome_unknown' } });
    expect(await at.attempts()).toEqual(['unavailable', 'rejected']);
    expect(at.journal().map(({ answer: status }) => status)).toEqual([500, 400]);
    expect(story.sandbox.control.authenticators(at.subject.userId)).toHaveLength(1);
    expect((await story.get(at.id)).body).toMatchObject({
      state: 'outcome_unknown',
      unresolved: { step: 'create-authenticators', attempt: 3 },
      authenticators: [],
    });
  });

  it('when resolved as done, completes the onboarding with a passkey that has no id', async () => {
    const at = await lost('create-authenticators');
    const { status, body } = await story.resolve(at.id, 'done');
    expect(status).toBe(200);
    expect(body).toMatchObject({ state: 'completed', unresolved: null, lastResult: null });
    const [stored] = story.sandbox.control.authenticators(at.subject.userId);
    expect(body.authenticators).toEqual([
      expect.objectContaining({ id: null, credentialId: stored!.credentialId }),
    ]);
    expect((await story.eventTypes(at.id)).slice(-3)).toEqual(['resolved', 'resolved_done', 'secrets_wiped']);
    expect((await at.eventsOf('resolved'))[0]!.data).toMatchObject({
      outcome: 'done',
      step: 'create-authenticators',
    });
  });

  it('when resolved as not done, lets another passkey complete the onboarding', async () => {
    const at = await lost('create-authenticators');
    const { body } = await story.resolve(at.id, 'not_done');
    expect(body).toMatchObject({
      state: 'otp_verified',
      unresolved: null,
      nextAction: { type: 'submit_authenticators' },
    });
    expect(body.session).not.toBeNull();
    const done = await story.register(at.id, [await story.passkey(at.id)]);
    expect(done.body).toMatchObject({
      state: 'completed',
      authenticators: [{ authenticatorName: "Ana's phone" }],
    });
  });

  it('when resolved as not done, does not add its passkey to later excludeCredentials', async () => {
    const at = await lost('create-authenticators');
    await story.resolve(at.id, 'not_done');
    const passkey = await story.passkey(at.id);
    expect((await story.register(at.id, [passkey])).body.state).toBe('completed');
    const { id } = await story.verified(at.subject);
    const options = await story.call<{ excludeCredentials: { id: string }[] }>(
      'POST',
      `/v1/onboardings/${id}/authenticators/options`,
      { userName: 'ana' },
    );
    expect(options.body.excludeCredentials.map((each) => each.id)).toEqual([passkey.credential.id]);
  });

  it('stays unresolved when a later submission is resolved', async () => {
    const at = await lost('create-authenticators');
    await story.cooledDown(at.id);
    await story.resend(at.id);
    await story.verify(at.id, story.code(at.subject));
    at.strike(actedThenFailed);
    expect((await story.register(at.id, [await story.passkey(at.id)])).body).toMatchObject({
      code: 'outcome_unknown',
    });
    expect((await story.get(at.id)).body.unresolved).toMatchObject({ attempt: 7 });
    const { body } = await story.resolve(at.id, 'done');
    expect(body).toMatchObject({
      state: 'completed',
      unresolved: { step: 'create-authenticators', attempt: 3 },
    });
    expect((await at.eventsOf('resolved')).map(({ data }) => data['attempt'])).toEqual([7]);
  });

  it('requires a new code when resolved as not done after the session has expired', async () => {
    const at = await lost('create-authenticators');
    await runOut(story, at.id, 'session');
    const { body } = await story.resolve(at.id, 'not_done');
    expect(body).toMatchObject({
      state: 'otp_needed',
      reason: 'session_expired',
      nextAction: { type: 'resend_otp' },
      session: null,
      unresolved: null,
    });
  });

  it('stays unresolved after a resend, and after the onboarding has ended', async () => {
    const at = await lost('create-authenticators');
    await story.cooledDown(at.id);
    const doubt = { step: 'create-authenticators', attempt: 3 };
    expect((await story.resend(at.id)).body).toMatchObject({ state: 'otp_sent', unresolved: doubt });
    expect((await story.verify(at.id, story.code(at.subject))).body).toMatchObject({ unresolved: doubt });
    const done = await story.register(at.id, [await story.passkey(at.id)]);
    expect(done.body).toMatchObject({ state: 'completed', unresolved: doubt });
    // After completion, an operator may still resolve the unknown outcome, which changes nothing else.
    const { body } = await story.resolve(at.id, 'done');
    expect(body).toMatchObject({ state: 'completed', version: done.body.version, unresolved: null });
    expect((await at.eventsOf('resolved')).at(-1)!.data).toMatchObject({ outcome: 'done', ...doubt });
    expect(await story.resolve(at.id, 'done')).toMatchObject({
      status: 410,
      body: { code: 'onboarding_ended' },
    });
  });

  it('stays unresolved after a cancel', async () => {
    const at = await lost('create-authenticators');
    expect((await story.cancel(at.id)).body).toMatchObject({
      state: 'cancelled',
      unresolved: { attempt: 3 },
    });
    const { status, body } = await story.resolve(at.id, 'not_done');
    expect({ status, state: body.state, unresolved: body.unresolved }).toEqual({
      status: 200,
      state: 'cancelled',
      unresolved: null,
    });
  });

  it('can be resolved only while its outcome is unknown', async () => {
    const { id } = await story.verified();
    expect(await story.resolve(id, 'done')).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
  });

  it('prevents other passkeys and codes while its outcome is unknown', async () => {
    const at = await lost('create-authenticators');
    const refused: Answer[] = [
      await story.verify(at.id, '123456'),
      await story.call('POST', `/v1/onboardings/${at.id}/authenticators/options`, { userName: 'ana' }),
    ];
    expect(refused).toMatchObject([
      { status: 409, body: { code: 'outcome_unknown' } },
      { status: 409, body: { code: 'outcome_unknown' } },
    ]);
  });
});

/** @returns an onboarding whose step has an unknown outcome. */
async function lost(step: 'verify-otp' | 'create-authenticators'): Promise<StepUnderTest> {
  const at = await StepUnderTest.before(story, step);
  await at.strike(actedThenFailed).submit();
  await at.until('outcome_unknown');
  return at;
}
