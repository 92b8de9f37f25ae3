import { decodePublicKey } from '../public-key.js';
import type { RequestSigner } from '../request-signer.js';
import { InvalidProofError, type ProofFault } from './invalid-proof-error.js';
import { base64urlBytes, hexBytes, jsonObject } from './strict-decoding.js';

export interface ApiKeyStampHeader {
  'X-Stamp': string;
}

const SCHEME = 'SIGNATURE_SCHEME_TK_API_P256';

/**
 * Signs a request: ECDSA P-256 with SHA-256, DER, over the bytes of the body alone (Turnkey public API,
 * stamps). The signature covers the time only if the body has a `timestampMs`.
 *
 * @returns the header: JSON in base64url without padding.
 * @throws SignerError if the signer gives no signature in time.
 */
export async function stampTurnkeyRequest(
  signer: RequestSigner,
  body: string,
  timeoutMs?: number,
): Promise<ApiKeyStampHeader> {
  const signature = await signer.sign(Buffer.from(body), 'der', timeoutMs);
  return header(signer.publicKeyCompressedHex, signature);
}

/**
 * @param value JSON in base64url without padding.
 * @returns a new header, made only of the checked members. If the client's own header had a member twice,
 *   upstream might read the value that was not checked.
 * @throws InvalidProofError `malformed`, `wrong_algorithm` or `bad_signature`.
 */
export function verifyTurnkeyStamp(value: string, body: string): ApiKeyStampHeader {
  const stamp = jsonObject(base64urlBytes(value));
  if (!stamp) refuse('malformed', 'it must be a JSON object in base64url without padding (=)');
  if (stamp['scheme'] !== SCHEME) refuse('wrong_algorithm', `its scheme is not ${SCHEME}`);
  const key = decodePublicKey(stamp['publicKey']);
  if (!key || String(stamp['publicKey']).length !== 66) {
    refuse('malformed', 'its publicKey is not a compressed P-256 key in hex');
  }
  const signature = hexBytes(stamp['signature']);
  if (!signature) refuse('malformed', 'its signature is not hex');
  if (!key.verify(Buffer.from(body), signature, 'der')) {
    refuse('bad_signature', 'its key does not verify its signature of this body');
  }
  return header(key.compressedHex, signature);
}

function header(publicKey: string, derSignature: Uint8Array): ApiKeyStampHeader {
  const signature = Buffer.from(derSignature).toString('hex');
  const stamp = JSON.stringify({ publicKey, scheme: SCHEME, signature });
  return { 'X-Stamp': Buffer.from(stamp).toString('base64url') };
}

function refuse(reason: ProofFault, detail: string): never {
  throw new InvalidProofError('API key stamp', reason, detail);
}
