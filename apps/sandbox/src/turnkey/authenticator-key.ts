import { createPublicKey } from 'node:crypto';
import type { StoredAuthenticator } from '../webauthn/authenticators.js';

/** @returns hex, as `get_authenticators` shows a key: compressed SEC1; RS256: SPKI */
export function authenticatorKeyHex({ publicKeySpki, algorithm }: StoredAuthenticator): string {
  const der = Buffer.from(publicKeySpki, 'base64url');
  if (algorithm !== -7) return der.toString('hex');
  const { x = '', y = '' } = createPublicKey({ key: der, format: 'der', type: 'spki' }).export({
    format: 'jwk',
  });
  const odd = (Buffer.from(y, 'base64url').at(-1) ?? 0) & 1;
  return `0${2 + odd}${Buffer.from(x, 'base64url').toString('hex')}`;
}
