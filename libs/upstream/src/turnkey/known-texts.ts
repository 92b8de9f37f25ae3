import type { RejectionReason } from '../port/upstream-error.js';
import { beginningOf } from '../transport/http-answer.js';

/**
 * - `throttled`: not now
 * - `misconfigured`: the fault is ours, and every call would meet it
 * - `organization_unknown`: ours or the subject's, as the request names one or the other
 * - `token_over`, `token_used`: of the verification token, which only a new code replaces
 * - `key_refused`, `not_permitted`: of the key that stamped: not a good one, or a policy forbids it the request
 * - `not_current`: the request's `timestampMs` is out of the window
 * - `origin_refused`: the caller's, or that we have none
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
  /** Of `details`, exactly. */
  code?: string;
  text?: RegExp;
  means: Meaning;
  /**
   * `documented` by Turnkey. `reported`: seen by others from Turnkey itself. `sandbox`: only our sandbox's own words so
   * far.
   */
  seen: 'documented' | 'reported' | 'sandbox';
}

/**
 * What Turnkey's refusals mean, besides what their status says: version 1, of Turnkey's error reference in August 2026.
 * Codes come before texts, which are compared without regard to case: Turnkey's clients spell them otherwise than its
 * servers. The first match counts, and what is not here stays `rejected_unclear`: better unclear than guessed.
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
  // SIGNATURE_INVALID and SIGNATURE_MISSING are of a client signature as well: there the status decides.
  { code: 'PUBLIC_KEY_NOT_FOUND', means: 'key_refused', seen: 'documented' },
  { code: 'API_KEY_EXPIRED', means: 'key_refused', seen: 'documented' },
  { code: 'REQUEST_NOT_AUTHORIZED', means: 'not_permitted', seen: 'documented' },

  // Resource limits come with the status of rate limits, and no wait helps.
  { text: /exceeded maximum authenticators/i, means: 'authenticator_limit', seen: 'documented' },
  {
    // "user has exceeded maximum api keys". Too many requests are a rate limit, and a wait helps.
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
  // "X-Captcha-Token header is required when captcha is enabled", "captcha verification failed".
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

/** Refusals that a provider which uses Turnkey passes on. They are about the user, not about our key. */
const PASSED_ON: ReadonlySet<Meaning> = new Set([
  'contact_invalid',
  'authenticator_limit',
  'resource_limit',
  'throttled',
]);
export type PassedOn = 'contact_invalid' | 'authenticator_limit' | 'resource_limit' | 'throttled';

/** @returns the meaning of Turnkey's text inside another provider's text, or null if it has none. */
export function readPassedOn(text: string): PassedOn | null {
  const start = beginningOf(text);
  const known = KNOWN_REFUSALS.find(
    ({ code, text: words, means }) =>
      PASSED_ON.has(means) && (code ? new RegExp(`\\b${code}\\b`).test(start) : words?.test(start)),
  );
  return (known?.means as PassedOn | undefined) ?? null;
}

/** @returns what a refusal means, or null where it is not known. */
export function readRefusal({ code, text }: { code: string | null; text: string }): Meaning | null {
  const start = beginningOf(text);
  const known = KNOWN_REFUSALS.find((one) => (one.code ? one.code === code : one.text?.test(start)));
  return known?.means ?? null;
}
