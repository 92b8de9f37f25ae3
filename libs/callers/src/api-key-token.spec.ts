import { describe, expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { hashOf, newApiKeyToken, parseApiKeyToken, tokenOf } from './api-key-token.js';

const hash = new KeyedHash(Buffer.alloc(32, 9));

describe('the token of an API key', () => {
  it('can be parsed into its id and secret, and differs for each new key', () => {
    const made = newApiKeyToken();
    const parsed = parseApiKeyToken(tokenOf(made).reveal());
    expect(parsed?.id).toBe(made.id);
    expect(parsed?.secret.reveal()).toBe(made.secret.reveal());
    expect(Buffer.from(made.secret.reveal(), 'base64url')).toHaveLength(32);
    expect(newApiKeyToken().id).not.toBe(made.id);
  });

  it('does not print its secret', () => {
    const token = newApiKeyToken();
    expect(JSON.stringify(token) + String(tokenOf(token))).not.toContain(token.secret.reveal());
  });

  it('is hashed together with its id, under a hash key that serves only this purpose', () => {
    const secret = new Secret('A'.repeat(43));
    const one = hashOf({ id: '0'.repeat(20), secret }, hash);
    expect(one).toHaveLength(32);
    expect(hashOf({ id: '1'.repeat(20), secret }, hash)).not.toEqual(one);
    expect(hashOf({ id: '0'.repeat(20), secret }, new KeyedHash(Buffer.alloc(32, 8)))).not.toEqual(one);
    expect(hash.digest('rate limit', `${'0'.repeat(20)}\n${'A'.repeat(43)}`)).not.toEqual(one);
  });
});
