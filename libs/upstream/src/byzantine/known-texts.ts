import type { RejectionReason } from '../upstream-error.js';

/** An error's text is a sentence; a page that an adversary made long is not searched. */
const READ_CHARACTERS = 500;

interface KnownText {
  text: RegExp;
  means: RejectionReason | 'misconfigured';
  /** `upstream`: seen from Byzantine itself. `sandbox`: only our sandbox's own words so far. */
  seen: 'upstream' | 'sandbox';
}

/**
 * What the free text of a Byzantine 400 means. The texts are not documented, and one status stands for wrong
 * code, expired code, locked code, expired session, duplicate passkey and bad payload alike, so a text that is
 * not here stays `rejected_unclear`: better unclear than guessed. The first match counts.
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
];

/** @returns what the text means, or null where it is not known. */
export function readText(text: string): KnownText['means'] | null {
  const start = text.slice(0, READ_CHARACTERS);
  return KNOWN_TEXTS.find((known) => known.text.test(start))?.means ?? null;
}
