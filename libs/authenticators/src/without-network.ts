import { AsyncLocalStorage } from 'node:async_hooks';

const inside = new AsyncLocalStorage<true>();
const { fetch } = globalThis;

// @simplewebauthn/server calls the global `fetch`, so this function replaces it.
globalThis.fetch = (...request) =>
  inside.getStore() ? Promise.reject(new Error('no network here')) : fetch(...request);

/**
 * Runs work in which `fetch` fails immediately. Other work can still use `fetch`.
 *
 * @simplewebauthn/server downloads revocation lists from any address in a certificate, without a time limit.
 * For android-key, it does so even before it knows the issuer. If a list is missing, it accepts the
 * certificate.
 */
export const withoutNetwork = <T>(work: () => Promise<T>): Promise<T> => inside.run(true, work);
