import { Secret } from '#libs/kernel';
import type { Grant } from '../port/upstream-provider.js';
import { loginMessageOf } from './login-proof.js';
import { mustBe } from './proofs.js';
import type { Verified } from './turnkey-login.js';
import type { TurnkeySubject } from './turnkey-subject.js';

/**
 * For a device that holds the session's key: a token bound to this key, and a message to sign for the login.
 */
export function grantToDevice({ organizationId, userId }: TurnkeySubject, { jwt, token }: Verified): Grant {
  const { id, publicKey, expiresAt } = token;
  if (!organizationId || !userId) throw new Error('in client custody, the subject must have its ids');
  // Turnkey compares keys as text, so another form of the same key would not match.
  mustBe(/^0[23][0-9a-f]{64}$/.test(publicKey), 'a token whose public key is not compressed');
  const loginMessage = loginMessageOf(id, publicKey);
  return {
    type: 'device-key',
    organizationId,
    userId,
    publicKey,
    verificationToken: new Secret(jwt),
    loginMessage,
    expiresAt,
  };
}
