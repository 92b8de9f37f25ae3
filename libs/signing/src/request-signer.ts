import type { SignatureEncoding } from './signature-encoding.js';

/**
 * The port: signs upstream requests with a key that is here or elsewhere. Code that holds one does not know which.
 */
export interface RequestSigner {
  /** SEC1 compressed P-256 public key: 66 lowercase hex digits, no `0x`. */
  readonly publicKeyCompressedHex: string;
  /**
   * ECDSA with SHA-256 over the exact bytes given; DER unless `raw` (r‖s, 64 bytes) is asked for.
   *
   * @param timeoutMs how long a remote signature may take. A local key signs at once.
   * @throws SignerError if no good signature came in time.
   */
  sign(
    message: Uint8Array,
    encoding?: SignatureEncoding,
    timeoutMs?: number,
  ): Uint8Array | Promise<Uint8Array>;
  /** Closes the connections of a remote one. */
  close?(): void;
}

/** A key of this process. It never gives up its private half. */
export interface SigningKey extends RequestSigner {
  sign(message: Uint8Array, encoding?: SignatureEncoding): Uint8Array;
}

/**
 * - `unavailable`: not now; later it may.
 * - `refused`: not until an operator has mended key, permission or setting.
 */
export type SignerFailure = 'unavailable' | 'refused';

/** No signature came about, so nothing was sent. The message holds no name of a key and no message of the signer. */
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
