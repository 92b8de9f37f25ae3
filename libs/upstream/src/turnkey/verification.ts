import type { Secret } from '#libs/kernel';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';
import type { Call, Grant, OtpProof, SentOtp } from '../port/upstream-provider.js';
import { grantToDevice } from './device-grant.js';
import type { OneTry } from '../transport/one-try.js';
import { notFound, type Verified } from './turnkey-login.js';
import type { TurnkeySubject } from './turnkey-subject.js';

/**
 * `byCode` exchanges a code in plain text for a session. `byDevice` exchanges a code that the user's device
 * has encrypted for a token.
 */
export interface CodeTaker {
  byCode(oneTry: OneTry, call: Call, subject: TurnkeySubject, sent: SentOtp, code: Secret): Promise<Grant>;
  byDevice(
    oneTry: OneTry,
    call: Call,
    subject: TurnkeySubject,
    sent: SentOtp,
    encryptedOtpBundle: string,
  ): Promise<Verified>;
}

/**
 * @throws UpstreamError before the code is used up, if the subject lacks the ids that the device must sign
 */
export async function verifyBy(
  taker: CodeTaker,
  oneTry: OneTry,
  call: Call,
  subject: TurnkeySubject,
  sent: SentOtp,
  proof: OtpProof,
): Promise<Grant> {
  if (proof.type === 'code') return taker.byCode(oneTry, call, subject, sent, proof.code);
  if (sent.targetBundle === undefined) throw encryptedWithoutKey();
  // If custody was `server` when the onboarding began, the subject may have only a contact.
  if (!subject.organizationId || !subject.userId) {
    throw notFound('the subject does not name the sub-organization and the user that the device signs for');
  }
  return grantToDevice(subject, await taker.byDevice(oneTry, call, subject, sent, proof.encryptedOtpBundle));
}

function encryptedWithoutKey(): UpstreamError {
  return new UpstreamError('rejected', {
    detail: 'this code must be sent in plain text, but it came encrypted',
    evidence: NOTHING_SENT,
    reason: 'otp_expired',
  });
}
