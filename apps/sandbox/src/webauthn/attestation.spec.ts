import { describe, expect, it } from '@jest/globals';
import { encode } from 'cborg';
import { makePasskey } from '../../test/passkey.js';
import type { PasskeyFlaws } from '../../test/passkey.js';
import { verifyAttestation } from './attestation.js';

const verifyPasskey = (passkey: ReturnType<typeof makePasskey>, relyingParty = {}) =>
  verifyAttestation({ challenge: passkey.challenge, ...passkey.attestation }, relyingParty);
const verifyFlawed = (flaws: PasskeyFlaws, relyingParty = {}) =>
  verifyPasskey(makePasskey(flaws), relyingParty);

describe('a valid passkey registration', () => {
  it.each([
    ['none', -7],
    ['none', -257],
    ['packed', -7],
    ['packed', -257],
  ] as const)('of format %s with algorithm %s is accepted, and its data returned', (format, algorithm) => {
    const passkey = makePasskey({ format, algorithm });
    const credential = verifyPasskey(passkey, { rpId: 'localhost', origins: ['http://localhost:3000'] });
    expect(credential).toMatchObject({
      credentialId: passkey.attestation.credentialId,
      algorithm,
      format,
      aaguid: '00000000-0000-0000-0000-000000000000',
      userVerified: true,
    });
    expect(credential.publicKey.asymmetricKeyType).toBe(algorithm === -7 ? 'ec' : 'rsa');
  });

  it('may wrap its credential id in a CBOR byte string, as Byzantine allows', () => {
    const id = Buffer.alloc(16, 7);
    const claimedCredentialId = Buffer.concat([Buffer.of(0x50), id]).toString('base64url');
    const { credentialId } = verifyFlawed({ credentialId: id, claimedCredentialId });
    expect(credentialId).toBe(id.toString('base64url'));
  });

  it('may contain extensions', () => {
    const trailing = Buffer.from(encode(new Map([['credProtect', 2]])));
    expect(verifyFlawed({ flags: 0xc5, trailing }).userVerified).toBe(true);
  });
});

describe('a passkey registration is refused', () => {
  const flawed: [string, PasskeyFlaws, RegExp][] = [
    ['of an assertion', { type: 'webauthn.get' }, /type is not webauthn.create/],
    ['over another challenge', { challengeInClientData: 'AAAA' }, /challenge does not match/],
    ['without user presence', { flags: 0x44 }, /user was not present/],
    ['without a credential', { flags: 0x05 }, /no attested credential/],
    ['backed up but not eligible for backup', { flags: 0x55 }, /not eligible for backup/],
    ['with bytes left over', { trailing: Buffer.from([0]) }, /bytes left over/],
    ['with extensions announced but missing', { flags: 0xc5 }, /extensions is not CBOR/],
    [
      'with extensions that are no map',
      { flags: 0xc5, trailing: Buffer.from([1]) },
      /extensions is not a CBOR map/,
    ],
    ['under another credential id', { claimedCredentialId: 'AAAA' }, /not the one in the authenticator data/],
    ['with padded base64', { claimedCredentialId: 'AAA=' }, /credentialId is not base64url/],
    ['with an empty credential id', { credentialId: Buffer.alloc(0) }, /bad length/],
    ['with a credential id of 1024 bytes', { credentialId: Buffer.alloc(1024, 1) }, /bad length/],
    ['with EdDSA', { cose: [[3, -8]] }, /algorithm -8 is not allowed/],
    ['with a key of another curve', { cose: [[-1, 2]] }, /not on P-256/],
    ['with a point off the curve', { cose: [[-3, Buffer.alloc(32, 7)]] }, /public key is not valid/],
    ['with a coordinate too short', { cose: [[-2, Buffer.alloc(31, 7)]] }, /bad length/],
    ['with a coordinate missing', { cose: [[-2, 'text']] }, /lacks a part/],
    ['with a short RSA key', { algorithm: -257, modulusLength: 1024 }, /too short/],
    ['of an unsupported format', { format: 'tpm' }, /format tpm is not supported/],
    ['of format none with a statement', { statement: [['alg', -7]] }, /not empty/],
    ['packed without a signature', { format: 'packed', statement: [['sig', 0]] }, /no signature/],
    [
      'packed for another algorithm',
      { format: 'packed', statement: [['alg', -257]] },
      /algorithm is not the key/,
    ],
    [
      'packed with a bad certificate',
      { format: 'packed', statement: [['x5c', []]] },
      /certificate is not readable/,
    ],
  ];
  it.each(flawed)('if it has this flaw: %s', (_name, flaws, message) => {
    expect(() => verifyFlawed(flaws)).toThrow(message);
  });

  it('if its relying party or origin differs from the configured one', () => {
    expect(() => verifyFlawed({}, { rpId: 'example.com' })).toThrow(/relying party id/);
    expect(() => verifyFlawed({}, { origins: ['https://example.com'] })).toThrow(/origin is not allowed/);
  });

  it('if the attestation object is truncated at any byte, or is not a CBOR map', () => {
    const { challenge, attestation } = makePasskey();
    const bytes = Buffer.from(attestation.attestationObject, 'base64url');
    for (let length = 1; length < bytes.length; length += 1) {
      const attestationObject = bytes.subarray(0, length).toString('base64url');
      expect(() => verifyAttestation({ challenge, ...attestation, attestationObject }, {})).toThrow();
    }
    for (const other of [[], new Map([['fmt', 'none']]), new Map([['attStmt', new Map()]])]) {
      const attestationObject = Buffer.from(encode(other)).toString('base64url');
      expect(() => verifyAttestation({ challenge, ...attestation, attestationObject }, {})).toThrow(
        /attestationObject|attStmt|authData/,
      );
    }
  });

  it('if a CBOR map has a duplicate key', () => {
    const { challenge, attestation } = makePasskey();
    const bytes = Buffer.from(attestation.attestationObject, 'base64url');
    // 0xa3 begins a map of three entries, 0xa4 one of four: the added entry repeats "fmt".
    const twice = Buffer.concat([Buffer.from([0xa4]), encode('fmt'), encode('none'), bytes.subarray(1)]);
    const attestationObject = twice.toString('base64url');
    expect(() => verifyAttestation({ challenge, ...attestation, attestationObject }, {})).toThrow(/not CBOR/);
    expect(() => verifyFlawed({ trailing: twice, flags: 0xc5 })).toThrow(/extensions is not CBOR/);
  });

  it('if any one bit of a packed attestation is flipped', () => {
    const { challenge, attestation } = makePasskey({ format: 'packed' });
    for (const field of ['attestationObject', 'clientDataJson'] as const) {
      const bytes = Buffer.from(attestation[field], 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const flipped = Buffer.from(bytes);
        flipped.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        const input = { challenge, ...attestation, [field]: flipped.toString('base64url') };
        expect(() => verifyAttestation(input, {})).toThrow();
      }
    }
  });
});
