import { generateP256, p256FromScalar } from '../p256.js';
import type { P256KeyPair } from '../p256.js';

/**
 * Stand-ins for two keys of Turnkey's enclaves. The official clients accept the public keys (uncompressed
 * hex) as `dangerouslyOverrideSignerPublicKey` and `dangerouslyOverrideNotarizerPublicKey`.
 */
export interface EnclaveKeys {
  /** Signs OTP encryption targets and verification tokens. */
  signer: P256KeyPair;
  /** Signs session JWTs. */
  notarizer: P256KeyPair;
}

/** Private keys are 64 hex digits. A missing key pair is generated. */
export function enclaveKeys({
  signer,
  notarizer,
}: {
  signer?: string | undefined;
  notarizer?: string | undefined;
}): EnclaveKeys {
  const keyOf = (scalar?: string) => (scalar === undefined ? generateP256() : p256FromScalar(scalar));
  return { signer: keyOf(signer), notarizer: keyOf(notarizer) };
}
