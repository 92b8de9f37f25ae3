import { describe, expect, it } from '@jest/globals';
import { SCOPES, type Caller } from '#libs/kernel';
import { testConfig } from '#libs/testing';
import type { ApiKeyLogin } from './api-key-login.js';
import type { ApiKeyToken } from './api-key-token.js';
import { BadToken, type JwtLogin } from './jwt-login.js';
import { Logins } from './logins.js';

const API_KEY = 'key-of-the-tests-0123456789';
const ID = '0123456789abcdef0123';
const KEY = `gw_${ID}_${'A'.repeat(43)}`;
const caller = (name: string): Caller => ({ name, scopes: new Set(), integrations: null });

/** Each login knows one token, and returns a caller with the name of the login. */
function logins(env: Record<string, string> = {}) {
  const asked: string[] = [];
  const keys = {
    login: async ({ id }: ApiKeyToken) => {
      asked.push('keys');
      return id === ID ? caller('key') : null;
    },
    isFamiliar: ({ id }: ApiKeyToken) => id === ID,
  } as unknown as ApiKeyLogin;
  const jwt = {
    login: async () => {
      asked.push('jwt');
      return caller('jwt');
    },
  } as unknown as JwtLogin;
  return { logins: new Logins(testConfig({ API_KEY, ...env }), keys, jwt), asked };
}

describe('a bearer token', () => {
  it.each([
    [KEY, 'key', ['keys']],
    ['head.claims.signature', 'jwt', ['jwt']],
    ['..', 'jwt', ['jwt']],
    [API_KEY, 'default', []],
  ])('is checked as an API key or as a JWT, depending on its form: %s', async (token, name, asked) => {
    const made = logins();
    expect((await made.logins.login(token)).name).toBe(name);
    expect(made.asked).toEqual(asked);
  });

  it.each([
    [
      'of an unknown key',
      `gw_${'f'.repeat(20)}_${'A'.repeat(43)}`,
      `no live API key ${'f'.repeat(20)} with this secret`,
    ],
    ['of a key of the wrong form', 'gw_1_2', 'API key of the wrong form'],
    // A token with the prefix of an API key never reaches the JWT login.
    ['of a key with two dots', 'gw_a.b.c', 'API key of the wrong form'],
    ['with one dot', 'a.b', 'neither an API key nor a JWT'],
    ['with three dots', 'a.b.c.d', 'neither an API key nor a JWT'],
    ['that resembles the development key', `${API_KEY}0`, 'neither an API key nor a JWT'],
  ])('%s is refused', async (_, token, reason) => {
    const made = logins();
    await expect(made.logins.login(token)).rejects.toEqual(new BadToken(reason));
    expect(made.asked).not.toContain('jwt');
  });

  it('has all scopes and all integrations if it equals API_KEY', async () => {
    expect(await logins().logins.login(API_KEY)).toEqual({
      name: 'default',
      scopes: new Set(SCOPES),
      integrations: null,
    });
  });
});

describe('a token from a blocked address', () => {
  it.each([
    ['a key that logged in lately', KEY, true],
    ['a key that did not log in lately', `gw_${'f'.repeat(20)}_${'A'.repeat(43)}`, false],
    ['a key of the wrong form', 'gw_', false],
    ['a JWT', 'a.b.c', true],
    ['anything else', 'a.b', false],
    ['the development key', API_KEY, false],
  ])('is checked only if it is a JWT or a key that logged in lately: %s', (_, token, isChecked) => {
    expect(logins().logins.isCheckedWhileBlocked(token)).toBe(isChecked);
  });
});
