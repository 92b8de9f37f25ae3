import { AsyncLocalStorage } from 'node:async_hooks';

const inside = new AsyncLocalStorage<true>();
const { fetch } = globalThis;

// Called at every request, so it has to be the global one that is stopped.
globalThis.fetch = (...request) =>
  inside.getStore() ? Promise.reject(new Error('no network here')) : fetch(...request);

/**
 * Runs what must not reach out: `fetch` fails at once for it, and for nobody else.
 *
 * @simplewebauthn/server downloads revocation lists from wherever a certificate says, for android-key before it knows whose the
 * certificate is, and without a time limit. A list that it cannot have does not count, and the certificate passes.
 */
export const withoutNetwork = <T>(work: () => Promise<T>): Promise<T> => inside.run(true, work);
