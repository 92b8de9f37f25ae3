import type { RejectionReason } from '../port/upstream-error.js';
import { beginningOf } from '../transport/http-answer.js';

/**
 * - `misconfigured`: the fault is ours and affects all calls
 * - `organization_unknown`: Turnkey does not know our organization, or the subject's
 * - `token_over`: the verification token is invalid or has expired
 * - `token_used`: the verification token was used before
 * - `key_refused`: the stamp's key is not valid
 * - `not_permitted`: a policy forbids this request for the stamp's key
 * - `not_current`: the request's `timestampMs` is too old or too new
 * - `origin_refused`: Turnkey refuses the caller's origin, or the integration has no origin
 */
export type Meaning =
  | RejectionReason
  | 'throttled'
  | 'misconfigured'
  | 'organization_unknown'
  | 'token_over'
  | 'token_used'
  | 'key_refused'
  | 'not_permitted'
  | 'not_current'
  | 'origin_refused';

interface Known {
  /** The exact `turnkeyErrorCode` in `details`. */
  code?: string;
  text?: RegExp;
  means: Meaning;
  /** Found in Turnkey's documentation, in reports of other users, or only in our sandbox. */
  seen: 'documented' | 'reported' | 'sandbox';
}

/**
 * Turnkey's error reference of August 2026. The first match counts. Case is ignored, because Turnkey's
 * clients and servers do not agree on it. An unknown refusal means `rejected_unclear`.
 */
export const KNOWN_REFUSALS: readonly Known[] = [
  { code: 'MAX_OTP_INITIATED', means: 'throttled', seen: 'reported' },
  { code: 'RATE_LIMIT_EXCEEDED', means: 'throttled', seen: 'documented' },
  { code: 'ORGANIZATION_NOT_FOUND', means: 'organization_unknown', seen: 'documented' },
  { code: 'ORGANIZATION_MISMATCH', means: 'organization_unknown', seen: 'documented' },
  { code: 'INVALID_ORGANIZATION_ID', means: 'organization_unknown', seen: 'documented' },
  { code: 'EMAIL_SENDING_DISABLED', means: 'misconfigured', seen: 'documented' },
  { code: 'INVALID_EMAIL', means: 'contact_invalid', seen: 'documented' },
  { code: 'INVALID_FQDN', means: 'contact_invalid', seen: 'documented' },
  // Without SIGNATURE_INVALID and SIGNATURE_MISSING, because they may also be about a client signature.
  { code: 'PUBLIC_KEY_NOT_FOUND', means: 'key_refused', seen: 'documented' },
  { code: 'API_KEY_EXPIRED', means: 'key_refused', seen: 'documented' },
  { code: 'REQUEST_NOT_AUTHORIZED', means: 'not_permitted', seen: 'documented' },

  // A resource limit has the same status as a rate limit, but waiting does not help.
  { text: /exceeded maximum authenticators/i, means: 'authenticator_limit', seen: 'documented' },
  {
    // Does not match "exceeded maximum requests", which is a rate limit.
    text: /exceeded (the )?maximum(?!.*\b(requests?|rate|calls)\b)/i,
    means: 'resource_limit',
    seen: 'documented',
  },
  { text: /max number of otps have been initiated/i, means: 'throttled', seen: 'reported' },
  {
    text: /rate limited|over (its )?allotted quota|too many requests|resource exhausted/i,
    means: 'throttled',
    seen: 'documented',
  },
  { text: /invalid authenticator attestation/i, means: 'attestation_invalid', seen: 'documented' },
  { text: /activity timestamp is (not current|in the future)/i, means: 'not_current', seen: 'documented' },
  { text: /no organization found/i, means: 'organization_unknown', seen: 'documented' },
  {
    text: /organization mismatch|malformed organization id/i,
    means: 'organization_unknown',
    seen: 'documented',
  },
  { text: /invalid email address|could not reach email/i, means: 'contact_invalid', seen: 'documented' },
  // For example "X-Captcha-Token header is required when captcha is enabled".
  { text: /captcha/i, means: 'captcha_required', seen: 'documented' },
  { text: /invalid otp code/i, means: 'otp_invalid', seen: 'reported' },

  { text: /otp code is locked|too many attempts/i, means: 'otp_locked', seen: 'sandbox' },
  { text: /expired otp code|otp code (has )?expired/i, means: 'otp_expired', seen: 'sandbox' },
  { text: /otp not found|otp code already used/i, means: 'otp_expired', seen: 'sandbox' },
  { text: /otp was initiated by another generation/i, means: 'otp_expired', seen: 'sandbox' },
  { text: /verification token already used/i, means: 'token_used', seen: 'sandbox' },
  { text: /(expired|invalid) verification token/i, means: 'token_over', seen: 'sandbox' },
  { text: /verification token of another generation/i, means: 'token_over', seen: 'sandbox' },
  { text: /credential already registered/i, means: 'credential_already_registered', seen: 'sandbox' },
  { text: /no user found/i, means: 'subject_not_found', seen: 'sandbox' },
  { text: /origin is not allowed/i, means: 'origin_refused', seen: 'sandbox' },
];

/** A provider that uses Turnkey may forward these refusals. */
const PASSED_ON: ReadonlySet<Meaning> = new Set([
  'contact_invalid',
  'authenticator_limit',
  'resource_limit',
  'throttled',
]);
export type PassedOn = 'contact_invalid' | 'authenticator_limit' | 'resource_limit' | 'throttled';

/** @returns the meaning of a text that another provider forwards from Turnkey; null if it is unknown. */
export function readPassedOn(text: string): PassedOn | null {
  const start = beginningOf(text);
  const known = KNOWN_REFUSALS.find(
    ({ code, text: words, means }) =>
      PASSED_ON.has(means) && (code ? new RegExp(`\\b${code}\\b`).test(start) : words?.test(start)),
  );
  return (known?.means as PassedOn | undefined) ?? null;
}

export function readRefusal({ code, text }: { code: string | null; text: string }): Meaning | null {
  const start = beginningOf(text);
  const known = KNOWN_REFUSALS.find((one) => (one.code ? one.code === code : one.text?.test(start)));
  return known?.means ?? null;
}
