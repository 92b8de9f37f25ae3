import { InvalidProofError, type TurnkeyVerifier } from '#libs/signing';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';

export type VerificationToken = ReturnType<TurnkeyVerifier['verificationToken']>;
export type SessionToken = ReturnType<TurnkeyVerifier['sessionToken']>;

/**
 * Reads a proof that an enclave has signed. The class OneTry adds the evidence to the error.
 *
 * @throws UpstreamError `rejected` if the configured key has not signed the proof, `no_answer` if the proof
 *   cannot be used. Never `misconfigured`: the probe does not test these keys, so it would always resume the
 *   parked onboarding.
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
      const named = `${detail}; the integration’s ${key} is not the enclave’s key`;
      throw new UpstreamError('rejected', { detail: named, evidence: NOTHING_SENT });
    }
    throw new UpstreamError('no_answer', { detail, evidence: NOTHING_SENT });
  }
}

/** @throws UpstreamError `no_answer` if a valid proof does not belong to the request. */
export function mustBe(holds: boolean, what: string): asserts holds {
  if (!holds)
    throw new UpstreamError('no_answer', {
      detail: `upstream answered with ${what}`,
      evidence: NOTHING_SENT,
    });
}
