import type { SignatureEncoding } from './signature-encoding.js';

export interface RequestSigner {
  /** SEC1 compressed P-256 public key: 66 lowercase hex digits, no `0x`. */
  readonly publicKeyCompressedHex: string;
  /**
   * Signs exactly these bytes by ECDSA with SHA-256: in DER, or in 64 bytes (r‖s) for `raw`.
   *
   * @param timeoutMs the time limit for a remote signature.
   * @throws SignerError if the signer gives no valid signature in time.
   */
  sign(
    message: Uint8Array,
    encoding?: SignatureEncoding,
    timeoutMs?: number,
  ): Uint8Array | Promise<Uint8Array>;
  close?(): void;
}

/** A key in this process. It never shows its private number. */
export interface SigningKey extends RequestSigner {
  sign(message: Uint8Array, encoding?: SignatureEncoding): Uint8Array;
}

/**
 * - `unavailable`: the signer cannot sign now, but may sign later
 * - `refused`: the signer cannot sign until an operator corrects the key, a permission or a setting
 */
export type SignerFailure = 'unavailable' | 'refused';

/**
 * Thrown before the request is sent. The message contains neither the name of a key nor a text from the
 * signer.
 */
export class SignerError extends Error {
  constructor(
    readonly failure: SignerFailure,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(detail, options);
    this.name = 'SignerError';
  }
}
