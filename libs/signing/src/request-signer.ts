import type { SignatureEncoding } from './signature-encoding.js';

/** The port: signs upstream requests with a local or a remote key. Its users do not know which. */
export interface RequestSigner {
  /** SEC1 compressed P-256 public key: 66 lowercase hex digits, no `0x`. */
  readonly publicKeyCompressedHex: string;
  /**
   * ECDSA with SHA-256 over these exact bytes. The result is DER, or r‖s (64 bytes) for `raw`.
   *
   * @param timeoutMs how long a remote signature may take. A local key signs at once.
   * @throws SignerError if no good signature came in time.
   */
  sign(
    message: Uint8Array,
    encoding?: SignatureEncoding,
    timeoutMs?: number,
  ): Uint8Array | Promise<Uint8Array>;
  /** Closes the connections of a remote signer. */
  close?(): void;
}

/** A key in this process. It never reveals its private half. */
export interface SigningKey extends RequestSigner {
  sign(message: Uint8Array, encoding?: SignatureEncoding): Uint8Array;
}

/**
 * - `unavailable`: it cannot sign now, but may later
 * - `refused`: it cannot sign until an operator fixes key, permission or setting
 */
export type SignerFailure = 'unavailable' | 'refused';

/**
 * There is no signature, so nothing was sent. The message contains no name of a key and no text of the
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
