import { verify } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { importCompressedPoint } from '../p256.js';
import { jsonObject } from './json-of.js';
import { refusals } from './refusals.js';
import type { VerificationToken } from './verification-tokens.js';

export interface ClientSignature {
  publicKey: string;
  scheme: string;
  message: string;
  /** Raw r‖s of ECDSA over the message's SHA-256: 128 hex digits, not DER. */
  signature: string;
}

/**
 * Checks that the token's key has signed this use of the token. The signed members may have any order,
 * because Turnkey documents none.
 *
 * @param usages the message must be one of these objects, plus `tokenId` and `type`
 * @throws TurnkeyRefusal 400 that names the mismatch
 */
export function checkClientSignature(
  given: ClientSignature | undefined,
  token: VerificationToken,
  type: 'USAGE_TYPE_LOGIN' | 'USAGE_TYPE_SIGNUP',
  usages: readonly object[],
): void {
  if (token.publicKey === null) return;
  if (!given) throw refusals.clientSignatureMissing();
  if (given.publicKey !== token.publicKey) throw refusals.clientSignatureInvalid('not the key of the token');
  if (given.scheme !== 'CLIENT_SIGNATURE_SCHEME_API_P256') throw refusals.clientSignatureInvalid('scheme');
  if (!/^[0-9a-fA-F]{128}$/.test(given.signature)) {
    throw refusals.clientSignatureInvalid('signature is not 64 bytes of hex');
  }
  const key = { key: importCompressedPoint(token.publicKey), dsaEncoding: 'ieee-p1363' } as const;
  if (!verify('sha256', Buffer.from(given.message), key, Buffer.from(given.signature, 'hex'))) {
    throw refusals.clientSignatureInvalid('signature does not verify');
  }

  const message = jsonObject(Buffer.from(given.message));
  if (message === null) throw refusals.clientSignatureInvalid('message is not a JSON object');
  if (message['tokenId'] !== token.tokenId) throw refusals.clientSignatureInvalid('tokenId');
  if (message['type'] !== type) throw refusals.clientSignatureInvalid('type');
  const { tokenId: _id, type: _type, ...usage } = message;
  if (!usages.some((expected) => isDeepStrictEqual(usage, expected))) {
    throw refusals.clientSignatureInvalid('message does not match the request');
  }
}
