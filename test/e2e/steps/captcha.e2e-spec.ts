import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SecretHunt } from '../../support/secret-hunt.js';
import { Sinks } from '../../support/sinks.js';
import { Story } from '../../support/story.js';
import { Person, throughDoor } from '../../support/turnkey-door.js';
import { mayResend } from '../../support/time-travel.js';

let story: Story;
let sinks: Sinks;
beforeAll(async () => {
  story = await Story.begin({
    env: (sandbox) => ({ ...throughDoor('turnkey-auth-proxy')(sandbox), OTP_RESEND_COOLDOWN_MS: '60000' }),
    sandbox: { turnkey: { captcha: true, otpLength: 6, otpAlphanumeric: false } },
  });
  sinks = await Sinks.open(story);
});
afterAll(async () => {
  sinks?.close();
  await story.end();
});

let tokens = 0;
const captcha = () => ({ otp: { captchaToken: `0.turnstile-${++tokens}` } });
const resend = (id: string, body: object = {}) =>
  story.call('POST', `/v1/onboardings/${id}/otp/resend`, body);

/** @returns an onboarding whose code has no cooldown any more. */
async function sent(known = true) {
  const person = new Person(story, { known });
  const { status, body } = await person.start(captcha());
  expect(status).toBe(201);
  await mayResend(story, body.id);
  return { person, id: body.id };
}
const mails = (person: Person) => story.sandbox.control.mails({ email: person.email }).length;
const failed = { status: 400, body: { code: 3, message: 'captcha verification failed', details: [] } };

describe('at a provider that requires a captcha', () => {
  it('an onboarding without a token can continue with a resend that has one, for new users too', async () => {
    const person = new Person(story, { known: false });
    const { status, body } = await person.start();
    expect(status).toBe(422);
    expect(body).toMatchObject({
      code: 'captcha_required',
      retryable: false,
      state: 'otp_needed',
      nextAction: { type: 'resend_otp' },
    });
    const { onboardingId: id } = body;
    expect(await resend(id, captcha())).toMatchObject({ status: 200, body: { state: 'otp_sent' } });
    expect((await story.verify(id, person.code())).body.state).toBe('otp_verified');
    await story.register(id, [await story.passkey(id)]);
    await story.until(id, 'completed');
  });

  it('a resend without a token leaves the code valid', async () => {
    const { person, id } = await sent();
    const before = (await story.get(id)).body;
    const refused = await resend(id);
    expect(refused).toMatchObject({
      status: 422,
      body: {
        code: 'captcha_required',
        state: 'otp_sent',
        attemptsLeft: 3,
        nextAction: { type: 'submit_otp' },
      },
    });
    const { body: after } = await story.get(id);
    expect(after).toMatchObject({
      state: 'otp_sent',
      reason: null,
      lastResult: { code: 'captcha_required' },
    });
    expect(after.otp).toMatchObject({ expiresAt: before.otp.expiresAt, attemptsLeft: 3, sends: 1 });
    expect(after.otp.targetBundle).toBe(before.otp.targetBundle);
    expect((await story.verify(id, person.code())).body.state).toBe('otp_verified');
  });

  it('a refused token uses up no send and starts no cooldown', async () => {
    const { person, id } = await sent();
    story.sandbox.control.addFault({ route: 'otp_init_v2', match: { contact: person.email }, ...failed });
    expect((await resend(id, captcha())).body.code).toBe('captcha_required');
    const [{ sends }] = (await story.sql(
      `SELECT cardinality(sends) AS sends FROM otp_budgets b JOIN onboardings o USING (subject_key)
       WHERE o.id = $1`,
      [id],
    )) as { sends: number }[] as [{ sends: number }];
    expect(sends).toBe(1);
    expect(await resend(id, captcha())).toMatchObject({ status: 200, body: { state: 'otp_sent' } });
    expect(mails(person)).toBe(2);
  });

  it('a retry whose token is used up ends the step, and the previous code is no longer valid', async () => {
    const { person, id } = await sent();
    const of = { route: 'otp_init_v2', match: { contact: person.email } };
    story.sandbox.control.addFault({ ...of, status: 503, afterEffect: true });
    story.sandbox.control.addFault({ ...of, ...failed });
    expect(await resend(id, captcha())).toMatchObject({
      status: 422,
      body: { code: 'captcha_required', state: 'otp_needed' },
    });
    expect((await story.verify(id, person.code())).status).toBe(409);
  });

  it('the token of a resend is stored nowhere, during the send and after it', async () => {
    const { person, id } = await sent();
    const { otp } = captcha();
    const hunt = new SecretHunt().add('captcha token', otp.captchaToken);
    story.sandbox.control.addFault({
      route: 'otp_init_v2',
      match: { contact: person.email },
      status: 429,
      retryAfterS: 1,
    });
    await story.call('POST', `/v1/onboardings/${id}/otp/resend`, { otp }, { prefer: 'wait=0' });
    await story.until(id, ({ lastResult }) => lastResult !== null);
    const look = async () => hunt.in(`${await sinks.databaseDump()}\n${await sinks.redisDump()}`);
    expect(await look()).toEqual([]);
    await story.until(id, 'otp_sent');
    expect(await look()).toEqual([]);
    const [row] = (await story.sql('SELECT sealed_requests AS sealed FROM onboardings WHERE id = $1', [
      id,
    ])) as {
      sealed: unknown;
    }[];
    expect(row!.sealed).toBeNull();
  });

  it.each([
    [{ otp: { origin: 'https://app.example.com' } }, '/otp/origin'],
    [{ otp: { captchaToken: 'a b' } }, '/otp/captchaToken'],
    [{ otp: { otpLength: 6 } }, '/otp/otpLength'],
    [{ captchaToken: 'x' }, '/captchaToken'],
  ])(
    'a resend with a wrong member is refused and changes nothing; the answer names the member: %j',
    async (body, pointer) => {
      const { id } = await sent();
      const answer = await resend(id, body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
      expect(JSON.stringify(answer.body)).toContain(pointer.slice(1).split('/').at(-1));
      expect((await story.get(id)).body).toMatchObject({ state: 'otp_sent', lastResult: null });
    },
  );
});
