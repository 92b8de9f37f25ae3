import { duration } from './clock.js';

/** @typedef {{code: string, detail?: string | undefined, errors?: {code: string, detail: string}[], retryAfterS?: number}} Fault */

/** What a person is told, and what to do next, by the code of a refusal. @type {Record<string, string>} */
const WORDS = {
  otp_expired: 'That code has expired. Ask for a new one.',
  otp_locked: 'No tries are left for this code. Ask for a new one.',
  otp_send_limit: 'Too many codes were mailed to this address.',
  otp_resend_too_soon: 'That was too soon for another code.',
  session_expired: 'The time to create a passkey has run out. Ask for a new code, and go on from there.',
  subject_not_found: 'The wallet provider does not know this address.',
  contact_invalid: 'No code can be mailed to this address. Check it, and start again.',
  captcha_required: 'The wallet provider asks for a check that this page does not have.',
  attestation_invalid: 'Your passkey was not accepted. Create another one.',
  upstream_rejected: 'The wallet provider refused this. Start again, or ask for help if it happens twice.',
  upstream_unavailable: 'The wallet provider did not answer well.',
  upstream_misconfigured: 'Something at our side must be mended first.',
  outcome_unknown: '', // its view says all there is to say
  consensus_needed: 'The wallet provider wants somebody to agree to this first.',
  mfa_needed: 'The wallet provider wants another proof of who you are.',
  illegal_state: 'Things have moved on meanwhile. This is where you are now.',
  step_in_progress: 'We are at it already.',
  other_onboarding: 'You have started anew meanwhile, in another tab perhaps. This is where you are now.',
  onboarding_ended: 'This set-up has ended meanwhile.',
  not_started: 'Nothing was started in this browser. Start with your e-mail.',
  rate_limited: 'That was a little fast.',
  validation_failed: 'That does not look right. Check what you typed.',
  not_ready: 'We cannot be reached at the moment. Try again in a few seconds; nothing is lost.',
  service_unreachable: 'We cannot be reached at the moment. Try again in a few seconds; nothing is lost.',
  offline: 'This page cannot reach us. Check your connection, and try again; nothing is lost.',
  internal: 'Something broke on our side. Try again in a moment.',
  insecure_context: 'Passkeys need a secure connection: open this page by https://, or at http://localhost.',
  passkeys_not_supported:
    'This browser has no passkeys. Update it, or open this page on your phone, and start there with the same e-mail.',
  passkey_cancelled:
    'No passkey was created: the dialog was closed, or your device could not tell that it is you. Try again when you are ready.',
  passkey_timed_out:
    'Your device waited too long for you, and gave up. Try again, and confirm as soon as it asks.',
  passkey_exists: 'This device has a passkey for you already. Finish with it, or use another device.',
  device_unsuitable:
    'This device cannot make the passkey we need: set up a screen lock, fingerprint or PIN first.',
  wrong_site:
    'Passkeys are made for another address than this page’s. Open it at the address that you were given.',
  passkey_failed: 'Your device could not create the passkey. Try again, or use another device.',
};

/** What was wrong with a passkey, where it is more than our business. @type {Record<string, string>} */
const PASSKEY_FAULTS = {
  user_not_verified: 'Your device did not check that it is you: use one with fingerprint, face or PIN.',
  credential_already_registered: 'This passkey is registered already.',
  challenge_mismatch: 'Too much time has passed since it was begun.',
  origin_not_allowed: 'It was made at another address than this page’s.',
  algorithm_not_allowed: 'It is of a kind that is not accepted here.',
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

/** Why a new code is needed. @type {Record<string, string>} */
export const REASONS = {
  otp_expired: 'Your code has expired: it is good for a few minutes only.',
  session_expired:
    'The time to create a passkey has run out. Nothing is lost but the time: a new code takes you back.',
  send_failed: 'We could not mail you a code.',
};
