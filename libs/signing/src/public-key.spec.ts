import { describe, expect, it } from '@jest/globals';
import { keyObjectsMade } from '#libs/testing';
import { testKey, turnkeyVectors } from './fixtures/turnkey-vectors.js';
import { decodePublicKey } from './public-key.js';

const names = ['turnkeyApi', 'enclaveTarget', 'tlsFetcherSigner', 'clientSession', 'notarizer'] as const;
const message = Buffer.from('message');

describe.each(names)('the public key of %s', (name) => {
  const { publicKeyCompressedHex: compressed, publicKeyUncompressedHex: uncompressed } =
    turnkeyVectors.keys[name];

  it.each([compressed, uncompressed, compressed.toUpperCase(), uncompressed.toUpperCase()])(
    'is the same key in every form: %s',
    (text) => {
      const key = decodePublicKey(text)!;
      expect(key.compressedHex).toBe(compressed);
      expect(Buffer.from(key.uncompressed).toString('hex')).toBe(uncompressed);
    },
  );

  it('accepts only signatures by its own private key', () => {
    for (const encoding of ['der', 'raw'] as const) {
      const signature = testKey(name).sign(message, encoding);
      expect(decodePublicKey(uncompressed)!.verify(message, signature, encoding)).toBe(true);
      expect(decodePublicKey(compressed)!.verify(Buffer.from('massage'), signature, encoding)).toBe(false);
      expect(
        decodePublicKey(compressed)!.verify(message, signature, encoding === 'der' ? 'raw' : 'der'),
      ).toBe(false);
      const other = turnkeyVectors.keys.hpkeFixedSender.publicKeyCompressedHex;
      expect(decodePublicKey(other)!.verify(message, signature, encoding)).toBe(false);
    }
  });
});

const { publicKeyCompressedHex: good, publicKeyUncompressedHex: long } = turnkeyVectors.keys.turnkeyApi;

describe('decodePublicKey', () => {
  it.each<[string, unknown]>([
    ['an absent value', undefined],
    ['a number', 2],
    ['an empty text', ''],
    ['0x before it', `0x${good}`],
    ['one digit too few', good.slice(0, -1)],
    ['a space after it', `${good} `],
    ['a letter that is not hex', good.replace(/.$/, 'g')],
    ['the uncompressed mark on a compressed key', `04${good.slice(2)}`],
    ['the hybrid form', `06${long.slice(2)}`],
    ['the point at infinity', '00'],
    ['x above the prime', `02${'f'.repeat(64)}`],
    ['an x without a point', `02${'0'.repeat(63)}1`],
    ['a point off the curve', long.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))],
  ])('refuses %s', (_, text) => {
    expect(decodePublicKey(text)).toBeUndefined();
  });
});

describe('a public key', () => {
  it('makes one key object for all verifications, and none for a comparison', async () => {
    const signature = testKey('turnkeyApi').sign(message);
    let key!: NonNullable<ReturnType<typeof decodePublicKey>>;
    const compared = await keyObjectsMade(() => {
      key = decodePublicKey(good)!;
      expect(key.compressedHex).toBe(good);
    });
    expect(compared).toEqual({});
    const verified = await keyObjectsMade(() => {
      for (let n = 0; n < 3; n++) expect(key.verify(message, signature, 'der')).toBe(true);
    });
    expect(verified).toEqual({ createPublicKey: 1 });
  });
});
