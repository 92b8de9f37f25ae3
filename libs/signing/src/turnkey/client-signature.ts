import { decodePublicKey } from '../public-key.js';
import type { SigningKey } from '../request-signer.js';
import { InvalidProofError, type ProofFault } from './invalid-proof-error.js';
import { hexBytes } from './strict-decoding.js';

/** What a verification token is used for: to log in with a session key, or to sign up. */
export type TokenUsage = { tokenId: string } & (
  { login: { publicKey: string } } | { signupV2: SignupContent }
);

/** The request of a signup contains these members too, and upstream compares the two copies. */
export interface SignupContent {
  apiKeys: readonly object[];
  authenticators: readonly object[];
  oauthProviders: readonly object[];
  email?: string | undefined;
  phoneNumber?: string | undefined;
}

export interface ClientSignature {
  /** The key that the verification token is bound to: compressed, 66 hex digits. */
  publicKey: string;
  scheme: typeof SCHEME;
  message: string;
  /** r‖s, 128 hex digits. */
  signature: string;
}

const SCHEME = 'CLIENT_SIGNATURE_SCHEME_API_P256';

/**
 * @returns JSON without spaces, in a fixed order and without absent members, as Turnkey's client writes it.
 */
export function clientSignatureMessage({ tokenId, ...usage }: TokenUsage): string {
  if ('login' in usage) {
    const { publicKey } = usage.login;
    return JSON.stringify({ login: { publicKey }, tokenId, type: 'USAGE_TYPE_LOGIN' });
  }
  const { apiKeys, authenticators, oauthProviders, email, phoneNumber } = usage.signupV2;
  const signupV2 = { apiKeys, authenticators, oauthProviders, email, phoneNumber };
  return JSON.stringify({ signupV2, tokenId, type: 'USAGE_TYPE_SIGNUP' });
}

/**
 * Proves that the user of a verification token holds the key to which the token is bound (Turnkey public API,
 * `clientSignature`): ECDSA P-256 with SHA-256, raw.
 *
 * @param key the key whose public half is the token's `public_key`.
 */
export function signClientSignature(key: SigningKey, usage: TokenUsage): ClientSignature {
  const message = clientSignatureMessage(usage);
  const signature = Buffer.from(key.sign(Buffer.from(message), 'raw')).toString('hex');
  return { publicKey: key.publicKeyCompressedHex, scheme: SCHEME, message, signature };
}

/**
 * @param expected the `public_key` of the verification token (hex), and the intended use of the token.
 * @returns only the four members of a client signature.
 * @throws InvalidProofError `malformed`, `wrong_algorithm`, `wrong_key`, `wrong_message` or `bad_signature`.
 */
export function verifyClientSignature(
  given: unknown,
  expected: { publicKey: string; usage: TokenUsage },
): ClientSignature {
  if (typeof given !== 'object' || given === null) refuse('malformed', 'it is not an object');
  const { publicKey, scheme, message, signature } = given as Record<keyof ClientSignature, unknown>;
  if (scheme !== SCHEME) refuse('wrong_algorithm', `its scheme is not ${SCHEME}`);
  const key = decodePublicKey(publicKey);
  if (!key) refuse('malformed', 'its publicKey is not a P-256 key in hex');
  if (key.compressedHex !== decodePublicKey(expected.publicKey)?.compressedHex) {
    refuse('wrong_key', 'it was made with another key than that of the token');
  }
  const expectedMessage = clientSignatureMessage(expected.usage);
  if (message !== expectedMessage) refuse('wrong_message', 'its message is not the expected one');
  const raw = hexBytes(signature);
  if (raw?.length !== 64) refuse('malformed', 'its signature is not r‖s in 128 hex digits');
  if (!key.verify(Buffer.from(expectedMessage), raw, 'raw')) {
    refuse('bad_signature', 'its key does not verify its signature of its message');
  }
  return { publicKey: key.compressedHex, scheme, message: expectedMessage, signature: raw.toString('hex') };
}

function refuse(reason: ProofFault, detail: string): never {
  throw new InvalidProofError('client signature', reason, detail);
}
