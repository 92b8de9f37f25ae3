import { expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { vectors } from './fixtures/vectors.js';
import { parsePrivateKey } from './private-key.js';
import type { SigningKey } from './request-signer.js';
import { checkSignatures } from './self-check.js';

const SOURCE = 'INTEGRATION_ACME_PRIVATE_KEY';
const good = parsePrivateKey(new Secret(vectors.privateKeyHex), SOURCE);
const other = parsePrivateKey(new Secret('05'.repeat(32)), SOURCE);

it('checkSignatures accepts a key whose signatures are valid', () => {
  expect(() => checkSignatures(good, SOURCE)).not.toThrow();
});

it.each<[string, SigningKey['sign'], string]>([
  [
    'a bit is wrong',
    (message, encoding) => {
      const signature = Uint8Array.from(good.sign(message, encoding));
      signature[signature.length - 1]! ^= 1;
      return signature;
    },
    'der',
  ],
  ['a raw signature comes for DER', (message) => good.sign(message, 'raw'), 'der'],
  ['DER comes for a raw signature', (message) => good.sign(message, 'der'), 'raw'],
  ['another key signs', (message, encoding) => other.sign(message, encoding), 'der'],
  ['another message is signed', (_message, encoding) => good.sign(Buffer.from('x'), encoding), 'der'],
  ['nothing comes', () => new Uint8Array(), 'der'],
])('checkSignatures throws if %s, and names the key’s source', (_, sign, encoding) => {
  expect(() => checkSignatures({ ...good, sign }, SOURCE)).toThrow(
    `refuses a signature (${encoding}) that node:crypto made with the key of ${SOURCE}:`,
  );
});
