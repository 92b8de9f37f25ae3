import { p256 } from '@noble/curves/nist.js';
import type { SigningKey } from './request-signer.js';
import type { SignatureEncoding } from './signature-encoding.js';

const FORMAT = { der: 'der', raw: 'compact' } as const satisfies Record<SignatureEncoding, string>;

/**
 * Verifies a signature of node:crypto with @noble/curves, so that a broken build of one of them stops the
 * boot. Otherwise an upstream would answer 401, hours later.
 *
 * @param source names the variable or file of the key.
 * @throws Error that names the source and the encoding.
 */
export function checkSignatures(key: SigningKey, source: string): void {
  const message = Buffer.from(`gangway signing check ${key.publicKeyCompressedHex}`);
  for (const encoding of ['der', 'raw'] as const) {
    const signature = key.sign(message, encoding);
    if (!verifyByNoble(key.publicKeyCompressedHex, message, signature, encoding)) {
      throw new Error(
        `@noble/curves refuses a signature (${encoding}) that node:crypto made with the key of ${source}: ` +
          'one of the two libraries may be a broken build',
      );
    }
  }
}

/**
 * Verifies ECDSA with SHA-256 by @noble/curves, which shares no code with node:crypto. It is some 30 times
 * slower than node:crypto, so it runs only at boot.
 *
 * @param publicKeyHex SEC1, compressed or uncompressed.
 */
export function verifyByNoble(
  publicKeyHex: string,
  message: Uint8Array,
  signature: Uint8Array,
  encoding: SignatureEncoding,
): boolean {
  // Accepts a low and a high s, as upstreams do, because node:crypto does not normalize s.
  const options = { lowS: false, prehash: true, format: FORMAT[encoding] };
  try {
    return p256.verify(signature, message, Buffer.from(publicKeyHex, 'hex'), options);
  } catch {
    return false; // noble throws for bytes that are not a signature
  }
}
