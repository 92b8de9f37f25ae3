import { AsyncLocalStorage } from 'node:async_hooks';

const inside = new AsyncLocalStorage<true>();
const { fetch } = globalThis;

// @simplewebauthn/server calls the global `fetch`.
globalThis.fetch = (...request) =>
  inside.getStore() ? Promise.reject(new Error('no network here')) : fetch(...request);

/**
 * `fetch` fails at once in this work, but not in other work.
 *
 * The library downloads revocation lists from any address in a certificate, without a time limit, and for
 * android-key even before it knows the issuer. If a list is missing, it accepts the certificate.
 */
export const withoutNetwork = <T>(work: () => Promise<T>): Promise<T> => inside.run(true, work);
