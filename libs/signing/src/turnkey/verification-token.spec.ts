import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { verifyOtpVerificationToken } from '@turnkey/crypto';
import { base64url, testKey, turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { decodePublicKey } from '../public-key.js';
import { readVerificationToken } from './verification-token.js';

const { jwt, claims } = turnkeyVectors.tokens.verification;
const { tlsFetcherSigner, notarizer } = turnkeyVectors.keys;
const signer = decodePublicKey(tlsFetcherSigner.publicKeyUncompressedHex)!;
const END_MS = 4102444800000;
const NOW_MS = END_MS - 1;
const HEADER = { typ: 'JWT', alg: 'ES256' };

function tokenOf(payload: unknown, header: object = HEADER) {
  const input = `${base64url(header)}.${base64url(payload)}`;
  const signature = testKey('tlsFetcherSigner').sign(Buffer.from(input), 'raw');
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

describe('reading a verification token', () => {
  it('gives the claims of the test vector, whether the signer’s key is compressed or not', () => {
    for (const hex of [tlsFetcherSigner.publicKeyUncompressedHex, tlsFetcherSigner.publicKeyCompressedHex]) {
      expect(readVerificationToken(jwt, decodePublicKey(hex)!, NOW_MS)).toEqual({
        id: claims['id'],
        organizationId: claims['organization_id'],
        verificationType: 'OTP_TYPE_EMAIL',
        contact: 'user@example.com',
        publicKey: claims['public_key'],
        expiresAt: new Date('2100-01-01T00:00:00Z'),
      });
    }
  });

  it('accepts the same tokens as @turnkey/crypto', async () => {
    const contact = 'zoé+🔑@example.com';
    const token = tokenOf({ ...claims, contact, more: [1] });
    expect(readVerificationToken(token, signer, NOW_MS).contact).toBe(contact);
    const theirs = await verifyOtpVerificationToken(token, tlsFetcherSigner.publicKeyUncompressedHex);
    expect(theirs).toMatchObject({ contact, id: claims['id'] });
    await expect(verifyOtpVerificationToken(token, notarizer.publicKeyUncompressedHex)).rejects.toThrow(
      'signature',
    );
  });

  it('refuses a token at the exact millisecond of its expiry', () => {
    expect(() => readVerificationToken(jwt, signer, END_MS)).toThrow(
      expect.objectContaining({ proof: 'verification token', reason: 'expired' }),
    );
  });

  const [header, payload, signature] = jwt.split('.') as [string, string, string];
  const without = (name: string) => tokenOf({ ...claims, [name]: undefined });
  const twiceHashed = () => {
    const once = createHash('sha256').update(`${header}.${payload}`).digest();
    const raw = Buffer.from(testKey('tlsFetcherSigner').sign(once, 'raw'));
    return `${header}.${payload}.${raw.toString('base64url')}`;
  };

  it.each<[string, string, string]>([
    ['an empty text', 'malformed', ''],
    ['two parts', 'malformed', `${header}.${payload}`],
    ['four parts', 'malformed', `${jwt}.`],
    ['padding', 'malformed', `${jwt}==`],
    ['a space after it', 'malformed', `${jwt} `],
    ['claims that are not an object', 'malformed', tokenOf([claims])],
    ['claims that are not JSON', 'malformed', tokenOf('claims')],
    ['a short signature', 'malformed', `${header}.${payload}.${signature.slice(0, -4)}`],
    ['alg none', 'wrong_algorithm', tokenOf(claims, { typ: 'JWT', alg: 'none' })],
    ['alg HS256', 'wrong_algorithm', tokenOf(claims, { typ: 'JWT', alg: 'HS256' })],
    ['no alg', 'wrong_algorithm', tokenOf(claims, { typ: 'JWT' })],
    ['other claims', 'bad_signature', `${header}.${base64url({ ...claims, contact: 'a@b.c' })}.${signature}`],
    ['another header', 'bad_signature', `${base64url({ ...HEADER, kid: '1' })}.${payload}.${signature}`],
    ['a signature over a hash of a hash, as session tokens have', 'bad_signature', twiceHashed()],
    ['no id', 'missing_claims', without('id')],
    ['no organization', 'missing_claims', without('organization_id')],
    ['no contact', 'missing_claims', without('contact')],
    ['no key', 'missing_claims', without('public_key')],
    ['an empty type', 'missing_claims', tokenOf({ ...claims, verification_type: '' })],
    ['no exp', 'missing_claims', without('exp')],
    ['exp as a number', 'missing_claims', tokenOf({ ...claims, exp: END_MS })],
    ['exp as a date', 'missing_claims', tokenOf({ ...claims, exp: '2100-01-01' })],
    ['exp in hex', 'missing_claims', tokenOf({ ...claims, exp: '0x3bb2cc3d800' })],
    ['exp in microseconds', 'missing_claims', tokenOf({ ...claims, exp: `${END_MS}000` })],
    ['exp in seconds', 'expired', tokenOf({ ...claims, exp: '4102444800' })],
    ['exp in the past', 'expired', tokenOf({ ...claims, exp: String(NOW_MS) })],
  ])('refuses %s, with the reason %s', (_, reason, token) => {
    expect(() => readVerificationToken(token, signer, NOW_MS)).toThrow(
      expect.objectContaining({ name: 'InvalidProofError', proof: 'verification token', reason }),
    );
  });

  it('refuses the test vector under another key, and the error does not contain the token', () => {
    const stranger = decodePublicKey(notarizer.publicKeyCompressedHex)!;
    let thrown: unknown;
    try {
      readVerificationToken(jwt, stranger, NOW_MS);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ reason: 'bad_signature' });
    const shown = inspect(thrown, { showHidden: true, depth: 9 });
    for (const part of [header, payload, signature, 'user@example.com']) expect(shown).not.toContain(part);
  });
});
