import type { Secret } from '#libs/kernel';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';
import type { Call, Grant, OtpProof, SentOtp } from '../port/upstream-provider.js';
import { grantToDevice } from './device-grant.js';
import type { OneTry } from '../transport/one-try.js';
import { notFound, type Verified } from './turnkey-login.js';
import type { TurnkeySubject } from './turnkey-subject.js';

/** Takes a code: in plain text up to the session, or encrypted by the user's device up to the token. */
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
 * Step 2 in both custodies. It refuses, before the code is used up, a subject that a device cannot sign
 * for.
 */
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
  // It began in server custody with a contact only, so the device has no ids to sign.
  if (!subject.organizationId || !subject.userId) {
    throw notFound('the device signs for a sub-organization and a user, which the subject does not name');
  }
  return grantToDevice(subject, await door.byDevice(oneTry, call, subject, sent, proof.encryptedOtpBundle));
}

/** The code was sent before the device held the key, so there is no key to encrypt it to. */
function codeOfOtherCustody(): UpstreamError {
  return new UpstreamError('rejected', {
    detail: 'this code must be sent in plain text, but it came encrypted',
    evidence: NOTHING_SENT,
    reason: 'otp_expired',
  });
}
