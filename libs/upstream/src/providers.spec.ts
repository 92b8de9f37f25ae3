import { expect, it } from '@jest/globals';
import { authProxy } from './turnkey/auth-proxy.js';
import { byzantine } from './byzantine/byzantine.js';
import { PROVIDERS, findProvider } from './providers.js';

it('findProvider returns each known kind of provider, and undefined for an unknown kind', () => {
  expect(PROVIDERS.map(({ kind }) => findProvider(kind))).toEqual(PROVIDERS);
  expect(findProvider('of-the-past')).toBeUndefined();
});

it.each(['init-otp', 'verify-otp'] as const)(
  'the retry rules of %s are the same at the Auth Proxy and at Byzantine',
  (step) => {
    // docs/explanation/retry-law.md has one table for both providers.
    expect(authProxy.law[step]).toEqual(byzantine.law[step]);
  },
);
