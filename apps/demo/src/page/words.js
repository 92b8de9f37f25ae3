import { duration } from './clock.js';

/**
 * @typedef {{
 *   code: string,
 *   detail?: string | undefined,
 *   errors?: {code: string, detail: string}[],
 *   retryAfterS?: number,
 * }} Fault
 */

/** What went wrong and what to do next, by the code of a refusal. @type {Record<string, string>} */
const WORDS = {
  otp_expired: 'That code has expired. Ask for a new one.',
  otp_locked: 'No tries are left for this code. Ask for a new code.',
  otp_send_limit: 'Too many codes were mailed to this address.',
  otp_resend_too_soon: 'It is too soon for another code.',
  session_expired: 'The time to create a passkey has run out. Ask for a new code, and continue from there.',
  subject_not_found: 'The wallet provider does not know this address.',
  contact_invalid: 'We cannot mail a code to this address. Check it, and start again.',
  captcha_required: 'The wallet provider requires a check that this page does not have.',
  attestation_invalid: 'Your passkey was not accepted. Create another one.',
  upstream_rejected: 'The wallet provider refused this. Start again, or ask for help if it happens twice.',
  upstream_unavailable: 'The wallet provider has problems.',
  upstream_misconfigured: 'We must fix something on our side first.',
  integration_paused: 'We have paused this for a moment. It goes on by itself.',
  outcome_unknown: '', // the view for an unknown outcome has its own text
  consensus_needed: 'At the wallet provider, another person must approve this first.',
  mfa_needed: 'The wallet provider needs another proof of your identity.',
  illegal_state: 'Your set-up has changed meanwhile. This is where you are now.',
  step_in_progress: 'We are working on it already.',
  other_onboarding: 'You started again meanwhile, perhaps in another tab. This is where you are now.',
  onboarding_live: 'You have started elsewhere. Finish there, or try again later.',
  onboarding_ended: 'This set-up has ended meanwhile.',
  not_started: 'You have not started in this browser. Start with your e-mail.',
  rate_limited: 'That was too fast.',
  validation_failed: 'That does not look right. Check what you typed.',
  not_ready: 'We cannot be reached at the moment. Try again in a few seconds; nothing is lost.',
  service_unreachable: 'We cannot be reached at the moment. Try again in a few seconds; nothing is lost.',
  offline: 'This page cannot reach us. Check your connection, and try again; nothing is lost.',
  internal: 'Something broke on our side. Try again in a moment.',
  insecure_context: 'Passkeys need a secure connection: open this page by https://, or at http://localhost.',
  passkeys_not_supported:
    'This browser has no passkeys. ' +
    'Update it, or open this page on your phone and start there with the same e-mail.',
  passkey_cancelled:
    'No passkey was created: the dialog was closed, or your device could not recognize you. ' +
    'Try again when you are ready.',
  passkey_timed_out:
    'Your device waited too long for you, and stopped. Try again, and confirm as soon as it asks.',
  passkey_exists: 'This device has a passkey for you already. Finish with it, or use another device.',
  device_unsuitable:
    'This device cannot make the passkey we need: set up a screen lock, fingerprint or PIN first.',
  wrong_site: 'Passkeys do not work at this address. Open the page at the address that you were given.',
  passkey_failed: 'Your device could not create the passkey. Try again, or use another device.',
};

/** What is wrong with a refused passkey, by the fault's code. @type {Record<string, string>} */
const PASSKEY_FAULTS = {
  user_not_verified: 'Your device did not check that it is you: use one with a fingerprint, face or PIN.',
  credential_already_registered: 'This passkey is registered already.',
  challenge_mismatch: 'It took too long.',
  origin_not_allowed: 'It was made for another address than that of this page.',
  algorithm_not_allowed: 'We do not accept passkeys of this kind.',
};

/** @param {Fault} fault @param {{attemptsLeft?: number}} [otp] @returns {string} */
export function faultWords({ code, detail, errors = [], retryAfterS = 0 }, { attemptsLeft = 0 } = {}) {
  if (code === 'otp_invalid' && attemptsLeft === 0) return 'That code was not right either.';
  if (code === 'otp_invalid') {
    const left = attemptsLeft === 1 ? 'one try' : `${attemptsLeft} tries`;
    return `That code is not right. You have ${left} left. Only the newest mail’s code works.`;
  }
  const why = errors.map((error) => PASSKEY_FAULTS[error.code] ?? error.detail);
  const when = retryAfterS > 0 && `Try again in ${duration(retryAfterS)}.`;
  return [WORDS[code] ?? detail ?? WORDS['internal'], ...new Set(why), when].filter(Boolean).join(' ');
}

/** Why the user needs a new code, by the onboarding's `reason`. @type {Record<string, string>} */
export const REASONS = {
  otp_expired: 'Your code has expired: a code works only for a few minutes.',
  session_expired:
    'The time to create a passkey has run out. Nothing else is lost: a new code brings you back here.',
  send_failed: 'We could not mail you a code.',
};
