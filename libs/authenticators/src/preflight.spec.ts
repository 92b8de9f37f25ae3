import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import fc from 'fast-check';
import type { PasskeyPolicy } from '#libs/platform';
import { aPasskeyPolicy } from '#libs/testing';
import {
  altered,
  withAttestation,
  withAuthenticatorData,
  withClientData,
  withKey,
} from '../../../test/passkeys/altered.js';
import {
  ROOT,
  androidKey,
  androidSafetyNet,
  apple,
  fidoU2f,
  packed,
  tpm,
} from '../../../test/passkeys/attestations.js';
import { BAD_PASSKEYS } from '../../../test/passkeys/bad-passkeys.js';
import { outdated } from '../../../test/passkeys/certificates.js';
import { trustRoot } from '../../../test/passkeys/trusted-root.js';
import { createPasskey, type Attest, type Cbor, type PasskeyOptions } from '../../../tools/passkey.js';
import { ATTESTATION_CODES, type AttestationCode } from './attestation-error.js';
import { byteString } from './cbor.js';
import { ceremony, endOf } from './fixtures/ceremony.js';

const policy = aPasskeyPolicy({ origins: ['https://app.example.com', 'https://admin.example.com'] });
const challenge = randomBytes(32).toString('base64url');
const outstanding = new Set([challenge, randomBytes(32).toString('base64url')]);
const honest: PasskeyOptions = { rpId: policy.rpId, origin: policy.origins[0]!, challenge };

async function faultOf(
  passkey: RegistrationResponseJSON,
  own: Partial<PasskeyPolicy> = {},
  issued: ReadonlySet<string> = outstanding,
): Promise<AttestationCode | null> {
  const end = await endOf(passkey, { ...policy, ...own }, issued);
  return typeof end === 'string' ? end : null;
}

let distrust: () => void;
beforeAll(() => {
  distrust = trustRoot();
});
afterAll(() => distrust());

describe('an honest passkey', () => {
  it.each([
    ['ES256', { alg: -7 }],
    ['RS256', { alg: -257 }],
    ['ES256 with self attestation', { alg: -7, attestation: 'packed' }],
    ['RS256 with self attestation', { alg: -257, attestation: 'packed' }],
    ['ES256 with packed and a certificate', { attestation: packed() }],
    ['RS256 with packed and a certificate', { alg: -257, attestation: packed() }],
    ['ES256 in a TPM', { attestation: tpm() }],
    ['RS256 in a TPM', { alg: -257, attestation: tpm() }],
    ['Android’s key', { attestation: androidKey() }],
    [
      'Android’s key, with the previous root',
      { attestation: androidKey({ chain: (leaf) => [leaf, outdated(ROOT)] }) },
    ],
    ['Android’s SafetyNet', { attestation: androidSafetyNet() }],
    ['Apple’s', { attestation: apple() }],
    ['U2F', { attestation: fidoU2f() }],
    ['one with another allowed origin', { origin: policy.origins[1] }],
    ['one with the shortest credential id', { credentialId: randomBytes(16) }],
    ['one with the longest credential id', { credentialId: randomBytes(1023) }],
    ['one that is backed up', { wrong: { flags: 0x5d } }],
    ['one that stays on its device', { wrong: { flags: 0x45 } }],
  ] as [string, Partial<PasskeyOptions>][])('passes: %s', async (_, options) => {
    expect(await faultOf(createPasskey({ ...honest, ...options }))).toBeNull();
  });

  it.each([2048, 4096])('may have an RSA key of %d bits', async (modulusLength) => {
    const { n } = generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' });
    const passkey = withKey({ ...honest, alg: -257 }, (key) => key.set(-1, Buffer.from(n!, 'base64url')));
    expect(await faultOf(passkey)).toBeNull();
  });

  it('passes, and the result is its model and its credential id', async () => {
    const aaguid = Buffer.from('ea9b8d664d011d213ce4b6b48cb575d4', 'hex');
    const passkey = createPasskey({ ...honest, wrong: { aaguid } });
    expect(await ceremony(passkey, policy, outstanding)).toEqual({
      aaguid: 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4',
      credentialId: passkey.id,
    });
  });

  it('may have unknown members in its client data (WebAuthn §5.8.1)', async () => {
    const passkey = withClientData(honest, (data) => JSON.stringify({ ...data, newerMember: { a: 1 } }));
    expect(await faultOf(passkey)).toBeNull();
  });

  it('may have extensions that were not requested (§7.1, step 21)', async () => {
    const passkey = withAuthenticatorData(honest, (data) => {
      data[32]! |= 0x80;
      return Buffer.concat([data, Buffer.from('a16b6372656450726f7465637402', 'hex')]);
    });
    expect(await faultOf(passkey)).toBeNull();
  });

  it('is read only from the attestation object, not from a browser’s copies of its parts', async () => {
    const passkey = createPasskey(honest);
    Object.assign(passkey.response, { authenticatorData: 'AQID', publicKey: 'AQID', publicKeyAlgorithm: -8 });
    expect(await faultOf(passkey)).toBeNull();
  });
});

describe('a credential id in a provider’s form', () => {
  const given = (credentialId: Buffer, id: Uint8Array) => {
    const passkey = createPasskey({ ...honest, credentialId });
    passkey.id = passkey.rawId = Buffer.from(id).toString('base64url');
    return endOf(passkey, policy, outstanding, true);
  };
  const first = (byte: number, length: number) => Buffer.concat([Buffer.of(byte), randomBytes(length - 1)]);

  it.each([16, 23, 24, 255, 256, 1023])('may be a CBOR byte string of %d bytes', async (n) => {
    const id = randomBytes(n);
    const credentialId = id.toString('base64url');
    expect(await given(id, byteString(id))).toMatchObject({ credentialId });
    expect(await given(id, id)).toMatchObject({ credentialId });
  });

  it('is read as raw bytes if it begins like a CBOR byte string of another length', async () => {
    const id = first(0x50, 17);
    expect(await given(id, id)).toMatchObject({ credentialId: id.toString('base64url') });
    expect(await given(id, id.subarray(1))).toBe('credential_id_mismatch');
  });

  it.each<[string, (id: Buffer) => Buffer]>([
    ['a byte string with a long head', (id) => Buffer.concat([Buffer.of(0x59, 0, 32), id])],
    ['a byte string of another length', (id) => Buffer.concat([Buffer.of(0x58, 31), id])],
    ['two byte strings', (id) => byteString(byteString(id))],
    ['text', (id) => Buffer.concat([Buffer.of(0x78, 32), id])],
    ['a byte string with a byte after it', (id) => Buffer.concat([byteString(id), Buffer.of(0)])],
  ])('may not be %s', async (_, change) => {
    const id = randomBytes(32);
    expect(await given(id, change(id))).toBe('credential_id_mismatch');
  });
});

describe('a passkey that fails a check', () => {
  it.each(BAD_PASSKEYS)('gets the code %s: %s', async (code, _, make) => {
    expect(await faultOf(make(honest))).toBe(code);
  });

  it('has an example in BAD_PASSKEYS for each code not about the policy, database or provider', () => {
    const elsewhere = [
      'credential_not_discoverable',
      'attestation_required',
      'aaguid_denied',
      'aaguid_not_allowed',
      'credential_duplicate',
      'credential_already_registered',
      'too_many_authenticators',
      'upstream_refused',
    ];
    const here = new Set(BAD_PASSKEYS.map(([code]) => code));
    expect(ATTESTATION_CODES.filter((code) => !here.has(code))).toEqual(elsewhere);
  });
});

describe('the passkey policy', () => {
  it('accepts only Android apps whose certificate hash it lists', async () => {
    const [ours, another] = [1, 2].map(
      (n) => `android:apk-key-hash:${Buffer.alloc(32, n).toString('base64url')}`,
    );
    const own = { origins: [...policy.origins, ours!] };
    expect(await faultOf(createPasskey({ ...honest, origin: ours! }), own)).toBeNull();
    expect(await faultOf(createPasskey({ ...honest, origin: another! }), own)).toBe('origin_not_allowed');
  });

  const model = 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4';
  const ofModel = { wrong: { aaguid: Buffer.from(model.replaceAll('-', ''), 'hex') } };
  const zero = '00000000-0000-0000-0000-000000000000';
  const only = { attestation: 'direct', aaguidAllow: [model] } as const;

  const uncertified: Attest = ({ authenticatorData, clientDataHash, privateKey }) => {
    const sig = sign('sha256', Buffer.concat([authenticatorData, clientDataHash]), privateKey);
    return {
      fmt: 'packed',
      statement: new Map<string, Cbor>([
        ['alg', -7],
        ['sig', sig],
        ['x5c', ''],
      ]),
    };
  };

  it.each<[string, AttestationCode | null, Partial<PasskeyPolicy>, Partial<PasskeyOptions>]>([
    [
      'accepts an unverified user if it prefers verification',
      null,
      { userVerification: 'preferred' },
      { userVerified: false },
    ],
    [
      'accepts an unverified user if it discourages verification',
      null,
      { userVerification: 'discouraged' },
      { userVerified: false },
    ],
    [
      'requires a present user even if it discourages verification',
      'user_not_present',
      { userVerification: 'discouraged' },
      { wrong: { flags: 0x40 } },
    ],
    ['accepts RS256 only', 'algorithm_not_allowed', { algorithms: [-257] }, { alg: -7 }],
    ['accepts ES256 only', 'algorithm_not_allowed', { algorithms: [-7] }, { alg: -257 }],
    ['denies a model', 'aaguid_denied', { aaguidDeny: [zero, model] }, ofModel],
    ['denies an authenticator without a model', 'aaguid_denied', { aaguidDeny: [zero] }, {}],
    ['does not deny other models', null, { aaguidDeny: [zero] }, ofModel],
    [
      'denies a model with a good certificate',
      'aaguid_denied',
      { aaguidDeny: [model] },
      { ...ofModel, attestation: packed() },
    ],
    ['allows a model', null, only, { ...ofModel, attestation: packed() }],
    [
      'allows no other model',
      'aaguid_not_allowed',
      only,
      { wrong: { aaguid: randomBytes(16) }, attestation: packed() },
    ],
    ['allows no authenticator without a model', 'aaguid_not_allowed', only, { attestation: fidoU2f() }],
    ['allows U2F by an AAGUID of zeros', null, { ...only, aaguidAllow: [zero] }, { attestation: fidoU2f() }],
    ['allows no model without a certificate', 'attestation_required', only, ofModel],
    [
      'allows no model with self attestation',
      'attestation_required',
      only,
      { ...ofModel, attestation: 'packed' },
    ],
    [
      'allows no model with an empty certificate',
      'attestation_not_verified',
      only,
      { ...ofModel, attestation: uncertified },
    ],
  ])('%s: %s', async (_, code, own, options) => {
    expect(await faultOf(createPasskey({ ...honest, ...options }), own)).toBe(code);
  });
});

describe('the browser’s report (credProps) on whether a passkey is discoverable', () => {
  const saying = (credProps: unknown) =>
    altered(honest, (passkey) => Object.assign(passkey.clientExtensionResults, { credProps }));

  it('makes the check fail if it says no and the policy requires discoverable passkeys', async () => {
    expect(await faultOf(saying({ rk: false }), { residentKey: 'required' })).toBe(
      'credential_not_discoverable',
    );
  });

  it.each(['preferred', 'discouraged'] as const)(
    'does not matter for a policy with residentKey: %s',
    async (residentKey) => {
      expect(await faultOf(saying({ rk: false }), { residentKey })).toBeNull();
    },
  );

  it.each([[{ rk: true }], [{}], [null], ['rk'], [undefined], [{ rk: null }]])(
    'lets the check pass if it does not clearly say no: %j',
    async (credProps) => {
      expect(await faultOf(saying(credProps), { residentKey: 'required' })).toBeNull();
    },
  );
});

describe('the passkey checks', () => {
  it('refuse a passkey whose challenge is no longer outstanding', async () => {
    expect(await faultOf(createPasskey(honest), {}, new Set())).toBe('challenge_mismatch');
  });

  it('refuse damaged input with a known code, and never throw another error', async () => {
    const { length } = Buffer.from(createPasskey(honest).response.attestationObject, 'base64url');
    const damage = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => () => bytes),
      fc.nat({ max: length }).map((end) => (object: Buffer) => object.subarray(0, end)),
      fc.tuple(fc.nat({ max: length - 1 }), fc.nat({ max: 255 })).map(([at, value]) => (object: Buffer) => {
        object[at] = value;
        return object;
      }),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (change) => {
        expect([null, ...ATTESTATION_CODES]).toContain(await faultOf(withAttestation(honest, change)));
      }),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.json(), async (data) => {
        expect(ATTESTATION_CODES).toContain(await faultOf(withClientData(honest, () => data)));
      }),
      { numRuns: 30 },
    );
  });
});
