import type { RequestSigner } from './request-signer.js';

/** The signed parts of a request, in their wire form. */
export interface ByzantineRequest {
  /**
   * Unix time in whole seconds. Upstream refuses times that are off by more than a minute, so each attempt is
   * signed again.
   */
  timestampS: number;
  method: string;
  /** Exactly as sent, e.g. `/v1/submit/init-otp`. */
  pathAndQuery: string;
  /** The exact text of the body, sent as UTF-8. Empty if there is none. */
  body: string;
}

export interface ByzantineHeaders {
  'X-Pubkey': string;
  'X-Timestamp': string;
  'X-Signature': string;
}

/**
 * Signs a request: ECDSA P-256 with SHA-256, DER, over timestamp, upper-case method, path with query, and
 * body, without separators (Byzantine Integrator API, request signing).
 *
 * @returns the headers. The hex values start with `0x` and are in lower case.
 * @throws RangeError for a timestamp that is not in seconds, or a target that the HTTP client would change.
 * @throws SignerError if the signer gives no signature in time.
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

/** @returns the bytes to sign. Serialize a body only once, and send the same text that was signed. */
export function byzantineSigningInput({
  timestampS,
  method,
  pathAndQuery,
  body,
}: ByzantineRequest): Uint8Array {
  // Refuses milliseconds: 1e11 s is the year 5138, but 1e11 ms is the year 1973.
  if (!Number.isInteger(timestampS) || timestampS <= 0 || timestampS >= 1e11) {
    throw new RangeError('timestampS must be Unix time in whole seconds');
  }
  // After signing, the HTTP client would escape spaces and non-ASCII text, and cut off a fragment.
  if (!/^\/[!-~]*$/.test(pathAndQuery) || pathAndQuery.includes('#')) {
    throw new RangeError(
      'pathAndQuery must be a request target: starts with "/", visible ASCII, no fragment',
    );
  }
  return Buffer.from(`${timestampS}${method.toUpperCase()}${pathAndQuery}${body}`);
}
