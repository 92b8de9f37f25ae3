import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import type { SignatureEncoding, SigningEngine } from './signing-engine.js';

const DSA_ENCODING = { der: 'der', raw: 'ieee-p1363' } as const satisfies Record<SignatureEncoding, string>;

/**
 * ECDSA by OpenSSL through node:crypto, constant time and off the JavaScript heap. The `KeyObject` is made once:
 * handing a PEM to every `sign` call parses it every time, at about twice the cost of the signature itself.
 * The nonce is random, so two signatures of one message differ, and s is high or low as it falls.
 */
export const opensslEngine: SigningEngine = {
  name: 'openssl',
  load(key) {
    const privateKey = createPrivateKey({ key: key.revealJwk(), format: 'jwk' });
    let publicKey: KeyObject | undefined;
    return {
      sign: (message, encoding) =>
        sign('sha256', message, { key: privateKey, dsaEncoding: DSA_ENCODING[encoding] }),
      verify: (message, signature, encoding) => {
        publicKey ??= createPublicKey(privateKey); // a session's key only signs
        return verify('sha256', message, { key: publicKey, dsaEncoding: DSA_ENCODING[encoding] }, signature);
      },
    };
  },
};
