import { decodePublicKey, type P256PublicKey } from '../public-key.js';
import { InvalidProofError, type ProofFault } from './invalid-proof-error.js';
import { hexBytes, jsonObject } from './strict-decoding.js';

/** The enclave makes this key to encrypt a single code. */
export interface OtpTarget {
  readonly publicKey: P256PublicKey;
}

/**
 * Reads an `otpEncryptionTargetBundle` (Turnkey public API, init OTP): JSON whose `data` is hex of JSON,
 * signed by the enclave. Without the signature, an attacker in the middle could replace the key and read the
 * code. Similar bundles have more members, so unknown members are ignored.
 *
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
  // The encryption authenticates the uncompressed key. An enclave with a compressed key could not decrypt.
  if (!publicKey || String(targetPublic).length !== 130) {
    refuse('malformed', 'its targetPublic is not an uncompressed P-256 key in hex');
  }
  return { publicKey };
}

function refuse(reason: ProofFault, detail: string): never {
  throw new InvalidProofError('OTP target bundle', reason, detail);
}
