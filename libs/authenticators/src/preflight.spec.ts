import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import fc from 'fast-check';
import { createPasskey, type PasskeyOptions } from '../../../tools/passkey.js';
import { ATTESTATION_CODES, type AttestationCode } from './attestation-error.js';
import { PreflightError, preflight } from './preflight.js';

const party = { rpId: 'app.example.com', origins: ['https://app.example.com', 'https://admin.example.com'] };
const challenge = randomBytes(32).toString('base64url');
const outstanding = new Set([challenge, randomBytes(32).toString('base64url')]);
const honest: PasskeyOptions = { rpId: party.rpId, origin: party.origins[0]!, challenge };

const base64url = (data: string | Uint8Array) => Buffer.from(data).toString('base64url');
const clientDataOf = (passkey: RegistrationResponseJSON) =>
  JSON.parse(Buffer.from(passkey.response.clientDataJSON, 'base64url').toString()) as Record<string, unknown>;

/** The first check that fails, or null. */
async function faultOf(
  passkey: RegistrationResponseJSON,
  issued: ReadonlySet<string> = outstanding,
): Promise<AttestationCode | null> {
  try {
    await preflight(passkey, party, issued);
    return null;
  } catch (error) {
    if (error instanceof PreflightError) return error.code;
    throw error;
  }
}

/** An honest passkey in which something was changed afterwards. */
function altered(change: (passkey: RegistrationResponseJSON) => void, lies: Partial<PasskeyOptions> = {}) {
  const passkey = createPasskey({ ...honest, ...lies });
  change(passkey);
  return passkey;
}

const withClientData = (data: string) =>
  altered(({ response }) => (response.clientDataJSON = base64url(data)));
const withAttestation = (bytes: Uint8Array) =>
  altered(({ response }) => (response.attestationObject = base64url(bytes)));

describe('an honest passkey', () => {
  it.each([
    ['ES256', { alg: -7 }],
    ['RS256', { alg: -257 }],
    ['ES256 with self attestation', { alg: -7, attestation: 'packed' }],
    ['RS256 with self attestation', { alg: -257, attestation: 'packed' }],
    ['one of another allowed origin', { origin: party.origins[1] }],
    ['one with a long credential id', { credentialId: randomBytes(1000) }],
  ] as [string, Partial<PasskeyOptions>][])('passes: %s', async (_, options) => {
    expect(await faultOf(createPasskey({ ...honest, ...options }))).toBeNull();
  });

  it('says what it is', async () => {
    const aaguid = Buffer.from('ea9b8d664d011d213ce4b6b48cb575d4', 'hex');
    const passkey = createPasskey({ ...honest, wrong: { aaguid } });
    expect(await preflight(passkey, party, outstanding)).toEqual({
      aaguid: 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4',
    });
  });

  it('may carry client data that nobody knows yet (WebAuthn §5.8.1)', async () => {
    const passkey = createPasskey(honest);
    passkey.response.clientDataJSON = base64url(
      JSON.stringify({ ...clientDataOf(passkey), newerMember: { a: 1 } }),
    );
    expect(await faultOf(passkey)).toBeNull();
  });
});

describe('each check has a code of its own', () => {
  const cases: [AttestationCode, string, RegistrationResponseJSON][] = [
    ['client_data_malformed', 'client data that is no JSON', withClientData('{"type":')],
    ['client_data_malformed', 'client data that is JSON and no object', withClientData('null')],
    ['type_mismatch', 'an assertion', createPasskey({ ...honest, wrong: { type: 'webauthn.get' } })],
    [
      'challenge_mismatch',
      'a challenge that was not issued',
      createPasskey({ ...honest, challenge: base64url('other') }),
    ],
    [
      'challenge_mismatch',
      'a challenge in padded base64',
      createPasskey({ ...honest, challenge: `${challenge}=` }),
    ],
    [
      'origin_not_allowed',
      'a foreign origin',
      createPasskey({ ...honest, origin: 'https://evil.example.com' }),
    ],
    [
      'origin_not_allowed',
      'an origin that only begins so',
      createPasskey({ ...honest, origin: `${party.origins[0]}.evil.com` }),
    ],
    [
      'origin_not_allowed',
      'the origin over http',
      createPasskey({ ...honest, origin: 'http://app.example.com' }),
    ],
    [
      'origin_not_allowed',
      'the origin on another port',
      createPasskey({ ...honest, origin: `${party.origins[0]}:444` }),
    ],
    [
      'cross_origin_not_allowed',
      'a frame of another origin',
      createPasskey({ ...honest, wrong: { crossOrigin: true, topOrigin: 'https://evil.com' } }),
    ],
    [
      'attestation_malformed',
      'an attestation object that is no CBOR',
      withAttestation(Buffer.from('ff', 'hex')),
    ],
    [
      'attestation_malformed',
      'an attestation object that is no map',
      withAttestation(Buffer.from('01', 'hex')),
    ],
    [
      'attestation_malformed',
      'an attestation object without authenticator data',
      withAttestation(Buffer.from('a0', 'hex')),
    ],
    ['rp_id_mismatch', 'another relying party', createPasskey({ ...honest, rpId: 'example.com' })],
    ['user_not_present', 'nobody present', createPasskey({ ...honest, wrong: { flags: 0x44 } })],
    ['user_not_verified', 'the user not verified', createPasskey({ ...honest, userVerified: false })],
    [
      'credential_id_mismatch',
      'another id than the attested one',
      altered((passkey) => (passkey.id = passkey.rawId = base64url('other'))),
    ],
    ['credential_id_mismatch', 'two ids', altered((passkey) => (passkey.rawId = base64url('other')))],
    ['algorithm_not_allowed', 'EdDSA', createPasskey({ ...honest, alg: -8 })],
    ['algorithm_not_allowed', 'a key that claims ES384', createPasskey({ ...honest, wrong: { alg: -35 } })],
    [
      'attestation_not_verified',
      'a signature that is none',
      createPasskey({ ...honest, attestation: 'packed', wrong: { signature: randomBytes(70) } }),
    ],
    [
      'attestation_not_verified',
      'client data changed under its signature',
      altered(
        (passkey) =>
          (passkey.response.clientDataJSON = base64url(
            JSON.stringify({ ...clientDataOf(passkey), extra: 1 }),
          )),
        { attestation: 'packed' },
      ),
    ],
  ];

  it.each(cases)('%s: %s', async (code, _, passkey) => {
    expect(await faultOf(passkey)).toBe(code);
  });

  it('and no code is left without a check here, but for those that need the database or the provider', () => {
    const elsewhere = [
      'credential_malformed',
      'credential_duplicate',
      'credential_already_registered',
      'upstream_refused',
    ];
    const here = new Set(cases.map(([code]) => code));
    expect(ATTESTATION_CODES.filter((code) => !here.has(code))).toEqual(elsewhere);
  });
});

describe('whatever comes', () => {
  it('a challenge that is not outstanding any more refuses an honest passkey', async () => {
    expect(await faultOf(createPasskey(honest), new Set())).toBe('challenge_mismatch');
  });

  it('is refused by a code and never by a crash: any bytes for the attestation, any JSON for the client data', async () => {
    const passkey = createPasskey(honest);
    const bytes = Buffer.from(passkey.response.attestationObject, 'base64url');
    const damaged = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat({ max: bytes.length }).map((length) => bytes.subarray(0, length)),
      fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })).map(([at, value]) => {
        const copy = Buffer.from(bytes);
        copy[at] = value;
        return copy;
      }),
    );
    await fc.assert(
      fc.asyncProperty(damaged, async (object) => {
        const fault = await faultOf({
          ...passkey,
          response: { ...passkey.response, attestationObject: base64url(object) },
        });
        expect([null, ...ATTESTATION_CODES]).toContain(fault);
      }),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.json(), async (data) => {
        expect(ATTESTATION_CODES).toContain(await faultOf(withClientData(data)));
      }),
      { numRuns: 30 },
    );
  }, 30_000);
});
