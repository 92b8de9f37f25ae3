import type { RequestSigner } from './request-signer.js';

/** What a signature covers, as it will stand on the wire. */
export interface ByzantineRequest {
  /** Unix time in whole seconds. The upstream takes one minute either way, so sign each attempt anew. */
  timestampS: number;
  method: string;
  /** Request target: path and query exactly as sent, e.g. `/v1/submit/init-otp`. */
  pathAndQuery: string;
  /** The very text of the body, sent as UTF-8; empty for none. */
  body: string;
}

export interface ByzantineHeaders {
  'X-Pubkey': string;
  'X-Timestamp': string;
  'X-Signature': string;
}

/**
 * Signs one request (Byzantine Integrator API, request signing): ECDSA P-256 with SHA-256, DER, over timestamp,
 * upper-case method, path with query and body, joined without separators.
 *
 * @returns the three headers, both hex values with `0x`, in lower case.
 * @throws RangeError for a timestamp that is not in seconds or a target that could not be sent as it stands.
 * @throws SignerError where no signature came in time.
 */
export async function signByzantineRequest(
  signer: RequestSigner,
  request: ByzantineRequest,
  timeoutMs?: number,
): Promise<ByzantineHeaders> {
  const signature = await signer.sign(byzantineSigningInput(request), 'der', timeoutMs);
  return {
    'X-Pubkey': `0x${signer.publicKeyCompressedHex}`,
    'X-Timestamp': String(request.timestampS),
    'X-Signature': `0x${Buffer.from(signature).toString('hex')}`,
  };
}

/** The bytes under the signature. Serialise a body once, then sign and send that same value. */
export function byzantineSigningInput({
  timestampS,
  method,
  pathAndQuery,
  body,
}: ByzantineRequest): Uint8Array {
  // 1e11 s is the year 5138, 1e11 ms is 1973: milliseconds given by mistake always fall outside.
  if (!Number.isInteger(timestampS) || timestampS <= 0 || timestampS >= 1e11) {
    throw new RangeError('timestampS must be Unix time in whole seconds');
  }
  // Anything else is escaped or cut off by the HTTP client after signing, and upstream then sees a bad signature.
  if (!/^\/[!-~]*$/.test(pathAndQuery) || pathAndQuery.includes('#')) {
    throw new RangeError(
      'pathAndQuery must be a request target: starts with "/", visible ASCII, no fragment',
    );
  }
  return Buffer.from(`${timestampS}${method.toUpperCase()}${pathAndQuery}${body}`);
}
