/** What somebody else made and signed, and we were asked to trust or to pass on. */
export type Proof =
  | 'client stamp'
  | 'API key stamp'
  | 'client signature'
  | 'OTP target bundle'
  | 'verification token'
  | 'session token';

/**
 * - `malformed`: not of the form that the proof has
 * - `wrong_algorithm`: of a scheme or algorithm other than the one there is
 * - `wrong_key`: by or for another key than the expected one
 * - `wrong_message`: about something else than what it is to prove
 * - `bad_signature`: well-formed, and not a signature by that key over that message
 * - `missing_claims`: signed, but a claim is absent, empty or of another type
 * - `expired`: was good once
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
 * A proof that is refused. Its message is made of fixed words and repeats nothing of the proof, and it has no
 * `cause`, because `JSON.parse` quotes its input: tokens and codes must not reach a log this way.
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
