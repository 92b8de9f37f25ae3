import { decodePublicKey, type P256PublicKey } from '../public-key.js';
import { InvalidProofError, type ProofFault } from './invalid-proof-error.js';
import { hexBytes, jsonObject } from './strict-decoding.js';

/** Where a code is to be encrypted to: a key that the enclave made for this one code. */
export interface OtpTarget {
  readonly publicKey: P256PublicKey;
}

/**
 * Reads an `otpEncryptionTargetBundle` (Turnkey public API, init OTP): JSON whose `data` is hex of JSON, signed by
 * the enclave. Without this check, whoever stands between could have the code encrypted to a key of their own.
 * Members it does not need are ignored: sibling bundles carry more.
 *
 * @param bundle as it came from the upstream.
 * @param signer the enclave's key that signs such bundles.
 * @throws InvalidProofError `malformed`, `wrong_key` or `bad_signature`.
 */
export function readOtpTarget(bundle: string, signer: P256PublicKey): OtpTarget {
  const outer = jsonObject(bundle);
  if (!outer) refuse('malformed', 'it is not a JSON object');
  if (decodePublicKey(outer['enclaveQuorumPublic'])?.compressedHex !== signer.compressedHex) {
    refuse('wrong_key', 'its enclaveQuorumPublic is not the configured signer');
  }
  const data = hexBytes(outer['data']);
  const signature = hexBytes(outer['dataSignature']);
  if (!data || !signature) refuse('malformed', 'its data or its dataSignature is not hex');
  if (!signer.verify(data, signature, 'der')) {
    refuse('bad_signature', 'its dataSignature is not one by the signer over its data');
  }
  const targetPublic = jsonObject(data)?.['targetPublic'];
  const publicKey = decodePublicKey(targetPublic);
  // To a compressed key one can encrypt, too; but the enclave then authenticates other bytes and never decrypts.
  if (!publicKey || String(targetPublic).length !== 130) {
    refuse('malformed', 'its targetPublic is not an uncompressed P-256 key in hex');
  }
  return { publicKey };
}

function refuse(reason: ProofFault, detail: string): never {
  throw new InvalidProofError('OTP target bundle', reason, detail);
}
