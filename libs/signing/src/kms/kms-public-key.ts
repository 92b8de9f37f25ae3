import { createPublicKey, type KeyObject } from 'node:crypto';
import type { GetPublicKeyCommandOutput } from '@aws-sdk/client-kms';
import { decodePublicKey, type P256PublicKey } from '../public-key.js';
import { RemoteKeyError } from './remote-key-error.js';

/**
 * Reads DER of an X.509 SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 5480 §2).
 *
 * @throws RemoteKeyError for a key that cannot sign, or is not on P-256.
 */
export function readKmsPublicKey(
  { KeyUsage, SigningAlgorithms, PublicKey }: Partial<GetPublicKeyCommandOutput>,
  source: string,
): P256PublicKey {
  if (KeyUsage !== 'SIGN_VERIFY') {
    throw new RemoteKeyError(source, `its usage is ${String(KeyUsage)}, not SIGN_VERIFY`);
  }
  const key = PublicKey && publicKeyOf(PublicKey);
  if (!key) throw new RemoteKeyError(source, 'its public key cannot be read');
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    const found = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType;
    throw new RemoteKeyError(source, `it is ${found}, not on P-256 (key spec ECC_NIST_P256)`);
  }
  if (!SigningAlgorithms?.includes('ECDSA_SHA_256')) {
    throw new RemoteKeyError(source, 'it does not sign with ECDSA_SHA_256');
  }
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  const read = decodePublicKey(point.toString('hex'));
  if (!read) throw new RemoteKeyError(source, 'its public key is not a point of P-256');
  return read;
}

function publicKeyOf(der: Uint8Array): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}
