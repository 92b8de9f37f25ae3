/** node:crypto and @noble/curves share no code, so each must accept the other's signatures. */
import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Secret } from '#libs/kernel';
import { rfc6979Key } from './fixtures/rfc6979-key.js';
import { bytesOf, vectors } from './fixtures/vectors.js';
import { parsePrivateKey } from './private-key.js';
import { decodePublicKey } from './public-key.js';
import type { SignatureEncoding } from './signature-encoding.js';
import { verifyByNoble } from './self-check.js';

const key = parsePrivateKey(new Secret(vectors.privateKeyHex), 'the vectors');
const byNoble = rfc6979Key(vectors.privateKeyHex);

type Verify = (message: Uint8Array, signature: Uint8Array, encoding: SignatureEncoding) => boolean;
const verifiers = (publicKeyHex: string): [string, Verify][] => [
  ['node:crypto', (...of) => decodePublicKey(publicKeyHex)!.verify(...of)],
  ['@noble/curves', (...of) => verifyByNoble(publicKeyHex, ...of)],
];
const bothVerify = verifiers(key.publicKeyCompressedHex);

const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const sOf = (raw: Uint8Array): bigint => BigInt(`0x${Buffer.from(raw).subarray(32).toString('hex')}`);

describe.each(vectors.cases)('the message of test vector $name', (vector) => {
  const message = Buffer.from(vector.message);

  it('gets the signature of the vector from @noble/curves, byte for byte', () => {
    expect(Buffer.from(byNoble.sign(message)).toString('hex')).toBe(vector.signatureDerRfc6979.slice(2));
  });

  it.each(bothVerify)(
    'has signatures with a low and a high s: the library %s accepts both, but not for another message',
    (_, verifies) => {
      for (const signature of [vector.signatureDerRfc6979, vector.signatureDerRfc6979LowS].map(bytesOf)) {
        expect(verifies(message, signature, 'der')).toBe(true);
        expect(verifies(Buffer.concat([message, Buffer.of(10)]), signature, 'der')).toBe(false);
      }
    },
  );

  it('is signed by our key, and node:crypto accepts the signature in both encodings', () => {
    const publicKey = createPublicKey({
      key: Buffer.concat([
        bytesOf('3039301306072a8648ce3d020106082a8648ce3d030107032200'),
        bytesOf(vectors.xPubkey),
      ]),
      format: 'der',
      type: 'spki',
    });
    const raw = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
    expect(verify('sha256', message, publicKey, key.sign(message, 'der'))).toBe(true);
    expect(verify('sha256', message, raw, key.sign(message, 'raw'))).toBe(true);
  });
});

describe('for any key and message', () => {
  const scalars = fc.bigInt({ min: 1n, max: ORDER - 1n }).map((n) => n.toString(16).padStart(64, '0'));

  it('each library accepts the signatures of the other, in both encodings', () => {
    fc.assert(
      fc.property(scalars, fc.uint8Array({ maxLength: 2000 }), (hex, message) => {
        const signers = [parsePrivateKey(new Secret(hex), 'a random key'), rfc6979Key(hex)];
        for (const { publicKeyCompressedHex, sign } of signers) {
          for (const encoding of ['der', 'raw'] as const) {
            const signature = sign(message, encoding);
            for (const [name, verifies] of verifiers(publicKeyCompressedHex)) {
              expect([name, verifies(message, signature, encoding)]).toEqual([name, true]);
            }
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('both libraries refuse a message or signature with one flipped bit', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.nat(),
        fc.boolean(),
        (message, at, inMessage) => {
          const signature = Uint8Array.from(key.sign(message, 'raw'));
          const target = inMessage ? message : signature;
          const bit = at % (target.length * 8);
          target[bit >> 3]! ^= 1 << (bit & 7);
          for (const [name, verifies] of bothVerify) {
            expect([name, verifies(message, signature, 'raw')]).toEqual([name, false]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('both libraries refuse bytes that are not a signature, and do not throw', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.constantFrom('der' as const, 'raw' as const),
        (junk, encoding) => {
          for (const [name, verifies] of bothVerify) {
            expect([name, verifies(Buffer.from('message'), junk, encoding)]).toEqual([name, false]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a signature', () => {
  it.each([
    ['node:crypto', key],
    ['@noble/curves', byNoble],
  ])('is not normalized by the library %s: about half of the signatures have a high s', (_, { sign }) => {
    const high = Array.from({ length: 64 }, (_, i) => sign(Buffer.of(i), 'raw')).filter(
      (raw) => sOf(raw) > ORDER / 2n,
    );
    // Once in 10^19 runs, all 64 signatures have a high s, or all have a low s, by chance.
    expect(high.length).toBeGreaterThan(0);
    expect(high.length).toBeLessThan(64);
  });
});
