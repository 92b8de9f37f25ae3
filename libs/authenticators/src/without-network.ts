import { AsyncLocalStorage } from 'node:async_hooks';

const inside = new AsyncLocalStorage<true>();
const { fetch } = globalThis;

// The library calls the global `fetch` at every request. Therefore the global function is replaced.
globalThis.fetch = (...request) =>
  inside.getStore() ? Promise.reject(new Error('no network here')) : fetch(...request);

/**
 * Runs work that must not use the network. `fetch` fails immediately for this work, and for no other work.
 *
 * @simplewebauthn/server downloads revocation lists from any address in a certificate, without a time
 *   limit. For android-key it does so before it knows the issuer. If a list is missing, the library accepts
 *   the certificate.
 */
export const withoutNetwork = <T>(work: () => Promise<T>): Promise<T> => inside.run(true, work);
