import { createECDH, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { getPublicKey } from '@turnkey/crypto';
import { Secret } from '#libs/kernel';
import { vectors } from './fixtures/vectors.js';
import { InvalidKeyError } from './invalid-key-error.js';
import { newPrivateKey, parsePrivateKey } from './private-key.js';

const SOURCE = 'INTEGRATION_ACME_PRIVATE_KEY';
const ORDER_HEX = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';

const generate = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const parse = (text: string) => parsePrivateKey(new Secret(text), SOURCE);

function publicPoint(privateKeyHex: string): Buffer {
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(privateKeyHex, 'hex');
  return pair.getPublicKey();
}

const base64url = (bytes: Buffer): string => bytes.toString('base64url');
const point = publicPoint(vectors.privateKeyHex);
const jwk = {
  kty: 'EC',
  crv: 'P-256',
  d: base64url(Buffer.from(vectors.privateKeyHex, 'hex')),
  x: base64url(point.subarray(1, 33)),
  y: base64url(point.subarray(33)),
};
const goodPem = pem(createPrivateKey({ key: jwk, format: 'jwk' }));

/** @returns `goodPem` with another private number (bytes 36–67 of the PKCS#8) and the same public key. */
function pemWithScalar(hex: string): string {
  const der = createPrivateKey(goodPem).export({ type: 'pkcs8', format: 'der' });
  Buffer.from(hex, 'hex').copy(der, 36);
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----`;
}

describe('parsePrivateKey, given a good key,', () => {
  it.each<[string, string]>([
    ['hex', vectors.privateKeyHex],
    ['hex with 0x, spaces around it', ` 0x${vectors.privateKeyHex}\n`],
    ['PKCS#8 PEM', goodPem],
    ['PKCS#8 PEM on one line', goodPem.replaceAll('\n', '\\n')],
    ['a JWK', JSON.stringify(jwk)],
    ['a JWK with more members', JSON.stringify({ ...jwk, kid: 'k1', use: 'sig' })],
  ])('accepts this form: %s', (_, material) => {
    expect(`0x${parse(material).publicKeyCompressedHex}`).toBe(vectors.xPubkey);
  });

  it('accepts upper-case hex, and n − 1, which is the largest allowed number', () => {
    const largest = ORDER_HEX.replace(/51$/, '50');
    const expected = publicPoint(largest);
    const sign = expected.at(-1)! % 2 === 0 ? '02' : '03';
    expect(parse(largest.toUpperCase()).publicKeyCompressedHex).toBe(
      sign + expected.subarray(1, 33).toString('hex'),
    );
  });

  it('accepts a key that node:crypto made, and derives the same public key', () => {
    const key = generate('P-256');
    const { x } = key.export({ format: 'jwk' });
    const { publicKeyCompressedHex } = parse(pem(key));
    expect(base64url(Buffer.from(publicKeyCompressedHex.slice(2), 'hex'))).toBe(x);
  });
});

describe('parsePrivateKey, given a bad key,', () => {
  const secp256k1 = generate('secp256k1');
  const stranger = generate('P-256').export({ format: 'jwk' });

  it.each<[string, string | object, RegExp]>([
    ['only white space', '  ', /empty/],
    ['hex that is too short', vectors.privateKeyHex.slice(1), /63 hex digits/],
    ['hex that is too long', `${vectors.privateKeyHex}01`, /66 hex digits/],
    ['a text that is not hex', 'correct horse battery staple', /neither hex nor PEM nor JSON/],
    ['zero', '0'.repeat(64), /is zero/],
    ['n', ORDER_HEX, /not below the order n/],
    ['all ones', 'f'.repeat(64), /not below the order n/],
    ['a PEM holding zero', pemWithScalar('0'.repeat(64)), /is zero/],
    ['a PEM holding n', pemWithScalar(ORDER_HEX), /not below the order n/],
    ['a PEM whose halves differ', pemWithScalar('02'.repeat(32)), /does not belong/],
    ['a secp256k1 PEM', pem(secp256k1), /on secp256k1/],
    ['a P-384 PEM', pem(generate('P-384')), /on secp384r1/],
    ['an Ed25519 PEM', pem(generateKeyPairSync('ed25519').privateKey), /of type ed25519/],
    [
      'a SEC1 PEM',
      createPrivateKey(goodPem).export({ type: 'sec1', format: 'pem' }).toString(),
      /SEC1.*pkcs8/,
    ],
    ['a damaged PEM', goodPem.replace(/\n.{20}/, '\n'), /cannot be decoded/],
    ['a public key', goodPem.replaceAll('PRIVATE', 'PUBLIC'), /is a public key/],
    ['a secp256k1 JWK', secp256k1.export({ format: 'jwk' }), /on secp256k1/],
    ['a JWK of another type', { kty: 'OKP', crv: 'Ed25519', d: jwk.d, x: jwk.x }, /on Ed25519/],
    ['a JWK with the public key of another key', { ...jwk, x: stranger.x, y: stranger.y }, /does not belong/],
    ['a JWK with y negated', { ...jwk, y: jwk.x }, /does not belong/],
    ['a public JWK', { ...jwk, d: undefined }, /"d" is not 32 bytes/],
    ['a JWK without its public key', { ...jwk, x: undefined }, /"x" is not 32 bytes/],
    ['a JWK with a short d', { ...jwk, d: base64url(Buffer.alloc(31, 1)) }, /"d" is not 32 bytes/],
    ['a JWK with a long d', { ...jwk, d: base64url(Buffer.alloc(33, 1)) }, /"d" is not 32 bytes/],
    ['a JWK in base64 with padding', { ...jwk, d: `${jwk.d}=` }, /"d" is not 32 bytes/],
    ['a JWK holding zero', { ...jwk, d: base64url(Buffer.alloc(32)) }, /is zero/],
    ['broken JSON', `{"d":"${jwk.d}",`, /not valid JSON/],
    ['a JWK with the key as its curve by mistake', { ...jwk, crv: jwk.d }, /"crv" differs/],
  ])('throws an error that does not show the key: %s', (_, given, reason) => {
    const material = typeof given === 'string' ? given : JSON.stringify(given);
    const error = thrownBy(() => parse(material));
    expect(error).toBeInstanceOf(InvalidKeyError);
    expect(error.message).toMatch(reason);
    expect(error.message).toContain(SOURCE);
    expect(piecesOfKey(material).filter((word) => inspect(error).includes(word))).toEqual([]);
  });
});

describe('newPrivateKey', () => {
  it('makes a new valid key each time, and never shows the key', () => {
    const made = Array.from({ length: 20 }, newPrivateKey);
    const publicKeys = made.map((each) => parsePrivateKey(each, SOURCE).publicKeyCompressedHex);
    expect(new Set(publicKeys).size).toBe(20);
    for (const [index, each] of made.entries()) {
      expect(each.reveal()).toMatch(/^[0-9a-f]{64}$/);
      expect(Buffer.from(getPublicKey(each.reveal())).toString('hex')).toBe(publicKeys[index]);
      expect(inspect(each, { showHidden: true, depth: 9 })).not.toContain(each.reveal().slice(0, 12));
    }
  });
});

function thrownBy(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

/** The first and last 12 characters of each PEM line, JWK member or hex number in a key's text. */
function piecesOfKey(material: string): string[] {
  return material.match(/[\w+/-]{12,}/g)?.flatMap((word) => [word.slice(0, 12), word.slice(-12)]) ?? [];
}
