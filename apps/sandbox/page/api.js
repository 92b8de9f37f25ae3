/** @import { Glance } from '../src/control/glance.js' */

/** After this time, the page reports the sandbox as unreachable. */
const TIMEOUT_MS = 5_000;

/**
 * @param {{ address: string, userId: string }} filter an empty member matches everything
 * @returns {Promise<Glance>}
 * @throws {Error} if the sandbox cannot be reached, or refuses
 */
export async function glance({ address, userId }) {
  const query = new URLSearchParams({
    ...(address !== '' && { address }),
    ...(userId !== '' && { userId }),
  });
  const response = await send('GET', `glance?${query}`);
  return response.json();
}

/**
 * @param {'POST' | 'DELETE'} method
 * @param {string} path under `/_sandbox/`
 * @param {object} [body]
 * @throws {Error} with a message that the page can show
 */
export async function change(method, path, body) {
  await send(method, path, body);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function send(method, path, body) {
  const response = await fetch(`/_sandbox/${path}`, {
    method,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  if (response.ok) return response;
  /** @type {{ error?: string }} */
  const { error } = await response.json().catch(() => ({}));
  throw new Error(error ?? `The sandbox answered ${response.status}.`);
}
