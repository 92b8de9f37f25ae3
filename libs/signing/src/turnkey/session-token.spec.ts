import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { verifySessionJwtSignature } from '@turnkey/crypto';
import { base64url, testKey, turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { decodePublicKey } from '../public-key.js';
import { readSessionToken } from './session-token.js';

const { jwt, claims } = turnkeyVectors.tokens.session;
const { notarizer, tlsFetcherSigner } = turnkeyVectors.keys;
const signer = decodePublicKey(notarizer.publicKeyUncompressedHex)!;
const END_S = 4102444800;
const NOW_MS = END_S * 1000 - 1;
const HEADER = { alg: 'ES256', typ: 'JWT' };

/** Signs the hash of a hash, as the enclave does. */
function sessionOf(payload: unknown, header: object = HEADER): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  const once = createHash('sha256').update(input).digest();
  return `${input}.${Buffer.from(testKey('notarizer').sign(once, 'raw')).toString('base64url')}`;
}

describe('reading a session token', () => {
  it('gives the claims of the test vector, whichever form the notarizer’s key has', () => {
    for (const hex of [notarizer.publicKeyUncompressedHex, notarizer.publicKeyCompressedHex]) {
      expect(readSessionToken(jwt, decodePublicKey(hex)!, NOW_MS)).toEqual({
        publicKey: claims['public_key'],
        sessionType: 'SESSION_TYPE_READ_WRITE',
        userId: claims['user_id'],
        organizationId: claims['organization_id'],
        expiresAt: new Date('2100-01-01T00:00:00Z'),
      });
    }
  });

  it('accepts a token with one more claim, as @turnkey/crypto does', async () => {
    const token = sessionOf({ ...claims, session_profile_id: 'p-1' });
    expect(readSessionToken(token, signer, NOW_MS).userId).toBe(claims['user_id']);
    expect(await verifySessionJwtSignature(token, notarizer.publicKeyUncompressedHex)).toBe(true);
    expect(await verifySessionJwtSignature(token, tlsFetcherSigner.publicKeyUncompressedHex)).toBe(false);
    expect(await verifySessionJwtSignature(jwt, notarizer.publicKeyUncompressedHex)).toBe(true);
  });

  it('refuses the token at the exact second of its expiry', () => {
    expect(() => readSessionToken(jwt, signer, END_S * 1000)).toThrow(
      expect.objectContaining({ proof: 'session token', reason: 'expired' }),
    );
  });

  const [header, payload, signature] = jwt.split('.') as [string, string, string];
  const without = (name: string) => sessionOf({ ...claims, [name]: undefined });
  const onceHashed = () => {
    const raw = testKey('notarizer').sign(Buffer.from(`${header}.${payload}`), 'raw');
    return `${header}.${payload}.${Buffer.from(raw).toString('base64url')}`;
  };

  it.each<[string, string, string]>([
    ['an empty text', 'malformed', ''],
    ['no signature', 'malformed', `${header}.${payload}.`],
    ['a signature of 63 bytes', 'malformed', `${header}.${payload}.${base64url('x'.repeat(63))}`],
    ['alg none', 'wrong_algorithm', sessionOf(claims, { alg: 'none', typ: 'JWT' })],
    ['a signature over a single hash, as JWTs have', 'bad_signature', onceHashed()],
    ['another user', 'bad_signature', `${header}.${base64url({ ...claims, user_id: 'u' })}.${signature}`],
    ['no key', 'missing_claims', without('public_key')],
    ['no type', 'missing_claims', without('session_type')],
    ['no user', 'missing_claims', without('user_id')],
    ['an organization that is not a text', 'missing_claims', sessionOf({ ...claims, organization_id: 1 })],
    ['no exp', 'missing_claims', without('exp')],
    ['exp as a text', 'missing_claims', sessionOf({ ...claims, exp: String(END_S) })],
    ['exp in milliseconds', 'missing_claims', sessionOf({ ...claims, exp: END_S * 1000 })],
    ['a negative exp', 'missing_claims', sessionOf({ ...claims, exp: -1 })],
    ['exp in the past', 'expired', sessionOf({ ...claims, exp: END_S - 1 })],
  ])('refuses %s, with the reason %s', (_, reason, token) => {
    expect(() => readSessionToken(token, signer, NOW_MS)).toThrow(
      expect.objectContaining({ name: 'InvalidProofError', proof: 'session token', reason }),
    );
  });

  it('refuses the test vector if another notarizer is configured', () => {
    expect(() =>
      readSessionToken(jwt, decodePublicKey(tlsFetcherSigner.publicKeyCompressedHex)!, NOW_MS),
    ).toThrow(expect.objectContaining({ reason: 'bad_signature' }));
  });
});
