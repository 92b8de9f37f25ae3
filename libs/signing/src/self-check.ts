import { p256 } from '@noble/curves/nist.js';
import type { SigningKey } from './request-signer.js';
import type { SignatureEncoding } from './signature-encoding.js';

const FORMAT = { der: 'der', raw: 'compact' } as const satisfies Record<SignatureEncoding, string>;

/**
 * Verifies a signature of node:crypto with @noble/curves, so that a broken build of one of them stops the
 * boot. Otherwise an upstream would answer 401, hours later. @throws Error
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
 * @noble/curves shares no code with node:crypto, and is some 30 times slower.
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
