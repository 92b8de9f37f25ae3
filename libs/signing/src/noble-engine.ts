import { p256 } from '@noble/curves/nist.js';
import type { SignatureEncoding, SigningEngine } from './signing-engine.js';

const FORMAT = { der: 'der', raw: 'compact' } as const satisfies Record<SignatureEncoding, string>;

/**
 * `lowS: false` on purpose. With it, a signature is byte for byte what the upstream's own client sends for the
 * same input (RFC 6979, s left as it falls), which the vectors prove; and this engine behaves as OpenSSL does,
 * so that changing engines never changes what the upstream accepts. In `verify` it means: take both values of s,
 * because each other engine gives both.
 */
const LOW_S = { lowS: false } as const;

/**
 * ECDSA by @noble/curves: audited JavaScript, deterministic nonces (RFC 6979), runs wherever JavaScript does.
 * It blocks the event loop for some 20 times as long as OpenSSL; hence the portable engine, not the default.
 */
export const nobleEngine: SigningEngine = {
  name: 'noble',
  load(key) {
    const { publicKey } = key;
    return {
      sign: (message, encoding) =>
        p256.sign(message, key.revealScalar(), { ...LOW_S, prehash: true, format: FORMAT[encoding] }),
      verify: (message, signature, encoding) => {
        try {
          const options = { ...LOW_S, prehash: true, format: FORMAT[encoding] };
          return p256.verify(signature, message, publicKey, options);
        } catch {
          return false; // noble throws on bytes that are no signature at all, OpenSSL answers false
        }
      },
    };
  },
};
