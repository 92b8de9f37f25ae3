import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPasskey, type PasskeyOptions } from '../../../tools/passkey.js';
import { apple, androidKey, fidoU2f, packed, tpm } from '../../passkeys/attestations.js';
import { BAD_PASSKEYS } from '../../passkeys/bad-passkeys.js';
import { trustRoot } from '../../passkeys/trusted-root.js';
import { ORIGIN, RP_ID, Story, type Subject } from '../../support/story.js';

const ROUTE = 'create-authenticators-otp';
const MODEL = 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4';
const aaguid = Buffer.from(MODEL.replaceAll('-', ''), 'hex');

let story: Story;
let distrust: () => void;
beforeAll(async () => {
  distrust = trustRoot();
  story = await Story.begin({
    worker: false,
    env: (sandbox) => ({
      INTEGRATIONS: 'byzantine,strict',
      INTEGRATION_STRICT_PROVIDER: 'byzantine',
      INTEGRATION_STRICT_BASE_URL: sandbox.url,
      INTEGRATION_STRICT_PRIVATE_KEY: sandbox.credential!.privateKeyHex,
      INTEGRATION_STRICT_RP_ID: RP_ID,
      INTEGRATION_STRICT_RP_NAME: 'Strict',
      INTEGRATION_STRICT_ORIGINS: ORIGIN,
      INTEGRATION_STRICT_USER_VERIFICATION: 'discouraged',
      INTEGRATION_STRICT_RESIDENT_KEY: 'required',
      INTEGRATION_STRICT_ATTESTATION: 'indirect',
      INTEGRATION_STRICT_ALGORITHMS: 'RS256',
      INTEGRATION_STRICT_AAGUID_ALLOW: MODEL,
      INTEGRATION_STRICT_MAX_AUTHENTICATORS: '2',
    }),
  });
});
afterAll(async () => {
  await story.end();
  distrust();
});

const named = <T>(credential: T) => ({ authenticatorName: 'Key', credential });
const honest = (challenge: string): PasskeyOptions => ({ rpId: RP_ID, origin: ORIGIN, challenge });
const codesOf = ({ body }: Awaited<ReturnType<Story['register']>>) =>
  body.errors.map(({ pointer, code }) => [pointer, code]);

async function verified(
  integration: 'byzantine' | 'strict' = 'byzantine',
  subject = story.newSubject(),
): Promise<{ id: string; subject: Subject }> {
  const { body } = await story.start(subject, { integration });
  await story.verify(body.id, story.code(subject));
  return { id: body.id, subject };
}

describe('each fault of a passkey', () => {
  it('is refused with its own error code before any upstream call, and valid passkeys work', async () => {
    const { id, subject } = await verified();
    for (const [code, what, make] of BAD_PASSKEYS) {
      const challenge = await story.challenge(id);
      const refused = await story.register(id, [named(make(honest(challenge)))]);
      expect([what, refused.status, refused.body.code]).toEqual([what, 422, 'attestation_invalid']);
      expect([what, codesOf(refused)]).toEqual([what, [['/authenticators/0', code]]]);
      expect([what, story.calls(subject, ROUTE)]).toEqual([what, 0]);
    }
    const accepted = await story.register(id, [named(createPasskey(honest(await story.challenge(id))))]);
    expect(accepted.body.state).toBe('completed');
    expect(story.calls(subject, ROUTE)).toBe(1);
  }, 120_000);

  it('is not found in valid passkeys: the service sends those of four attestation formats', async () => {
    for (const attestation of [tpm(), androidKey(), apple(), fidoU2f()]) {
      // The sandbox accepts only the formats none and packed. Its refusal shows that it got the passkey.
      const { id, subject } = await verified();
      await story.register(id, [named(createPasskey({ ...honest(await story.challenge(id)), attestation }))]);
      expect(story.calls(subject, ROUTE)).toBe(1);
    }
  });
});

describe('an integration’s own policy', () => {
  const ask = (id: string) =>
    story.call<Record<string, unknown> & { errors: unknown }>(
      'POST',
      `/v1/onboardings/${id}/authenticators/options`,
      { userName: 'ana' },
    );

  it('decides the options for a new passkey, and another integration’s policy does not', async () => {
    const [strict, usual] = [await verified('strict'), await verified()];
    expect((await ask(strict.id)).body).toMatchObject({
      rp: { id: RP_ID, name: 'Strict' },
      authenticatorSelection: {
        userVerification: 'discouraged',
        residentKey: 'required',
        requireResidentKey: true,
      },
      attestation: 'indirect',
      pubKeyCredParams: [{ alg: -257, type: 'public-key' }],
    });
    expect((await ask(usual.id)).body).toMatchObject({
      rp: { id: RP_ID, name: 'Acme' },
      authenticatorSelection: {
        userVerification: 'required',
        residentKey: 'preferred',
        requireResidentKey: false,
      },
      attestation: 'none',
      pubKeyCredParams: [
        { alg: -7, type: 'public-key' },
        { alg: -257, type: 'public-key' },
      ],
    });
  });

  it('decides how its passkeys are checked', async () => {
    const { id, subject } = await verified('strict');
    const made = async (more: Partial<PasskeyOptions>) =>
      named(createPasskey({ ...honest(await story.challenge(id)), alg: -257, ...more }));
    const bad: [code: string, Partial<PasskeyOptions>][] = [
      ['algorithm_not_allowed', { alg: -7, wrong: { aaguid }, attestation: packed() }],
      ['attestation_required', { wrong: { aaguid } }],
      ['attestation_required', { wrong: { aaguid }, attestation: 'packed' }],
      ['aaguid_not_allowed', { attestation: packed() }],
    ];
    for (const [code, more] of bad) {
      expect(codesOf(await story.register(id, [await made(more)]))).toEqual([['/authenticators/0', code]]);
    }
    const hidden = await made({ wrong: { aaguid }, attestation: packed() });
    hidden.credential.clientExtensionResults = { credProps: { rk: false } };
    expect(codesOf(await story.register(id, [hidden]))).toEqual([
      ['/authenticators/0', 'credential_not_discoverable'],
    ]);
    expect(story.calls(subject, ROUTE)).toBe(0);
  });

  it('limits the number of a user’s passkeys; at the limit, it refuses options for more', async () => {
    const { id, subject } = await verified();
    const short = await story.startService({ INTEGRATION_BYZANTINE_MAX_AUTHENTICATORS: '2' });
    const post = (path: string, body: object) =>
      story.call('POST', `/v1/onboardings/${path}`, body, {}, short.url);
    const make = async (onboarding: string) =>
      named(createPasskey(honest(await story.challenge(onboarding))));
    const three = [await make(id), await make(id), await make(id)];
    expect(codesOf(await post(`${id}/authenticators`, { authenticators: three }))).toEqual([
      ['/authenticators/2', 'too_many_authenticators'],
    ]);
    expect(story.calls(subject, ROUTE)).toBe(0);
    const two = await post(`${id}/authenticators`, { authenticators: three.slice(1) });
    expect(two.body.state).toBe('completed');

    // The replica that made the options allows more passkeys. The other one applies its own limit.
    const again = await verified('byzantine', subject);
    const third = await make(again.id);
    expect(codesOf(await post(`${again.id}/authenticators`, { authenticators: [third] }))).toEqual([
      ['/authenticators/0', 'too_many_authenticators'],
    ]);
    const refused = await post(`${again.id}/authenticators/options`, { userName: 'ana' });
    expect([refused.status, refused.body.code]).toEqual([422, 'attestation_invalid']);
    expect(codesOf(refused)).toEqual([['', 'too_many_authenticators']]);
    expect(story.calls(subject, ROUTE)).toBe(1);
    expect((await story.register(again.id, [third])).body.state).toBe('completed');
  });

  it('applies when the passkey is submitted, not when its options are made', async () => {
    const { id, subject } = await verified();
    const passkey = createPasskey({ ...honest(await story.challenge(id)), userVerified: false });
    const lenient = await story.startService({ INTEGRATION_BYZANTINE_USER_VERIFICATION: 'preferred' });
    expect(codesOf(await story.register(id, [named(passkey)]))).toEqual([
      ['/authenticators/0', 'user_not_verified'],
    ]);
    expect(story.calls(subject, ROUTE)).toBe(0);
    const body = { authenticators: [named(passkey)] };
    const taken = await story.call('POST', `/v1/onboardings/${id}/authenticators`, body, {}, lenient.url);
    expect(taken.body.state).toBe('completed');
  });
});
