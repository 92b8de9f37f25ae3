import type { P256PrivateKey } from './private-key.js';

/**
 * How the two numbers of a signature are written down: `der` is the ASN.1 SEQUENCE of SEC1 §C.8 (68–72 bytes,
 * rarely fewer), `raw` is r‖s at 32 bytes each (IEEE P1363, RFC 7518 §3.4).
 */
export type SignatureEncoding = 'der' | 'raw';

/** One key, ready to be used by one engine: ECDSA over P-256 with SHA-256. */
export interface EngineKey {
  sign(message: Uint8Array, encoding: SignatureEncoding): Uint8Array;
  /** Takes either of the two valid values of s, high or low. False for anything that is no signature. */
  verify(message: Uint8Array, signature: Uint8Array, encoding: SignatureEncoding): boolean;
}

/** An implementation of ECDSA. Loading costs; the loaded key is kept for the life of the process. */
export interface SigningEngine {
  readonly name: 'openssl' | 'noble';
  load(key: P256PrivateKey): EngineKey;
}
