import type { SigningKey } from './key-ring.js';
import type { SignatureEncoding } from './signing-engine.js';

/** How long a signature may take, in milliseconds. A local key needs no limit. */
export interface SigningLimits {
  timeoutMs: number;
}

/**
 * The port: signs upstream requests with a key that is here or elsewhere. Who holds one never learns which.
 */
export interface RequestSigner {
  readonly name: string;
  /** SEC1 compressed P-256 public key: 66 lowercase hex digits, no `0x`. */
  readonly publicKeyCompressedHex: string;
  /**
   * ECDSA with SHA-256 over the exact bytes given; DER unless `raw` (r‖s, 64 bytes) is asked for.
   *
   * @throws SignerError where no good signature came in time.
   */
  sign(message: Uint8Array, encoding?: SignatureEncoding, limits?: SigningLimits): Promise<Uint8Array>;
  /** Closes the connections of a remote one. */
  close?(): void;
}

/** - `unavailable`: not now; later it may. - `refused`: not until somebody has mended key, permission or setting. */
export type SignerFailure = 'unavailable' | 'refused';

/** No signature came about, so nothing can have been sent. The message holds no name of a key and no message of theirs. */
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

/** A key of this process behind the port: it signs at once, and the same whatever the limits. */
export function localSigner(key: SigningKey): RequestSigner {
  return {
    name: key.name,
    publicKeyCompressedHex: key.publicKeyCompressedHex,
    sign: async (message, encoding) => key.sign(message, encoding),
  };
}
