import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPasskey, type PasskeyOptions } from '../../../tools/passkey.js';
import { ORIGIN, RP_ID, Story, type Answer, type Subject } from '../../support/story.js';
import { elapse } from '../../support/time-travel.js';
import { momentsOf } from '../../support/moments.js';

const ROUTE = 'create-authenticators-otp';

let story: Story;
beforeAll(async () => {
  story = await Story.begin({ worker: false });
});
afterAll(() => story.end());

const made = (challenge: string, lies: Partial<PasskeyOptions> = {}) => ({
  authenticatorName: 'Key',
  credential: createPasskey({ rpId: RP_ID, origin: ORIGIN, challenge, ...lies }),
});

async function expectRefused(answer: Answer, subject: Subject, ...faults: [index: number, code: string][]) {
  expect(answer.status).toBe(422);
  expect(answer.body).toMatchObject({ code: 'attestation_invalid', retryable: false });
  expect(answer.body.errors.map(({ pointer, code }) => [pointer, code])).toEqual(
    faults.map(([index, code]) => [`/authenticators/${index}`, code]),
  );
  expect(story.calls(subject, ROUTE)).toBe(0);
  const { body } = await story.call<{ items: { state: string }[] }>(
    'GET',
    `/v1/onboardings?userId=${subject.userId}&limit=1`,
  );
  expect(body.items[0]!.state).toBe('otp_verified');
}

describe('a passkey that fails a check', () => {
  it('is named by its index, and the valid passkeys of the submission are not sent either', async () => {
    const { id, subject } = await story.verified();
    const challenges = [];
    for (let n = 0; n < 4; n++) challenges.push(await story.challenge(id));
    const good = made(challenges[0]!);
    const refused = await story.register(id, [
      good,
      made(challenges[1]!, { userVerified: false }),
      made(challenges[2]!, { alg: -257 }),
      made(challenges[3]!, { origin: 'https://evil.example' }),
    ]);
    await expectRefused(refused, subject, [1, 'user_not_verified'], [3, 'origin_not_allowed']);
    const accepted = await story.register(id, [good, made(challenges[1]!)]);
    expect(accepted.body.authenticators).toHaveLength(2);
    expect(story.sandbox.control.authenticators(subject.userId)).toHaveLength(2);
  });

  it('is answered with 400 if it does not have the form of a passkey', async () => {
    const { id, subject } = await story.verified();
    const challenge = await story.challenge(id);
    const { authenticatorName, credential } = made(challenge);
    const bad: [unknown, string][] = [
      [[], '/authenticators'],
      [Array.from({ length: 11 }, () => ({ authenticatorName, credential })), '/authenticators'],
      [[{ authenticatorName }], '/authenticators/0'],
      [[{ authenticatorName: ' ', credential }], '/authenticators/0'],
      [[{ authenticatorName, credential: { ...credential, id: 'a+b/=' } }], '/authenticators/0'],
      [[{ authenticatorName, credential, extra: 1 }], '/authenticators/0'],
    ];
    for (const [authenticators, pointer] of bad) {
      const { status, body } = await story.register(id, authenticators as unknown[]);
      expect(status).toBe(400);
      expect(body.code).toBe('validation_failed');
      expect(body.errors[0]!.pointer).toMatch(new RegExp(`^${pointer}`));
    }
    expect(story.calls(subject, ROUTE)).toBe(0);
  });
});

describe('a challenge', () => {
  it('is valid only for its own onboarding', async () => {
    const [mine, theirs] = [await story.verified(), await story.verified()];
    const refused = await story.register(mine.id, [made(await story.challenge(theirs.id))]);
    await expectRefused(refused, mine.subject, [0, 'challenge_mismatch']);
  });

  it('is used up by a call to the provider, even if the provider refuses', async () => {
    const { id, subject } = await story.verified();
    const [used, other] = [await story.challenge(id), await story.challenge(id)];
    story.sandbox.control.addFault({ route: ROUTE, match: { userId: subject.userId }, status: 422 });
    const refused = await story.register(id, [made(used)]);
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({ code: 'upstream_rejected', state: 'otp_verified' });

    const again = await story.register(id, [made(used)]);
    expect(again.body.errors).toMatchObject([{ pointer: '/authenticators/0', code: 'challenge_mismatch' }]);
    expect(story.calls(subject, ROUTE)).toBe(1);
    expect((await story.register(id, [made(other)])).body.state).toBe('completed');
  });

  it('is valid for only one passkey of a submission', async () => {
    const { id, subject } = await story.verified();
    const challenge = await story.challenge(id);
    const refused = await story.register(id, [made(challenge), made(challenge)]);
    await expectRefused(refused, subject, [1, 'credential_duplicate']);
  });

  it('that a submission uses twice is refused, and the refusal does not count as a use', async () => {
    const { id, subject } = await story.verified();
    const challenge = await story.challenge(id);
    const unverified = made(challenge, { userVerified: false });
    for (let n = 0; n < 6; n++) {
      const refused = await story.register(id, [unverified, made(challenge)]);
      await expectRefused(refused, subject, [1, 'credential_duplicate']);
    }
    expect((await story.register(id, [made(challenge)])).body.state).toBe('completed');
  });

  it('is valid until five submissions have failed, and a new challenge is valid again', async () => {
    const { id, subject } = await story.verified();
    const challenge = await story.challenge(id);
    for (let n = 0; n < 5; n++) {
      const refused = await story.register(id, [made(challenge, { userVerified: false })]);
      await expectRefused(refused, subject, [0, 'user_not_verified']);
    }
    await expectRefused(await story.register(id, [made(challenge)]), subject, [0, 'challenge_mismatch']);
    expect((await story.register(id, [made(await story.challenge(id))])).body.state).toBe('completed');
  });

  it('loses a try also if its submission loses to its idempotency key after the check', async () => {
    const [one, other] = [await story.verified(), await story.verified()];
    const key = { 'idempotency-key': randomUUID() };
    expect((await story.register(other.id, [made(await story.challenge(other.id))], key)).status).toBe(200);
    const challenge = await story.challenge(one.id);
    for (let n = 0; n < 5; n++) {
      const refused = await story.register(one.id, [made(challenge)], key);
      expect([refused.status, refused.body.code]).toEqual([422, 'idempotency_key_reused']);
    }
    const last = await story.register(one.id, [made(challenge)]);
    await expectRefused(last, one.subject, [0, 'challenge_mismatch']);
  });

  it('is checked at most five times, even if twenty submissions come at the same time', async () => {
    const { id, subject } = await story.verified();
    const unverified = made(await story.challenge(id), { userVerified: false });
    const refused = await Promise.all(Array.from({ length: 20 }, () => story.register(id, [unverified])));
    const codes = Map.groupBy(refused, ({ body }) => body.errors[0]!.code);
    expect([...codes.keys()].sort()).toEqual(['challenge_mismatch', 'user_not_verified']);
    // A failed submission may count twice: in PostgreSQL, and among those that are still being checked.
    expect(codes.get('user_not_verified')!.length).toBeLessThanOrEqual(5);
    expect(story.calls(subject, ROUTE)).toBe(0);
  });

  it('expires after five minutes', async () => {
    const { id, subject } = await story.verified();
    const old = await story.challenge(id);
    await elapse(story, id, subject, 200_000);
    const young = await story.challenge(id);
    await elapse(story, id, subject, 101_000);
    await expectRefused(await story.register(id, [made(old)]), subject, [0, 'challenge_mismatch']);
    expect((await story.register(id, [made(young)])).body.state).toBe('completed');
  });

  it('is dropped when ten newer challenges of its onboarding exist', async () => {
    const { id, subject } = await story.verified();
    const challenges: string[] = [];
    for (let n = 0; n < 11; n++) challenges.push(await story.challenge(id));
    expect(new Set(challenges).size).toBe(11);
    const refused = await story.register(id, [made(challenges[0]!)]);
    await expectRefused(refused, subject, [0, 'challenge_mismatch']);
    const all = await story.register(
      id,
      challenges.slice(1).map((challenge) => made(challenge)),
    );
    expect(all.body.authenticators).toHaveLength(10);
    expect(story.calls(subject, ROUTE)).toBe(1);
  });
});

describe('a credential', () => {
  it('may have its id in a CBOR byte string, and is stored with the raw id', async () => {
    const { id, subject } = await story.verified();
    const challenge = await story.challenge(id);
    const credentialId = randomBytes(16);
    const { authenticatorName, credential } = made(challenge, { credentialId });
    const { clientDataJSON: clientDataJson, attestationObject } = credential.response;
    const named = Buffer.concat([Buffer.of(0x50), credentialId]).toString('base64url');
    const attestation = { credentialId: named, clientDataJson, attestationObject, transports: ['Unknown'] };
    const { body } = await story.register(id, [{ authenticatorName, challenge, attestation }]);
    const raw = credentialId.toString('base64url');
    expect(body).toMatchObject({ state: 'completed', authenticators: [{ credentialId: raw }] });
    expect(story.calls(subject, ROUTE)).toBe(1);
  });

  it('may come only once in a submission', async () => {
    const { id, subject } = await story.verified();
    const credentialId = randomBytes(32);
    const passkeys = [await story.challenge(id), await story.challenge(id)].map((challenge) =>
      made(challenge, { credentialId }),
    );
    await expectRefused(await story.register(id, passkeys), subject, [1, 'credential_duplicate']);
  });

  it('that the user has registered is in excludeCredentials, and is refused if submitted', async () => {
    const first = await story.verified();
    const passkey = await story.passkey(first.id);
    expect((await story.register(first.id, [passkey])).body.state).toBe('completed');
    const { subject } = first;

    const { id } = await story.verified(subject);
    const { body: options } = await story.call<{ excludeCredentials: { id: string }[]; challenge: string }>(
      'POST',
      `/v1/onboardings/${id}/authenticators/options`,
      { userName: 'ana' },
    );
    expect(options.excludeCredentials.map((each) => each.id)).toEqual([passkey.credential.id]);
    const credentialId = Buffer.from(passkey.credential.id, 'base64url');
    const refused = await story.register(id, [
      made(await story.challenge(id)),
      made(options.challenge, { credentialId }),
    ]);
    expect(refused.status).toBe(422);
    expect(refused.body.errors).toMatchObject([
      { pointer: '/authenticators/1', code: 'credential_already_registered' },
    ]);
    expect(story.calls(subject, ROUTE)).toBe(1);
    expect((await story.get(id)).body.state).toBe('otp_verified');
    expect((await story.register(id, [made(options.challenge)])).body.state).toBe('completed');
  });

  it('whose id another user has registered is refused, whatever its public key', async () => {
    const theirs = await story.verified();
    const passkey = await story.passkey(theirs.id);
    expect((await story.register(theirs.id, [passkey])).body.state).toBe('completed');

    const { id, subject } = await story.verified();
    const credentialId = Buffer.from(passkey.credential.id, 'base64url');
    const challenge = await story.challenge(id);
    const refused = await story.register(id, [made(challenge, { credentialId })]);
    await expectRefused(refused, subject, [0, 'credential_already_registered']);
    expect(refused.body.errors[0]!.detail).toBe('A passkey with this credential id is registered already.');
    expect((await story.register(id, [made(challenge)])).body.state).toBe('completed');
  });

  it('that the provider has refused may be submitted again', async () => {
    const { id, subject } = await story.verified();
    const credentialId = randomBytes(32);
    story.sandbox.control.addFault({ route: ROUTE, match: { userId: subject.userId }, status: 422 });
    await story.register(id, [made(await story.challenge(id), { credentialId })]);
    const again = await story.register(id, [made(await story.challenge(id), { credentialId })]);
    expect(again.body.state).toBe('completed');
  });
});

describe('the options for a new passkey', () => {
  it('ask the browser for everything that the service checks later', async () => {
    const { id } = await story.verified();
    const ask = () =>
      story.call<Record<string, unknown> & { user: { id: string } }>(
        'POST',
        `/v1/onboardings/${id}/authenticators/options`,
        { userName: 'ana@example.com', userDisplayName: 'Ana' },
      );
    const { body } = await ask();
    expect(body).toMatchObject({
      rp: { id: RP_ID, name: 'Acme' },
      user: { name: 'ana@example.com', displayName: 'Ana' },
      authenticatorSelection: { userVerification: 'required' },
      excludeCredentials: [],
    });
    expect((body['pubKeyCredParams'] as { alg: number }[]).map(({ alg }) => alg)).toEqual([-7, -257]);
    const again = (await ask()).body;
    expect(again.user.id).toBe(body.user.id);
    expect(again['challenge']).not.toBe(body['challenge']);
  });

  it('have the time that is left for a submission as their timeout', async () => {
    const { id, subject } = await story.verified();
    const timeout = async () => {
      const path = `/v1/onboardings/${id}/authenticators/options`;
      return (await story.call<{ timeout: number }>('POST', path, { userName: 'ana' })).body.timeout;
    };
    expect(await timeout()).toBe(300_000);
    await elapse(story, id, subject, 720_000);
    const left = Date.parse(momentsOf((await story.get(id)).body).before!) - Date.now();
    const given = await timeout();
    expect(given).toBeGreaterThan(left - 30_000);
    expect(given).toBeLessThan(left + 2_000);
    expect(left).toBeLessThan(290_000);
  });

  it('are available only while a session is open', async () => {
    const { id } = await story.sent();
    const { status, body } = await story.call('POST', `/v1/onboardings/${id}/authenticators/options`, {
      userName: 'ana',
    });
    expect(status).toBe(409);
    expect(body).toMatchObject({
      code: 'illegal_state',
      state: 'otp_sent',
      nextAction: { type: 'submit_otp' },
    });
  });
});
