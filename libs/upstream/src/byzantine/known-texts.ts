import { readPassedOn } from '../turnkey/known-texts.js';
import type { RejectionReason } from '../port/upstream-error.js';
import { beginningOf } from '../transport/http-answer.js';

interface KnownText {
  text: RegExp;
  means: RejectionReason | 'misconfigured' | 'throttled';
  /** Found in an answer of Byzantine, in its documentation of other routes, or only in our sandbox. */
  seen: 'upstream' | 'documented' | 'sandbox';
}

/**
 * What Byzantine's error texts mean. The first match counts. Byzantine does not document these texts. A 400
 * with any other text means `rejected_unclear`.
 */
export const KNOWN_TEXTS: readonly KnownText[] = [
  { text: /missing .{0,40}x-(pubkey|timestamp|signature)/i, means: 'misconfigured', seen: 'sandbox' },
  { text: /otp code is locked|too many attempts/i, means: 'otp_locked', seen: 'sandbox' },
  { text: /otp code (has )?expired/i, means: 'otp_expired', seen: 'sandbox' },
  { text: /invalid otp code/i, means: 'otp_invalid', seen: 'sandbox' },
  { text: /session (has )?expired|session not found/i, means: 'session_expired', seen: 'sandbox' },
  { text: /credential already registered/i, means: 'credential_already_registered', seen: 'sandbox' },
  { text: /maximum number of authenticators/i, means: 'authenticator_limit', seen: 'sandbox' },
  { text: /invalid authenticator attestation/i, means: 'attestation_invalid', seen: 'sandbox' },
  { text: /(account|user) not found/i, means: 'subject_not_found', seen: 'sandbox' },
  // A 401 may say "Account does not belong to integrator".
  {
    text: /(account|user)\b.{0,40}\bnot (belong|owned|a member|part)\b/i,
    means: 'subject_not_found',
    seen: 'documented',
  },
];

/** Matches the text of a 401 or 403 that is about the key, its scope or the clock. */
const OF_THE_KEY = /public key|pubkey|signature|timestamp|credential|api key|read.only/i;

/**
 * Also reads Turnkey's texts, because Byzantine uses Turnkey and may forward them.
 *
 * @returns null if the text is unknown.
 */
export function readText(text: string): KnownText['means'] | null {
  const start = beginningOf(text);
  return KNOWN_TEXTS.find((known) => known.text.test(start))?.means ?? readPassedOn(start);
}

export const speaksOfKey = (text: string): boolean => OF_THE_KEY.test(beginningOf(text));
