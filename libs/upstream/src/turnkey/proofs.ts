import { InvalidProofError, type TurnkeyVerifier } from '#libs/signing';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';

/** What a verification token vouches for. */
export type VerificationToken = ReturnType<TurnkeyVerifier['verificationToken']>;
export type SessionToken = ReturnType<TurnkeyVerifier['sessionToken']>;

/**
 * Reads what an enclave signed. Its errors speak of the proof alone: the try adds what was sent.
 *
 * @throws UpstreamError `rejected` where it is not by the configured key, `no_answer` where it is of no use. Never
 *   `misconfigured`: what was proven has had its effect, and the probe, which knows nothing of these keys, would have it
 *   tried again and again.
 */
export function proven<T>(readProof: () => T): T {
  try {
    return readProof();
  } catch (error) {
    if (!(error instanceof InvalidProofError)) throw error;
    const { reason, message: detail, proof } = error;
    if (reason === 'expired') {
      throw new UpstreamError('rejected', { detail, evidence: NOTHING_SENT, reason: 'otp_expired' });
    }
    if (reason === 'wrong_key' || reason === 'bad_signature') {
      const key = proof === 'session token' ? 'NOTARIZER_PUBLIC_KEY' : 'SIGNER_PUBLIC_KEY';
      const named = `${detail}; the integration’s ${key} is not that of the enclave`;
      throw new UpstreamError('rejected', { detail: named, evidence: NOTHING_SENT });
    }
    throw new UpstreamError('no_answer', { detail, evidence: NOTHING_SENT });
  }
}

/** @throws UpstreamError `no_answer` where a proof is a good one, and of something else than was asked for. */
export function mustBe(holds: boolean, what: string): asserts holds {
  if (!holds)
    throw new UpstreamError('no_answer', {
      detail: `upstream answered with ${what}`,
      evidence: NOTHING_SENT,
    });
}
