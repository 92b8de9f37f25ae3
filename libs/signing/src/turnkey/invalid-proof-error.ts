/** Proofs that another party made and signed, and that we must trust or pass on. */
export type Proof =
  | 'client stamp'
  | 'API key stamp'
  | 'client signature'
  | 'OTP target bundle'
  | 'verification token'
  | 'session token';

/**
 * - `malformed`: not in the form of the proof
 * - `wrong_algorithm`: another scheme or algorithm than the expected one
 * - `wrong_key`: by or for another key than the expected one
 * - `wrong_message`: about something else than expected
 * - `bad_signature`: well-formed, but not a signature by that key over that message
 * - `missing_claims`: signed, but a claim is absent, empty or of another type
 * - `expired`: no longer valid
 */
export type ProofFault =
  | 'malformed'
  | 'wrong_algorithm'
  | 'wrong_key'
  | 'wrong_message'
  | 'bad_signature'
  | 'missing_claims'
  | 'expired';

/**
 * A refused proof. Its message consists of fixed words and repeats nothing of the proof. It has no `cause`,
 * because `JSON.parse` quotes its input. So tokens and codes cannot reach a log this way.
 */
export class InvalidProofError extends Error {
  readonly proof: Proof;
  readonly reason: ProofFault;

  constructor(proof: Proof, reason: ProofFault, detail: string) {
    super(`the ${proof} is refused: ${detail}`);
    this.name = 'InvalidProofError';
    this.proof = proof;
    this.reason = reason;
  }
}
