import { decodePublicKey, type P256PublicKey } from '../public-key.js';
import { InvalidProofError, type ProofFault } from './invalid-proof-error.js';
import { hexBytes, jsonObject } from './strict-decoding.js';

/** The key to encrypt a code with. The enclave made it for this one code. */
export interface OtpTarget {
  readonly publicKey: P256PublicKey;
}

/**
 * Reads an `otpEncryptionTargetBundle` (Turnkey public API, init OTP): JSON whose `data` is hex of JSON,
 * signed by the enclave. If the signature were not checked, an attacker in the middle could replace the key
 * and read the code. Similar bundles have more members, so unknown members are ignored.
 *
 * @param bundle unchecked, from upstream.
 * @param signer the enclave's public key for such bundles.
 * @throws InvalidProofError `malformed`, `wrong_key` or `bad_signature`.
 */
export function readOtpTarget(bundle: string, signer: P256PublicKey): OtpTarget {
  const outer = jsonObject(bundle);
  if (!outer) refuse('malformed', 'it is not a JSON object');
  if (decodePublicKey(outer['enclaveQuorumPublic'])?.compressedHex !== signer.compressedHex) {
    refuse('wrong_key', 'its enclaveQuorumPublic is not the configured public key of the signer');
  }
  const data = hexBytes(outer['data']);
  const signature = hexBytes(outer['dataSignature']);
  if (!data || !signature) refuse('malformed', 'its data or its dataSignature is not hex');
  if (!signer.verify(data, signature, 'der')) {
    refuse('bad_signature', 'the signer’s key does not verify its dataSignature');
  }
  const targetPublic = jsonObject(data)?.['targetPublic'];
  const publicKey = decodePublicKey(targetPublic);
  // The encryption also authenticates the key in its uncompressed form. An enclave that uses the compressed
  // form could not decrypt the code, so a compressed key is refused.
  if (!publicKey || String(targetPublic).length !== 130) {
    refuse('malformed', 'its targetPublic is not an uncompressed P-256 key in hex');
  }
  return { publicKey };
}

function refuse(reason: ProofFault, detail: string): never {
  throw new InvalidProofError('OTP target bundle', reason, detail);
}
