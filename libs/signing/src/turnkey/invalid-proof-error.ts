/** Kinds of texts that another party made and signed, and that the service trusts or passes on. */
export type Proof =
  | 'client stamp'
  | 'API key stamp'
  | 'client signature'
  | 'OTP target bundle'
  | 'verification token'
  | 'session token';

/**
 * - `wrong_key`: the proof was made by or for another key than expected
 * - `wrong_message`: the proof is about something else than expected
 * - `bad_signature`: the signature is well-formed, but the key did not make it for this message
 * - `missing_claims`: a claim is absent, empty or of another type
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
 * Contains no token and no code, so that none can reach a log. There is no `cause`, because `JSON.parse`
 * quotes its input.
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
