import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataKeys } from '#libs/onboarding';
import { Sealer } from '#libs/platform';
import { until } from '#libs/testing';
import { Device } from '../../../libs/upstream/src/fixtures/device.js';
import { createPasskey } from '../../../tools/passkey.js';
import type { AppProcess } from '../../support/app-process.js';
import { SecretHunt } from '../../support/secret-hunt.js';
import { Sinks } from '../../support/sinks.js';
import { ORIGIN, RP_ID, Story } from '../../support/story.js';
import { DOORS, Person, throughDoor, type Door } from '../../support/turnkey-door.js';

/** In these tests, the user's device uses Turnkey's own packages, and the caller forwards its requests. */
let story: Story;
let service: AppProcess;
let worker: AppProcess;
let sinks: Sinks;
const hunt = new SecretHunt();

const VERIFY: Record<Door, string> = { turnkey: 'verify_otp', 'turnkey-auth-proxy': 'otp_verify_v2' };

async function begin(door: Door): Promise<void> {
  story = await Story.begin({ service: false, worker: false, env: throughDoor(door, 'client') });
  sinks = await Sinks.open(story);
  [service, worker] = await Promise.all([
    story.startProcess('onboarding', { LOG_LEVEL: 'debug' }),
    story.startProcess('worker', { LOG_LEVEL: 'debug' }),
  ]);
}

async function encrypted(person = new Person(story, { named: true })) {
  const { status, body } = await person.start();
  expect([status, body.nextAction.type]).toEqual([201, 'submit_otp']);
  const device = new Device();
  const code = person.code();
  hunt.add(`code of ${person.email}`, code).add(`key of ${person.email}`, device.privateKey);
  const proof = await device.encrypt(
    { handle: '', targetBundle: body.otp.targetBundle! },
    code,
    story.sandbox.turnkey.signerPublicKey,
  );
  if (proof.type !== 'encrypted-code') throw new Error('a device must encrypt the code');
  return { id: body.id, person, device, verification: { encryptedOtpBundle: proof.encryptedOtpBundle } };
}

const verify = (id: string, body: object, headers: Record<string, string> = {}) =>
  story.call('POST', `/v1/onboardings/${id}/otp/verify`, body, headers);
const AT_ONCE = { prefer: 'respond-async' };

async function passkey(id: string, origin = ORIGIN) {
  const challenge = await story.challenge(id);
  const { response, rawId } = createPasskey({ rpId: RP_ID, origin, challenge });
  return {
    authenticatorName: "Ana's phone",
    challenge,
    attestation: {
      credentialId: rawId,
      clientDataJson: response.clientDataJSON,
      attestationObject: response.attestationObject,
      transports: ['AUTHENTICATOR_TRANSPORT_INTERNAL'],
    },
  };
}

const register = (id: string, device: object, headers: Record<string, string> = {}) =>
  story.call('POST', `/v1/onboardings/${id}/authenticators`, { device }, headers);

async function opened(id: string): Promise<string> {
  const fields = {
    otp_code: 'sealed_otp_code',
    grant: 'sealed_grant',
    authenticators: 'sealed_authenticators',
    requests: 'sealed_requests',
  };
  const [row] = await story.sql<Record<string, Buffer | null>>(`SELECT * FROM onboardings WHERE id = $1`, [
    id,
  ]);
  const [keyId, key] = story.env['SEALING_KEYS']!.split(':');
  const ring = new Sealer([{ id: keyId!, key: Buffer.from(key!, 'base64') }]);
  const sealer = new DataKeys(ring).sealerOf({ id, sealedDataKey: row!['sealed_data_key'] ?? null });
  return Object.entries(fields)
    .flatMap(([field, column]) => {
      const sealed = row![column];
      return sealed ? [`${field} ${sealer.open({ onboardingId: id, field }, sealed)}`] : [];
    })
    .join('\n');
}

describe.each(DOORS)('%s, with the session’s key on the user’s device', (door) => {
  beforeAll(() => begin(door), 30_000);
  afterAll(async () => {
    sinks?.close();
    await story.end();
  });

  it('completes an onboarding after failures, and neither code nor key reaches the service', async () => {
    const { id, person, device, verification } = await encrypted();
    const { control } = story.sandbox;
    // A verification at the Auth Proxy cannot be repeated after its effect, so there the call fails before.
    const afterEffect = door === 'turnkey';
    control.addFault({ route: VERIFY[door], status: 503, retryAfterS: 1, afterEffect });
    await verify(id, verification, AT_ONCE);
    await until('the retry is scheduled', async () =>
      (await story.eventTypes(id)).includes('retry_scheduled'),
    );
    const waiting = await opened(id);
    expect(waiting).toMatch(/^otp_code /m);
    expect(hunt.in(waiting)).toEqual([]);

    const { deviceSigning } = await story.until(id, 'otp_verified');
    expect(deviceSigning).toMatchObject({
      organizationId: person.subject['organizationId'],
      userId: person.subject['userId'],
      publicKey: device.publicKey,
    });
    const request = await device.request(deviceSigning!, [await passkey(id)]);
    const match = { organizationId: deviceSigning!.organizationId };
    control.addFault({ route: 'create_authenticators', match, status: 502, afterEffect: true });
    await register(id, request, AT_ONCE);
    expect(hunt.in(await opened(id))).toEqual([]);
    const completed = await story.until(id, 'completed');
    expect(completed).toMatchObject({ deviceSigning: null, authenticators: [{ id: expect.any(String) }] });
    expect(control.authenticators(deviceSigning!.userId)).toHaveLength(1);

    // Turnkey recognizes an activity by the hash of its bytes, so the service has sent the same bytes twice.
    expect(person.effects('authenticators_created')).toBe(1);
    expect(await sinks.redisDump()).toContain(id);
    for (const sink of [await sinks.redisDump(), sinks.sentToRedis(), await sinks.databaseDump()]) {
      expect(hunt.in(sink)).toEqual([]);
    }
    for (const app of [service, worker]) expect(hunt.in(app.said)).toEqual([]);
    expect(service.said).toContain(id);
  });

  it('refuses an unencrypted code in any place, and names the member for encrypted codes', async () => {
    const { id, person } = await encrypted();
    const code = person.code();
    const cases = [
      { code },
      { encryptedOtpBundle: code },
      { encryptedOtpBundle: JSON.stringify({ code }) },
      { encryptedOtpBundle: `{"encappedPublic":"04${'0'.repeat(128)}","ciphertext":"${code}"}` },
    ];
    for (const body of cases) {
      const pointer = 'code' in body ? '/code' : '/encryptedOtpBundle';
      expect(await verify(id, body)).toMatchObject({
        status: 400,
        body: { code: 'validation_failed', errors: [{ pointer }] },
      });
    }
    for (const sink of [
      await sinks.redisDump(),
      sinks.sentToRedis(),
      await sinks.databaseDump(),
      service.said,
    ]) {
      expect(hunt.in(sink)).toEqual([]);
    }
    expect((await story.get(id)).body.otp.attemptsLeft).toBe(3);
    expect(person.effects('otp_missed')).toBe(0);
  });

  it('refuses unsigned passkeys and requests of another device before any call', async () => {
    const { id, person, device, verification } = await encrypted();
    const { deviceSigning } = (await verify(id, verification)).body;
    const calls = person.requests().length;
    const bare = await story.register(id, [await passkey(id)]);
    expect(bare).toMatchObject({ status: 400, body: { errors: [{ pointer: '/authenticators' }] } });

    const good = await device.request(deviceSigning!, [await passkey(id)]);
    const stranger = await new Device().request(deviceSigning!, [await passkey(id)]);
    const elsewhere = await device.request({ ...deviceSigning!, userId: 'another-user' }, [
      await passkey(id),
    ]);
    const cases: [object, RegExp][] = [
      [stranger, /^\/device\//],
      [elsewhere, /^\/device\/body/],
      [{ ...good, body: `${good.body} ` }, /^\/device\/stamp/],
      [{ ...good, clientSignature: stranger.clientSignature }, /^\/device\/clientSignature/],
    ];
    for (const [request, pointer] of cases) {
      const { status, body } = await register(id, request);
      expect([status, body.code]).toEqual([400, 'validation_failed']);
      expect(body.errors[0]!.pointer).toMatch(pointer);
    }
    const [fine, foreign] = [await passkey(id), await passkey(id, 'https://evil.example')];
    expect(await register(id, await device.request(deviceSigning!, [fine, foreign]))).toMatchObject({
      status: 422,
      body: {
        code: 'attestation_invalid',
        errors: [
          {
            pointer: '/device',
            code: 'origin_not_allowed',
            detail: 'Passkey 2 of the device’s request: This integration does not allow the origin.',
          },
        ],
      },
    });
    expect(person.requests()).toHaveLength(calls);
    expect((await register(id, good)).body.state).toBe('completed');
  });

  it('requires an existing sub-organization, because only the user’s device can create one', async () => {
    const refused = await new Person(story, { known: false }).start();
    expect(refused).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
    expect(refused.body.errors.map(({ pointer }) => pointer)).toContain('/subject/organizationId');
  });
});
