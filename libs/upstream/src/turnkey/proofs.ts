import { InvalidProofError, type TurnkeyVerifier } from '#libs/signing';
import { UpstreamError } from '../upstream-error.js';

/** What a verification token vouches for. */
export type VerificationToken = ReturnType<TurnkeyVerifier['verificationToken']>;
export type SessionToken = ReturnType<TurnkeyVerifier['sessionToken']>;

/** Of the proof alone; the try adds what was sent. */
const EVIDENCE = { bytesSent: false, headersSeen: false, status: null, durationMs: 0 };

/**
 * Reads what an enclave signed.
 *
 * @throws UpstreamError `misconfigured` where it is not by the configured key, `no_answer` where it is of no use.
 */
export function proven<T>(readProof: () => T): T {
  try {
    return readProof();
  } catch (error) {
    if (!(error instanceof InvalidProofError)) throw error;
    const { reason, message: detail } = error;
    if (reason === 'expired') {
      throw new UpstreamError('rejected', { detail, evidence: EVIDENCE, reason: 'otp_expired' });
    }
    const otherKey = reason === 'wrong_key' || reason === 'bad_signature';
    throw new UpstreamError(otherKey ? 'misconfigured' : 'no_answer', { detail, evidence: EVIDENCE });
  }
}

/** @throws UpstreamError `no_answer` where a proof is a good one, and of something else than was asked for. */
export function mustBe(holds: boolean, what: string): asserts holds {
  if (!holds)
    throw new UpstreamError('no_answer', { detail: `upstream answered with ${what}`, evidence: EVIDENCE });
}
