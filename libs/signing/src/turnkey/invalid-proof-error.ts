/** Kinds of texts that another party made and signed, and that the service trusts or passes on. */
export type Proof =
  | 'client stamp'
  | 'API key stamp'
  | 'client signature'
  | 'OTP target bundle'
  | 'verification token'
  | 'session token';

/**
 * - `malformed`: the proof does not have the required form
 * - `wrong_algorithm`: the proof has another scheme or algorithm than expected
 * - `wrong_key`: the proof was made by or for another key than expected
 * - `wrong_message`: the proof is about something else than expected
 * - `bad_signature`: the signature is well-formed, but the key did not make it for this message
 * - `missing_claims`: a claim is absent, empty or of another type
 * - `expired`: the proof is no longer valid
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
 * The message consists of fixed words, so no token and no code can reach a log through this error. There is
 * no `cause`, because `JSON.parse` quotes its input.
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
