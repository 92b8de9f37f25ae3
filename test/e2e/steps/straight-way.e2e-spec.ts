import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Story } from '../../support/story.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

describe('an onboarding without faults', () => {
  it('takes a user from a mailed code to a registered passkey', async () => {
    const subject = story.newSubject();
    const started = await story.start(subject, { externalRef: 'signup-42', metadata: { plan: 'pro' } });
    expect(started.status).toBe(201);
    const { id } = started.body;
    expect(started.headers.get('location')).toBe(`/v1/onboardings/${id}`);
    expect(started.body).toMatchObject({
      integration: 'byzantine',
      provider: 'byzantine',
      subject: { accountId: subject.accountId, userId: subject.userId },
      externalRef: 'signup-42',
      metadata: { plan: 'pro' },
      state: 'otp_sent',
      nextAction: { type: 'submit_otp' },
      otp: { sends: 1, attemptsLeft: 3 },
      session: null,
      lastResult: null,
      unresolved: null,
    });

    const verified = await story.verify(id, story.code(subject));
    expect(verified.status).toBe(200);
    expect(verified.body).toMatchObject({
      state: 'otp_verified',
      nextAction: { type: 'submit_authenticators' },
    });
    expect(Object.keys(verified.body.session!)).toEqual(['expiresAt']);

    const passkey = await story.passkey(id);
    const done = await story.register(id, [passkey]);
    expect(done.status).toBe(200);
    expect(done.body).toMatchObject({ state: 'completed', nextAction: { type: 'none' }, session: null });
    const [stored] = story.sandbox.control.authenticators(subject.userId);
    expect(done.body.authenticators).toEqual([
      expect.objectContaining({
        id: stored!.authenticatorId,
        authenticatorName: "Ana's phone",
        credentialId: passkey.credential.id,
        transports: passkey.credential.response.transports,
      }),
    ]);
    expect(await story.eventTypes(id)).toEqual([
      'created',
      'attempt_started',
      'attempt_ended',
      'otp_sent',
      'otp_submitted',
      'attempt_started',
      'attempt_ended',
      'otp_verified',
      'authenticators_submitted',
      'attempt_started',
      'attempt_ended',
      'authenticators_created',
      'secrets_wiped',
    ]);
    expect(story.journal(subject).map(({ route }) => route)).toEqual([
      'init-otp',
      'otp-auth',
      'create-authenticators-otp',
    ]);
  });

  it("accepts passkeys in the provider's own form, including the transport Unknown", async () => {
    const { id, subject } = await story.verified();
    const { credential } = await story.passkey(id);
    const clientData = JSON.parse(
      Buffer.from(credential.response.clientDataJSON, 'base64url').toString(),
    ) as { challenge: string };
    const done = await story.register(id, [
      {
        authenticatorName: 'Key',
        challenge: clientData.challenge,
        attestation: {
          credentialId: credential.id,
          clientDataJson: credential.response.clientDataJSON,
          attestationObject: credential.response.attestationObject,
          transports: ['AUTHENTICATOR_TRANSPORT_USB', 'Unknown'],
        },
      },
    ]);
    expect(done.body.authenticators[0]).toMatchObject({ transports: ['usb', 'unknown'] });
    expect(story.sandbox.control.authenticators(subject.userId)[0]).toMatchObject({
      transports: ['AUTHENTICATOR_TRANSPORT_USB', 'Unknown'],
    });
  });

  it('reports call durations that are not longer than their attempts', async () => {
    const stories = await Promise.all(Array.from({ length: 10 }, () => story.verified()));
    for (const { id } of stories) {
      const events = await story.events(id);
      const ended = events.filter(({ type }) => type === 'attempt_ended');
      expect(ended.length).toBeGreaterThanOrEqual(2);
      for (const { at, data } of ended) {
        const started = events.find(
          (event) => event.type === 'attempt_started' && event.data['attempt'] === data['attempt'],
        )!;
        const apartMs = Date.parse(at) - Date.parse(started.at);
        expect(data['durationMs']).toBeGreaterThanOrEqual(0);
        expect(data['durationMs']).toBeLessThanOrEqual(apartMs);
      }
    }
  });
});
