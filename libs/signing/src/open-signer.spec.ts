import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { inspect } from 'node:util';
import { expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { vectors } from './fixtures/vectors.js';
import { openSigner } from './open-signer.js';
import { verifyByNoble } from './self-check.js';

const acme = { privateKey: new Secret(vectors.privateKeyHex), source: 'INTEGRATION_ACME_PRIVATE_KEY' };

it('openSigner returns a key that signs in DER by default, and in raw form on request', async () => {
  const message = Buffer.from('message');
  const signer = await openSigner(acme);
  expect(`0x${signer.publicKeyCompressedHex}`).toBe(vectors.xPubkey);
  const verified = (signature: Uint8Array, encoding: 'der' | 'raw') =>
    verifyByNoble(signer.publicKeyCompressedHex, message, signature, encoding);
  expect(verified(await signer.sign(message), 'der')).toBe(true);
  const raw = await signer.sign(message, 'raw');
  expect(raw).toHaveLength(64);
  expect(verified(raw, 'raw')).toBe(true);
});

it('no property of a signer shows the private key', async () => {
  const signer = await openSigner(acme);
  const shown = inspect(signer, { depth: 9, showHidden: true }) + JSON.stringify(signer);
  expect(shown).not.toContain('0101');
  expect(shown).not.toContain('1, 1, 1');
});

it('openSigner throws for a bad key and names the variable of the key', async () => {
  const bad = { ...acme, privateKey: new Secret('ff'.repeat(32)) };
  await expect(openSigner(bad)).rejects.toThrow(/^INTEGRATION_ACME_PRIVATE_KEY .* not below the order n/);
});

it('openSigner throws if the signatures of a key are not valid', async () => {
  const real = crypto.sign as unknown as (...args: unknown[]) => Buffer;
  const broken = (...args: unknown[]) => {
    const signature = real(...args);
    signature[signature.length - 1]! ^= 1;
    return signature;
  };
  Object.assign(crypto, { sign: broken });
  // Modules that have imported `sign` by name call the broken function only after this update.
  syncBuiltinESMExports();
  try {
    await expect(openSigner(acme)).rejects.toThrow(/made with the key of INTEGRATION_ACME_PRIVATE_KEY/);
  } finally {
    Object.assign(crypto, { sign: real });
    syncBuiltinESMExports();
  }
});
