import type { Secret } from '#libs/kernel';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';
import type { Call, Grant, OtpProof, SentOtp } from '../port/upstream-provider.js';
import { grantToDevice } from './device-grant.js';
import type { OneTry } from '../transport/one-try.js';
import { notFound, type Verified } from './turnkey-login.js';
import type { TurnkeySubject } from './turnkey-subject.js';

/** How a door takes a code: itself, up to the session, or as the user's device has encrypted it, up to the token. */
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

/** Step 2 by either door. What a device cannot go on with is refused before the code is spent. */
export async function verifyBy(
  door: CodeTaker,
  oneTry: OneTry,
  call: Call,
  subject: TurnkeySubject,
  sent: SentOtp,
  proof: OtpProof,
): Promise<Grant> {
  if (proof.type === 'code') return door.byCode(oneTry, call, subject, sent, proof.code);
  if (sent.targetBundle === undefined) throw codeOfOtherCustody();
  // Begun in server custody by a contact alone: the device would have nothing to sign.
  if (!subject.organizationId || !subject.userId) {
    throw notFound('the device signs for a sub-organization and a user, which the subject does not name');
  }
  return grantToDevice(subject, await door.byDevice(oneTry, call, subject, sent, proof.encryptedOtpBundle));
}

/** A code that was sent before the device held the key: it has nothing to be encrypted to. */
function codeOfOtherCustody(): UpstreamError {
  return new UpstreamError('rejected', {
    detail: 'the code was sent to be given in the clear, and came encrypted',
    evidence: NOTHING_SENT,
    reason: 'otp_expired',
  });
}
