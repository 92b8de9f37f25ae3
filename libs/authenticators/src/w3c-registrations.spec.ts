import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { aPasskeyPolicy } from '#libs/testing';
import { trustRoot } from '../../../test/passkeys/trusted-root.js';
import {
  W3C_REGISTRATIONS,
  W3C_ROOT,
  type W3cRegistration,
} from '../../../test/passkeys/w3c-registrations.js';
import type { AttestationCode } from './attestation-error.js';
import { endOf } from './fixtures/ceremony.js';

/** Some test vectors have unverified users. */
const policy = aPasskeyPolicy({
  rpId: 'example.org',
  origins: ['https://example.org'],
  userVerification: 'preferred',
});

const codeOf = async ({ challenge, response }: W3cRegistration): Promise<AttestationCode | null> => {
  const end = await endOf(response, policy, new Set([challenge]));
  return typeof end === 'string' ? end : null;
};

/** The expected code of each registration; null for a valid passkey. */
const ENDS: Record<string, AttestationCode | null> = {
  'none.ES256': null,
  'packed-self.ES256': null,
  'none.ES256.crossOrigin': 'cross_origin_not_allowed',
  'none.ES256.topOrigin': 'cross_origin_not_allowed',
  'none.ES256.long-credential-id': null,
  'packed.ES256': null,
  // No provider accepts these algorithms.
  'packed.ES384': 'algorithm_not_allowed',
  'packed.ES512': 'algorithm_not_allowed',
  'packed.RS256': null,
  'packed.EdDSA': 'algorithm_not_allowed',
  'packed.Ed448': 'algorithm_not_allowed',
  // The id of this TPM's maker, 00000000, is not on the TCG's list.
  'tpm.ES256': 'attestation_not_verified',
  'android-key.ES256': null,
  'apple.ES256': null,
  // The AAGUID of a U2F key must be zero.
  'fido-u2f.ES256': 'attestation_not_verified',
};

let distrust: () => void;
beforeAll(() => {
  distrust = trustRoot(W3C_ROOT);
});
afterAll(() => distrust());

const named = (name: string): W3cRegistration => W3C_REGISTRATIONS.find((each) => each.name === name)!;

/** @param change gets the bytes of the attestation object as Latin-1 text, and returns the changed text */
function changed(name: string, change: (object: string) => string): W3cRegistration {
  const { challenge, response } = named(name);
  const object = Buffer.from(response.response.attestationObject, 'base64url').toString('latin1');
  const attestationObject = Buffer.from(change(object), 'latin1').toString('base64url');
  const altered: RegistrationResponseJSON = {
    ...response,
    response: { ...response.response, attestationObject },
  };
  return { name, challenge, response: altered };
}

describe('the registrations of WebAuthn Level 3, section "Test Vectors"', () => {
  it.each(W3C_REGISTRATIONS.map((each): [string, W3cRegistration] => [each.name, each]))(
    'give the listed result: %s',
    async (name, registration) => {
      expect(await codeOf(registration)).toBe(ENDS[name]);
    },
  );

  it('are all in the list of this test', () => {
    expect(W3C_REGISTRATIONS.map(({ name }) => name)).toEqual(Object.keys(ENDS));
  });

  it('include a TPM that fails only because its maker is not on the TCG’s list', async () => {
    expect(
      await codeOf(changed('tpm.ES256', (object) => object.replace('id:00000000', 'id:414D4400'))),
    ).toBeNull();
  });

  it('include a U2F key that fails only because its AAGUID is not zero', async () => {
    const aaguid = Buffer.from('afb3c2efc054df425013d5c88e79c3c1', 'hex').toString('latin1');
    expect(
      await codeOf(changed('fido-u2f.ES256', (object) => object.replace(aaguid, '\0'.repeat(16)))),
    ).toBeNull();
  });

  it.each(['android-key.ES256', 'apple.ES256'])(
    'are refused if their root is not trusted: %s',
    async (name) => {
      distrust();
      expect(await codeOf(named(name))).toBe('attestation_not_trusted');
      distrust = trustRoot(W3C_ROOT);
    },
  );
});
