import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bytesOf, vectors } from './fixtures/vectors.js';
import { nobleEngine } from './noble-engine.js';
import { opensslEngine } from './openssl-engine.js';
import { parsePrivateKey } from './private-key.js';
import type { SigningEngine } from './signing-engine.js';

const key = parsePrivateKey(vectors.privateKeyHex, 'the vectors');
const engines: [string, SigningEngine][] = [opensslEngine, nobleEngine].map((engine) => [
  engine.name,
  engine,
]);
const noble = nobleEngine.load(key);
const openssl = opensslEngine.load(key);

const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const sOf = (raw: Uint8Array): bigint => BigInt(`0x${Buffer.from(raw).subarray(32).toString('hex')}`);

describe.each(vectors.cases)('vector $name', (vector) => {
  const message = Buffer.from(vector.message);

  it('noble signs it to the very same bytes', () => {
    expect(Buffer.from(noble.sign(message, 'der')).toString('hex')).toBe(vector.signatureDerRfc6979.slice(2));
  });

  it.each(engines)('%s verifies both forms of s, and neither over another message', (_, engine) => {
    const loaded = engine.load(key);
    for (const signature of [vector.signatureDerRfc6979, vector.signatureDerRfc6979LowS].map(bytesOf)) {
      expect(loaded.verify(message, signature, 'der')).toBe(true);
      expect(loaded.verify(Buffer.concat([message, Buffer.of(10)]), signature, 'der')).toBe(false);
    }
  });

  it.each(engines)('what %s signs passes a check by node:crypto that shares no code with it', (_, engine) => {
    const publicKey = createPublicKey({
      key: Buffer.concat([
        bytesOf('3039301306072a8648ce3d020106082a8648ce3d030107032200'),
        bytesOf(vectors.xPubkey),
      ]),
      format: 'der',
      type: 'spki',
    });
    const loaded = engine.load(key);
    const raw = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
    expect(verify('sha256', message, publicKey, loaded.sign(message, 'der'))).toBe(true);
    expect(verify('sha256', message, raw, loaded.sign(message, 'raw'))).toBe(true);
  });
});

describe('for any key and message', () => {
  const scalars = fc.bigInt({ min: 1n, max: ORDER - 1n }).map((n) => n.toString(16).padStart(64, '0'));

  it('what one engine signs the other verifies, in both encodings', () => {
    fc.assert(
      fc.property(scalars, fc.uint8Array({ maxLength: 2000 }), (hex, message) => {
        const anyKey = parsePrivateKey(hex, 'a random key');
        const [a, b] = [opensslEngine.load(anyKey), nobleEngine.load(anyKey)];
        for (const encoding of ['der', 'raw'] as const) {
          expect(b.verify(message, a.sign(message, encoding), encoding)).toBe(true);
          expect(a.verify(message, b.sign(message, encoding), encoding)).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('one flipped bit anywhere in the message or the signature is refused by both', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.nat(),
        fc.boolean(),
        (message, at, inMessage) => {
          const signature = Uint8Array.from(openssl.sign(message, 'raw'));
          const target = inMessage ? message : signature;
          const bit = at % (target.length * 8);
          target[bit >> 3]! ^= 1 << (bit & 7);
          expect(openssl.verify(message, signature, 'raw')).toBe(false);
          expect(noble.verify(message, signature, 'raw')).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('bytes that are no signature are refused, not thrown over', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.constantFrom('der' as const, 'raw' as const),
        (junk, encoding) => {
          const message = Buffer.from('message');
          expect(openssl.verify(message, junk, encoding)).toBe(false);
          expect(noble.verify(message, junk, encoding)).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });
});

it.each(engines)('%s leaves s as it falls: high about every other time', (_, engine) => {
  const loaded = engine.load(key);
  const high = Array.from({ length: 64 }, (_, i) => loaded.sign(Buffer.of(i), 'raw')).filter(
    (raw) => sOf(raw) > ORDER / 2n,
  );
  // 64 even coins all on one side: once in 10^19 runs
  expect(high.length).toBeGreaterThan(0);
  expect(high.length).toBeLessThan(64);
});
