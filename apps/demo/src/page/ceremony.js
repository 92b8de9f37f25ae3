import { browserSupportsWebAuthn, startRegistration } from '/vendor/simplewebauthn/index.js';

/** @typedef {{pointer: string, code: string, detail: string}} FieldError */

/** A refusal by our server, or the reason why the browser made no passkey. */
export class Refusal extends Error {
  /** @param {{code: string, detail?: string, errors?: FieldError[]}} problem */
  constructor(problem, retryAfterS = 0) {
    super(problem.detail ?? problem.code);
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.retryAfterS = retryAfterS;
  }
}

/** A random reference to the onboarding that this tab shows. Another tab may have started a newer one. */
let ref = '';

export const openEvents = () => new EventSource(`/api/onboarding/events?ref=${ref}`);

/**
 * Calls our own server, by POST if there is a body.
 *
 * @param {string} path @param {object} [body]
 * @returns {Promise<any>} the state of the onboarding
 */
export async function call(path, body) {
  const headers = { 'Content-Type': 'application/json', 'X-Onboarding': ref };
  // A POST has no timeout, and continues if the user leaves the page.
  const init = body
    ? { method: 'POST', keepalive: true, headers, body: JSON.stringify(body) }
    : { signal: AbortSignal.timeout(30_000) };
  const response = await fetch(`/api/onboarding${path}`, init).catch(() => {
    throw new Refusal({ code: 'offline' });
  });
  const answer = await response.json().catch(() => undefined);
  if (!response.ok || !answer) {
    throw new Refusal(answer ?? { code: 'internal' }, Number(response.headers.get('Retry-After')));
  }
  if (answer.state) ref = answer.ref ?? '';
  return answer;
}

/**
 * Asks the user's device to make a passkey for a new challenge (WebAuthn Level 3 §5.1.3).
 *
 * @param {{id: string}[]} others unregistered passkeys, whose devices must not make another one
 * @returns the passkey, and `before`: until when the server accepts it, by the server's clock
 */
export async function makePasskey(others = []) {
  if (!window.isSecureContext) throw new Refusal({ code: 'insecure_context' });
  if (!browserSupportsWebAuthn()) throw new Refusal({ code: 'passkeys_not_supported' });
  const options = await call('/passkeys/options', {});
  const made = others.map(({ id }) => ({ id, type: /** @type {const} */ ('public-key') }));
  const excludeCredentials = [...(options.excludeCredentials ?? []), ...made];
  const startedAt = performance.now();
  const registration = startRegistration({ optionsJSON: { ...options, excludeCredentials } });
  const credential = await registration.catch((error) => {
    const timedOut = performance.now() - startedAt >= (options.timeout ?? Infinity);
    throw new Refusal({ code: codeOf(error, timedOut), detail: error.message });
  });
  const before = new Date(Date.parse(options.now) + options.timeout).toISOString();
  return { credential, rpId: options.rp.id, before };
}

/** Our codes for the errors of SimpleWebAuthn that users can solve. @type {Record<string, string>} */
const CODES = {
  ERROR_CEREMONY_ABORTED: 'passkey_cancelled',
  ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED: 'passkey_exists',
  ERROR_INVALID_DOMAIN: 'wrong_site',
  ERROR_INVALID_RP_ID: 'wrong_site',
  ERROR_AUTHENTICATOR_MISSING_USER_VERIFICATION_SUPPORT: 'device_unsuitable',
  ERROR_AUTHENTICATOR_MISSING_DISCOVERABLE_CREDENTIAL_SUPPORT: 'device_unsuitable',
  ERROR_AUTHENTICATOR_NO_SUPPORTED_PUBKEYCREDPARAMS_ALG: 'device_unsuitable',
};

/**
 * @param {{name: string, code?: string}} error
 * @param {boolean} timedOut browsers report a timeout like a refusal by the user
 */
function codeOf({ name, code = '' }, timedOut) {
  if (name === 'NotAllowedError') return timedOut ? 'passkey_timed_out' : 'passkey_cancelled';
  return CODES[code] ?? 'passkey_failed';
}
