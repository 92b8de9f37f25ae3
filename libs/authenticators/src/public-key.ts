import { ECDH, createPublicKey, type JsonWebKey } from 'node:crypto';

/** COSE_Key (RFC 9052 §7). */
export type CoseKey = ReadonlyMap<unknown, unknown>;

/**
 * Labels of every COSE key (RFC 9052 §7.1), of P-256 keys (RFC 9053 §7.1) and of RSA keys (RFC 8230 §4).
 * `kty` is a value of the label KTY.
 */
const KTY = 1;
const ALG = 3;
const EC = { kty: 2, curve: -1, x: -2, y: -3 };
const RSA = { kty: 3, n: -1, e: -2 };

const P256 = 1;
const COORDINATE_BYTES = 32;
/** The first byte of a point whose coordinates both follow (SEC1 §2.3.3). */
const UNCOMPRESSED = Buffer.of(4);
/** Authenticators make no larger keys, and each additional bit makes verification slower. */
const RSA_BITS = { least: 2048, most: 4096 };
/** OpenSSL's limit for the exponent of large keys. */
const EXPONENT_BITS = 64n;

export const algorithmOf = (key: CoseKey): unknown => key.get(ALG);

/**
 * Whether the key fits its algorithm and has no other content (WebAuthn Level 3 §6.5.1). Other content could
 * be a private key, which would leak.
 */
export function isUsableKey(key: CoseKey): boolean {
  try {
    return algorithmOf(key) === -7 ? isP256(key) : isRsa(key);
  } catch {
    return false;
  }
}

function isP256(key: CoseKey): boolean {
  if (!isOnly(key, EC) || key.get(EC.curve) !== P256) return false;
  const [x, y] = [bytesAt(key, EC.x), bytesAt(key, EC.y)];
  if (x.length !== COORDINATE_BYTES || y.length !== COORDINATE_BYTES) return false;
  // Throws if the point is not on the curve. Creating a key object would take five times longer.
  ECDH.convertKey(Buffer.concat([UNCOMPRESSED, x, y]), 'prime256v1');
  return true;
}

function isRsa(key: CoseKey): boolean {
  if (!isOnly(key, RSA)) return false;
  const [n, e] = [bytesAt(key, RSA.n), bytesAt(key, RSA.e)];
  // Before decoding: libraries may count the bits of numbers with leading zeros differently (RFC 8230 §4).
  if (n.length * 8 > RSA_BITS.most || n[0] === 0 || e[0] === 0 || !isOdd(n)) return false;
  const { asymmetricKeyDetails = {} } = keyOf({ kty: 'RSA', n: base64url(n), e: base64url(e) });
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails;
  if (modulusLength < RSA_BITS.least) return false;
  return publicExponent >= 3n && publicExponent % 2n === 1n && publicExponent < 1n << EXPONENT_BITS;
}

function isOnly(key: CoseKey, { kty, ...labels }: { kty: number } & Record<string, number>): boolean {
  const all = [KTY, ALG, ...Object.values(labels)];
  return key.get(KTY) === kty && key.size === all.length && all.every((label) => key.has(label));
}

/** @throws Error if the member is not a byte string: a list of numbers would be read as bytes */
function bytesAt(key: CoseKey, label: number): Uint8Array {
  const bytes = key.get(label);
  if (bytes instanceof Uint8Array) return bytes;
  throw new Error('no bytes');
}

const isOdd = (number: Uint8Array): boolean => ((number.at(-1) ?? 0) & 1) === 1;
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const keyOf = (key: JsonWebKey) => createPublicKey({ key, format: 'jwk' });
