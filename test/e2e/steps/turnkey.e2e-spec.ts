import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Story } from '../../support/story.js';
import { DOORS, Person, throughDoor, type Door } from '../../support/turnkey-door.js';

let story: Story;

async function completeOnboarding(person: Person): Promise<string> {
  const started = await person.start();
  expect([201, 202]).toContain(started.status);
  const { id } = started.body;
  await story.until(id, 'otp_sent');
  await story.verify(id, person.code());
  await story.until(id, 'otp_verified');
  await story.register(id, [await story.passkey(id)]);
  await story.until(id, 'completed');
  return id;
}

const BEHIND: Record<Door, { init: string; verify: string; login: string }> = {
  turnkey: { init: 'init_otp', verify: 'verify_otp', login: '/public/v1/submit/otp_login' },
  'turnkey-auth-proxy': { init: 'otp_init_v2', verify: 'otp_verify_v2', login: 'otp_login_v2' },
};

describe.each(DOORS)('%s, with the session’s key in the service', (door) => {
  beforeAll(async () => {
    story = await Story.begin({ env: throughDoor(door) });
  });
  afterAll(() => story.end());

  it.each([
    ['a user with a sub-organization', { known: true }],
    ['a user whom the caller names by the sub-organization', { known: true, named: true }],
    ['a user without a sub-organization', { known: false }],
  ])('completes for %s', async (_, who) => {
    const person = new Person(story, who);
    const id = await completeOnboarding(person);
    const { body } = await story.get(id);
    expect(body).toMatchObject({
      provider: door,
      subject: person.subject,
      session: null,
      unresolved: null,
      deviceSigning: null,
    });
    expect(body.authenticators).toMatchObject([{ id: expect.any(String), authenticatorName: "Ana's phone" }]);
    expect(person.effects('authenticators_created')).toBe(1);
  });

  it('reports a wrong code, and accepts the right code afterwards', async () => {
    const person = new Person(story);
    const { id } = (await person.start()).body;
    const wrong = await story.verify(id, person.code().startsWith('A') ? 'B00000000' : 'A00000000');
    expect(wrong).toMatchObject({ status: 422, body: { code: 'otp_invalid', attemptsLeft: 2 } });
    expect((await story.verify(id, person.code())).status).toBe(200);
  });

  it('treats a contact as one user, whatever ids a caller sends', async () => {
    const person = new Person(story, { named: true });
    expect((await person.start()).status).toBe(201);
    const { contact } = person.subject;
    for (const subject of [{ contact }, { contact, organizationId: randomUUID() }]) {
      expect(await story.call('POST', '/v1/onboardings', { subject })).toMatchObject({
        status: 409,
        body: { code: 'onboarding_live' },
      });
    }
    expect(person.effects('otp_sent')).toBe(1);
  });

  it('refuses a device’s request, because no device holds the key', async () => {
    const person = new Person(story);
    const { id } = (await person.start()).body;
    await story.verify(id, person.code());
    const device = { clientSignature: 'ab'.repeat(64), body: '{}', stamp: 'AA' };
    expect(await story.call('POST', `/v1/onboardings/${id}/authenticators`, { device })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/device', code: 'not_supported' }] },
    });
  });

  it('refuses an unknown option, names it, and sends nothing', async () => {
    const person = new Person(story);
    const refused = await person.start({ otp: { otpColour: 'green' } });
    expect(refused).toMatchObject({
      status: 400,
      body: { code: 'validation_failed', errors: [{ pointer: '/otp/otpColour' }] },
    });
    expect(person.requests()).toEqual([]);
  });

  it('refuses a code that a device has encrypted, and accepts only the plain code', async () => {
    const person = new Person(story);
    const { id } = (await person.start()).body;
    const bundle = { encappedPublic: `04${'ab'.repeat(64)}`, ciphertext: 'cd'.repeat(40) };
    const refused = await story.call('POST', `/v1/onboardings/${id}/otp/verify`, {
      encryptedOtpBundle: JSON.stringify(bundle),
    });
    // The integration accepts only plain codes, and refuses others before it reads the onboarding.
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ pointer: '/encryptedOtpBundle' }] } });
  });

  it('repeats a login whose answer was lost, without using the code again', async () => {
    const person = new Person(story);
    const { id } = (await person.start()).body;
    story.sandbox.control.addFault({
      route: BEHIND[door].login,
      match: { contact: person.email },
      status: 503,
      afterEffect: true,
    });
    await story.verify(id, person.code());
    await story.until(id, 'otp_verified');
    expect(person.effects('otp_verified')).toBe(1);
    expect(person.effects('session_opened')).toBe(1);
  });
});

describe('turnkey', () => {
  beforeAll(async () => {
    story = await Story.begin({ env: throughDoor('turnkey') });
  });
  afterAll(() => story.end());

  const LOSSES = {
    'a 5xx after the effect': { status: 502, body: '<html>bad gateway</html>', contentType: 'text/html' },
    'a cut after the effect': { cut: 'after' },
    'half an answer': { cut: 'mid-response' },
  } as const;
  const CALLS = ['init_otp', 'verify_otp', '/public/v1/submit/otp_login', 'create_authenticators'];

  it.each(CALLS.flatMap((route) => Object.keys(LOSSES).map((loss) => [route, loss] as const)))(
    'repeats a call with the same bytes, so that it takes effect only once: %s after %s',
    async (route, loss) => {
      const person = new Person(story, { named: true });
      const spec = LOSSES[loss as keyof typeof LOSSES];
      const { organizationId } = person.subject as { organizationId: string };
      const match = route === 'init_otp' ? { contact: person.email } : { organizationId };
      // A call of verify_otp does not name the sub-organization, so this fault hits any user's next call.
      story.sandbox.control.addFault({
        route,
        ...(route !== 'verify_otp' && { match }),
        times: 2,
        ...spec,
        ...('status' in spec && { afterEffect: true }),
      });
      const id = await completeOnboarding(person);
      story.sandbox.control.removeFaults();
      expect((await story.get(id)).body).toMatchObject({ state: 'completed', unresolved: null });
      expect(await story.eventTypes(id)).not.toContain('outcome_lost');
      expect(await story.eventTypes(id)).not.toContain('second_mail_possible');
      // Repeated calls use up no try and no send, and do not count for the day.
      expect((await story.get(id)).body.otp).toMatchObject({ sends: 1, attemptsLeft: 2 });
      const [budget] = await story.sql(
        `SELECT cardinality(sends) AS sends, cardinality(wrong_codes) AS wrong
         FROM otp_budgets WHERE subject_key = $1`,
        [story.blind(`email:${person.email}`)],
      );
      expect(budget).toEqual({ sends: 1, wrong: 0 });
      const { userId } = person.subject as { userId: string };
      expect(story.sandbox.control.authenticators(userId)).toHaveLength(1);
      expect(story.sandbox.control.mails({ email: person.email })).toHaveLength(1);
      for (const effect of ['otp_sent', 'otp_verified', 'session_opened', 'authenticators_created']) {
        expect([effect, person.effects(effect)]).toEqual([effect, 1]);
      }
    },
  );

  it.each(Object.keys(LOSSES))('makes only one new sub-organization in spite of %s', async (loss) => {
    const person = new Person(story, { known: false });
    const spec = LOSSES[loss as keyof typeof LOSSES];
    story.sandbox.control.addFault({
      route: 'create_sub_organization',
      times: 2,
      ...spec,
      ...('status' in spec && { afterEffect: true }),
    });
    const id = await completeOnboarding(person);
    story.sandbox.control.removeFaults();
    expect((await story.get(id)).body).toMatchObject({ state: 'completed', unresolved: null });
    for (const effect of ['otp_verified', 'sub_organization_created', 'authenticators_created']) {
      expect([effect, person.effects(effect)]).toEqual([effect, 1]);
    }
  });

  it('lets the caller choose the length, the characters and the lifetime of a code', async () => {
    const person = new Person(story);
    const otp = { otpLength: 6, alphanumeric: false, expirationSeconds: '120' };
    const { body } = await person.start({ otp });
    expect(person.code()).toMatch(/^\d{6}$/);
    const lifeMs = Date.parse(body.otp.expiresAt!) - Date.parse(body.otp.sentAt!);
    expect(lifeMs).toBe(120_000);
    // A resend's code has the same length and alphabet.
    await story.cooledDown(body.id);
    await story.resend(body.id);
    expect(person.code()).toMatch(/^\d{6}$/);
  });

  it.each([
    ['ACTIVITY_STATUS_CONSENSUS_NEEDED', 'consensus_needed'],
    ['ACTIVITY_STATUS_AUTHENTICATORS_NEEDED', 'mfa_needed'],
  ] as const)(
    'the activity status %s makes a verification fail with its own error code',
    async (status, code) => {
      const person = new Person(story);
      const { id } = (await person.start()).body;
      story.sandbox.control.addFault({ route: 'verify_otp', times: 1, activity: { status } });
      expect((await story.verify(id, person.code())).status).toBe(422);
      expect((await story.get(id)).body).toMatchObject({ state: 'failed', failure: { code } });
    },
  );

  it('waits for a pending activity', async () => {
    const person = new Person(story);
    story.sandbox.control.addFault({
      route: 'init_otp',
      match: { contact: person.email },
      activity: { polls: 1 },
    });
    expect((await person.start()).body).toMatchObject({ state: 'otp_sent' });
    expect(person.effects('otp_sent')).toBe(1);
  });
});
