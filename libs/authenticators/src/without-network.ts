import { AsyncLocalStorage } from 'node:async_hooks';

const inside = new AsyncLocalStorage<true>();
const { fetch } = globalThis;

// The library calls the global `fetch` at every request. Therefore the global function is replaced.
globalThis.fetch = (...request) =>
  inside.getStore() ? Promise.reject(new Error('no network here')) : fetch(...request);

/**
 * `fetch` fails immediately for this work, and for no other work.
 *
 * @simplewebauthn/server downloads revocation lists from any address in a certificate, without a time limit,
 * for android-key even before it knows the issuer. It accepts the certificate if a list is missing.
 */
export const withoutNetwork = <T>(work: () => Promise<T>): Promise<T> => inside.run(true, work);
