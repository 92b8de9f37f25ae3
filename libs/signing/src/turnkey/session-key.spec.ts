import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { getPublicKey } from '@turnkey/crypto';
import { Secret } from '#libs/kernel';
import { turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { InvalidKeyError } from '../invalid-key-error.js';
import { SIGNING_ENGINES } from '../key-ring.js';
import { localSigner } from '../request-signer.js';
import { relayApiKeyStamp, stampTurnkeyRequest } from './api-key-stamp.js';
import { newSessionKey, openSessionKey } from './session-key.js';

const ORDER_HEX = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';

describe.each(SIGNING_ENGINES)('a session key on %s', (engine) => {
  it('signs alike when made and when opened again', async () => {
    const { key, privateKey } = newSessionKey(engine);
    const opened = openSessionKey(privateKey, engine);
    expect(opened.name).toBe('session');
    expect(opened.publicKeyCompressedHex).toBe(key.publicKeyCompressedHex);
    for (const each of [key, opened]) {
      const header = await stampTurnkeyRequest(localSigner(each), '{}');
      expect(relayApiKeyStamp(header['X-Stamp'], '{}')).toEqual(header);
    }
  });

  it('has the public key that @turnkey/crypto derives', () => {
    const { key, privateKey } = newSessionKey(engine);
    expect(privateKey.reveal()).toMatch(/^[0-9a-f]{64}$/);
    const derived = Buffer.from(getPublicKey(privateKey.reveal())).toString('hex');
    expect(key.publicKeyCompressedHex).toBe(derived);
  });

  it('shows no private half', () => {
    const { key, privateKey } = newSessionKey(engine, () => Buffer.alloc(32, 5));
    expect(privateKey.reveal()).toBe(turnkeyVectors.keys.clientSession.privateKeyHex);
    expect(key.publicKeyCompressedHex).toBe(turnkeyVectors.keys.clientSession.publicKeyCompressedHex);
    const shown = inspect([key, privateKey], { showHidden: true, depth: 9 }) + JSON.stringify(privateKey);
    expect(shown).not.toContain('0505');
  });
});

it('draws again what is no key', () => {
  const draws = ['00'.repeat(32), ORDER_HEX, 'ff'.repeat(32), '05'.repeat(32)];
  const { key } = newSessionKey('openssl', () => Buffer.from(draws.shift()!, 'hex'));
  expect(draws).toHaveLength(0);
  expect(key.publicKeyCompressedHex).toBe(turnkeyVectors.keys.clientSession.publicKeyCompressedHex);
});

it('does not repeat itself', () => {
  const made = Array.from({ length: 20 }, () => newSessionKey('openssl').key.publicKeyCompressedHex);
  expect(new Set(made).size).toBe(20);
});

it.each(['', 'no key', '00'.repeat(32), ORDER_HEX, '05'.repeat(31)])(
  'opens nothing that is no key: %j',
  (hex) => {
    expect(() => openSessionKey(new Secret(hex), 'openssl')).toThrow(InvalidKeyError);
    expect(() => openSessionKey(new Secret(hex), 'openssl')).toThrow(/^the session key /);
  },
);
