import { browserSupportsWebAuthn, startRegistration } from '/vendor/simplewebauthn/index.js';

/** What our server refused, or why a passkey could not be made: `code` says it to programs. */
export class Refusal extends Error {
  /** @param {{code: string, detail?: string, errors?: {pointer: string, code: string, detail: string}[]}} problem */
  constructor(problem, retryAfterS = 0) {
    super(problem.detail ?? problem.code);
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.retryAfterS = retryAfterS;
  }
}

/** Which onboarding this tab shows: in another one the browser may have started another since. */
let of = '';

/** The timeline of that one. */
export const openEvents = () => new EventSource(`/api/onboarding/events?of=${of}`);

/**
 * Asks our own server, and nobody else: with a body it is a POST.
 *
 * @param {string} path @param {object} [body]
 * @returns {Promise<any>} how the onboarding stands
 */
export async function call(path, body) {
  const headers = { 'Content-Type': 'application/json', 'X-Onboarding': of };
  // A read that hangs is repeated. A request is not, and it is sent even if the user leaves the page meanwhile.
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
  if (answer.state) of = answer.of ?? '';
  return answer;
}

/**
 * Has the user's device make a passkey, for a fresh challenge (WebAuthn Level 3 §5.1.3).
 *
 * @param {{id: string}[]} others made just now and not registered yet: their devices are not to make another
 * @returns the passkey, and how long it can be registered: until its challenge is over, by the server's clock
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

/** What the library found out, where a person can do something about it. @type {Record<string, string>} */
const CODES = {
  ERROR_CEREMONY_ABORTED: 'passkey_cancelled',
  ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED: 'passkey_exists',
  ERROR_INVALID_DOMAIN: 'wrong_site',
  ERROR_INVALID_RP_ID: 'wrong_site',
  ERROR_AUTHENTICATOR_MISSING_USER_VERIFICATION_SUPPORT: 'device_unsuitable',
  ERROR_AUTHENTICATOR_MISSING_DISCOVERABLE_CREDENTIAL_SUPPORT: 'device_unsuitable',
  ERROR_AUTHENTICATOR_NO_SUPPORTED_PUBKEYCREDPARAMS_ALG: 'device_unsuitable',
};

/** @param {{name: string, code?: string}} error @param {boolean} timedOut browsers do not tell it from a "no" */
function codeOf({ name, code = '' }, timedOut) {
  if (name === 'NotAllowedError') return timedOut ? 'passkey_timed_out' : 'passkey_cancelled';
  return CODES[code] ?? 'passkey_failed';
}
