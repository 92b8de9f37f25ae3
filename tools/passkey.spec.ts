import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { generateRegistrationOptions, verifyRegistrationResponse } from '@simplewebauthn/server';
import { decodeClientDataJSON, decodeCredentialPublicKey } from '@simplewebauthn/server/helpers';
import { answerCreationOptions } from './passkey-answer.js';
import { createPasskey, type PasskeyAlgorithm, type PasskeyOptions } from './passkey.js';

const RP_ID = 'app.example.com';
const ORIGIN = 'https://app.example.com';
const CHALLENGE = randomBytes(32).toString('base64url');
const HONEST: PasskeyOptions = { rpId: RP_ID, origin: ORIGIN, challenge: CHALLENGE };

const verify = (options: PasskeyOptions, expectedChallenge = CHALLENGE, supportedAlgorithmIDs = [-7, -257]) =>
  verifyRegistrationResponse({
    response: createPasskey(options),
    expectedChallenge,
    expectedOrigin: ORIGIN,
    expectedRPID: RP_ID,
    supportedAlgorithmIDs,
  });

describe('a passkey without wrong values', () => {
  const algorithms: PasskeyAlgorithm[] = [-7, -257, -8];
  const cases = algorithms.flatMap((alg) => (['none', 'packed'] as const).map((fmt) => ({ alg, fmt })));

  it.each(cases)(
    'is accepted with the algorithm $alg and the attestation format $fmt',
    async ({ alg, fmt }) => {
      const { verified, registrationInfo } = await verify({ ...HONEST, alg, attestation: fmt }, CHALLENGE, [
        alg,
      ]);
      expect(verified).toBe(true);
      expect(registrationInfo).toMatchObject({ fmt, userVerified: true, origin: ORIGIN, rpID: RP_ID });
      const credential = registrationInfo!.credential;
      expect(decodeCredentialPublicKey(credential.publicKey).get(3)).toBe(alg);
    },
  );

  it('has the requested id and transports, and base64url values without padding', async () => {
    const credentialId = Uint8Array.from({ length: 300 }, (_, i) => i);
    const passkey = createPasskey({ ...HONEST, credentialId, transports: ['usb'] });
    expect(passkey.id).toBe(Buffer.from(credentialId).toString('base64url'));
    expect(passkey.response.transports).toEqual(['usb']);
    const { clientDataJSON, attestationObject, authenticatorData, publicKey } = passkey.response;
    for (const value of [passkey.rawId, clientDataJSON, attestationObject, authenticatorData, publicKey]) {
      expect(value).toMatch(/^[\w-]+$/);
    }
    expect(decodeClientDataJSON(clientDataJSON)).toMatchObject({
      type: 'webauthn.create',
      challenge: CHALLENGE,
    });
    const { registrationInfo } = await verify({ ...HONEST, credentialId });
    expect(registrationInfo!.credential.id).toBe(passkey.id);
  });
});

describe('the public key of a passkey', () => {
  it('is CBOR in CTAP2’s order: type and algorithm, then curve and point', () => {
    const object = Buffer.from(createPasskey(HONEST).response.attestationObject, 'base64url').toString('hex');
    // {"fmt": "none", "attStmt": {}, "authData": …
    expect(object).toMatch(/^a363666d74646e6f6e656761747453746d74a0686175746844617461/);
    // {1: 2, 3: -7, -1: 1, -2: 32 bytes, -3: 32 bytes}
    expect(object).toMatch(/a5010203262001215820[0-9a-f]{64}225820[0-9a-f]{64}$/);
  });
});

describe('a passkey with a wrong value', () => {
  it.each<[string, Partial<PasskeyOptions>, RegExp]>([
    ['challenge', { challenge: randomBytes(32).toString('base64url') }, /challenge/],
    ['origin', { origin: 'https://evil.example.com' }, /origin/],
    ['rpId', { rpId: 'example.org' }, /RP ID/],
    ['hash of the rpId', { wrong: { rpIdHash: randomBytes(32) } }, /RP ID/],
    ['type', { wrong: { type: 'webauthn.get' } }, /type/],
    ['user verification', { userVerified: false }, /verif/],
    ['flags without user presence', { wrong: { flags: 0x44 } }, /present/],
    ['algorithm', { alg: -8 }, /alg/],
    ['claimed algorithm', { wrong: { alg: -35 } }, /alg/],
    ['length of the aaguid', { wrong: { aaguid: randomBytes(15) } }, /./],
  ])('is refused by @simplewebauthn/server: %s', async (_, options, message) => {
    await expect(verify({ ...HONEST, ...options })).rejects.toThrow(message);
  });

  it('is refused if another key has signed its packed attestation', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signature = sign('sha256', Buffer.from('anything'), privateKey);
    const { verified } = await verify({ ...HONEST, attestation: 'packed', wrong: { signature } });
    expect(verified).toBe(false);
  });

  it('contains the given AAGUID, crossOrigin and topOrigin', async () => {
    const aaguid = Buffer.from('ea9b8d664d011d213ce4b6b48cb575d4', 'hex');
    const { registrationInfo } = await verify({ ...HONEST, wrong: { aaguid } });
    expect(registrationInfo!.aaguid).toBe('ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4');

    const { response } = createPasskey({
      ...HONEST,
      wrong: { crossOrigin: true, topOrigin: 'https://evil.example' },
    });
    expect(decodeClientDataJSON(response.clientDataJSON)).toMatchObject({
      crossOrigin: true,
      topOrigin: 'https://evil.example',
    });
  });
});

describe('the answer to creation options', () => {
  const optionsFor = (supportedAlgorithmIDs: number[]) =>
    generateRegistrationOptions({ rpID: RP_ID, rpName: 'Example', userName: 'ana', supportedAlgorithmIDs });

  it.each([
    [[-257, -7], -257],
    [[-36, -7], -7],
  ])('for the algorithms %j, has a passkey with the algorithm %d', async (offered, alg) => {
    const options = await optionsFor(offered);
    const { authenticators } = answerCreationOptions(JSON.stringify(options), { authenticatorName: 'Ana' });
    expect(authenticators).toHaveLength(1);
    expect(authenticators[0]!.authenticatorName).toBe('Ana');
    expect(authenticators[0]!.credential.response.publicKeyAlgorithm).toBe(alg);
    const { verified } = await verifyRegistrationResponse({
      response: authenticators[0]!.credential,
      expectedChallenge: options.challenge,
      expectedOrigin: ORIGIN,
      expectedRPID: RP_ID,
      supportedAlgorithmIDs: offered,
    });
    expect(verified).toBe(true);
  });

  it('has the given origin, which is required if the options have no rp id', () => {
    const options = JSON.stringify({
      challenge: CHALLENGE,
      rp: { name: 'x' },
      pubKeyCredParams: [{ alg: -7 }],
    });
    const { authenticators } = answerCreationOptions(options, { origin: 'http://localhost:3000' });
    const clientData = decodeClientDataJSON(authenticators[0]!.credential.response.clientDataJSON);
    expect(clientData.origin).toBe('http://localhost:3000');
    expect(() => answerCreationOptions(options)).toThrow(/origin/);
  });

  it.each([
    ['', /no options given/],
    ['<html>', /not valid JSON/],
    ['[]', /"challenge"/],
    ['{"status":409,"code":"illegal_state","detail":"not now"}', /illegal_state: not now/],
    ['{"challenge":"AA","rp":{"id":"x"},"pubKeyCredParams":[{"alg":-47}]}', /none of the algorithms/],
  ])('is an error for the input %j', (input, message) => {
    expect(() => answerCreationOptions(input)).toThrow(message);
  });
});
