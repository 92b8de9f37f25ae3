import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keyObjectsMade } from '#libs/testing';
import { KeyedHash } from './keyed-hash.js';

const keyed = (byte: number) => new KeyedHash(Buffer.alloc(32, byte));

describe('KeyedHash', () => {
  it('gives the same hash for the same content in each instance with the same key', () => {
    expect(keyed(1).digest('codes', '123456')).toEqual(keyed(1).digest('codes', '123456'));
  });

  it('gives another hash for other content, for another purpose and under another key', () => {
    const text = fc.string({ minLength: 1 });
    fc.assert(
      fc.property(text, text, text, text, (purpose, other, content, another) => {
        const hash = keyed(1).digest(purpose, content);
        expect(hash).toHaveLength(32);
        expect(keyed(2).digest(purpose, content)).not.toEqual(hash);
        if (other !== purpose) expect(keyed(1).digest(other, content)).not.toEqual(hash);
        if (another !== content) expect(keyed(1).digest(purpose, another)).not.toEqual(hash);
      }),
    );
  });

  it('computes HMAC-SHA-256 under a key derived by HKDF-SHA-256', async () => {
    const { subtle } = globalThis.crypto;
    const root = await subtle.importKey('raw', Buffer.alloc(32, 1), 'HKDF', false, ['deriveKey']);
    const key = await subtle.deriveKey(
      { name: 'HKDF', hash: 'SHA-256', salt: Buffer.alloc(0), info: Buffer.from('gangway codes') },
      root,
      { name: 'HMAC', hash: 'SHA-256', length: 256 },
      false,
      ['sign'],
    );
    const mac = await subtle.sign('HMAC', key, Buffer.from('123456'));
    expect(keyed(1).digest('codes', '123456')).toEqual(Buffer.from(mac));
  });

  it('makes one key object for each purpose', async () => {
    const hash = keyed(1);
    const made = await keyObjectsMade(() => {
      for (const content of ['a', 'b', 'c'])
        for (const purpose of ['one', 'two']) hash.digest(purpose, content);
    });
    expect(made).toEqual({ createSecretKey: 2 });
  });
});
