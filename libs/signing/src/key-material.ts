import { createPrivateKey } from 'node:crypto';
import { InvalidKeyError } from './invalid-key-error.js';

type Jwk = Readonly<Record<string, unknown>>;

/** It is not yet known whether the key is on P-256. */
export interface DecodedKey {
  /** The private number, big-endian, with as many bytes as the text contained. */
  scalar: Uint8Array;
  /** The uncompressed SEC1 point (65 bytes), if the text also contained the public key. */
  claimedPublicKey?: Uint8Array;
}

const FORMS = 'give 64 hex digits (with or without 0x), a PKCS#8 PEM, or a JWK';

/**
 * Decodes hex, PKCS#8 PEM or a JWK. The line ends of a PEM may be written as `\n`.
 *
 * @throws InvalidKeyError if the text has none of these forms, or names another curve.
 */
export function decodeKeyMaterial(material: string, source: string): DecodedKey {
  const text = material.trim();
  if (text === '') throw new InvalidKeyError(source, `it is empty; ${FORMS}`);
  if (text.startsWith('{')) return decodeJwk(parseJson(text, source), source);
  if (text.startsWith('-----BEGIN')) return decodePem(text, source);
  return decodeHex(text, source);
}

function decodeHex(text: string, source: string): DecodedKey {
  const digits = text.replace(/^0x/i, '');
  if (!/^[0-9a-f]*$/i.test(digits)) {
    throw new InvalidKeyError(source, `it is neither hex nor PEM nor JSON; ${FORMS}`);
  }
  if (digits.length !== 64) {
    throw new InvalidKeyError(source, `it has ${digits.length} hex digits, a P-256 key has 64 (32 bytes)`);
  }
  return { scalar: Buffer.from(digits, 'hex') };
}

const OTHER_PEMS: Record<string, string> = {
  'EC PRIVATE KEY': 'it is a SEC1 PEM; convert it with "openssl pkcs8 -topk8 -nocrypt"',
  'EC PARAMETERS': 'it is a SEC1 PEM; convert it with "openssl pkcs8 -topk8 -nocrypt"',
  'ENCRYPTED PRIVATE KEY': 'it is encrypted; decrypt it with "openssl pkcs8"',
  'PUBLIC KEY': 'it is a public key',
  CERTIFICATE: 'it is a certificate',
};

function decodePem(text: string, source: string): DecodedKey {
  const label = /^-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1] ?? '';
  if (label !== 'PRIVATE KEY') {
    throw new InvalidKeyError(source, OTHER_PEMS[label] ?? 'it is not a PKCS#8 PEM ("PRIVATE KEY")');
  }
  let key;
  try {
    key = createPrivateKey(text.replaceAll('\\n', '\n'));
  } catch {
    throw new InvalidKeyError(source, 'its PEM cannot be decoded');
  }
  if (key.asymmetricKeyType !== 'ec') {
    throw new InvalidKeyError(source, `it is of type ${key.asymmetricKeyType}, not an elliptic curve key`);
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve !== 'prime256v1') {
    throw new InvalidKeyError(source, `it is on ${curve ?? 'an unnamed curve'}, not on P-256`);
  }
  return jwkNumbers(key.export({ format: 'jwk' }) as Jwk, source);
}

function parseJson(text: string, source: string): Jwk {
  try {
    return JSON.parse(text) as Jwk;
  } catch {
    throw new InvalidKeyError(source, 'it starts like a JWK but is not valid JSON');
  }
}

/** The values of `crv` that an error may show. Any other value may be a secret. */
const KNOWN_CURVES = new Set(['P-384', 'P-521', 'secp256k1', 'Ed25519', 'X25519']);

function decodeJwk(jwk: Jwk, source: string): DecodedKey {
  if (jwk['kty'] !== 'EC' || jwk['crv'] !== 'P-256') {
    const curve = String(jwk['crv']);
    const found = KNOWN_CURVES.has(curve) ? `it is on ${curve}` : 'its "kty" or "crv" differs';
    throw new InvalidKeyError(source, `${found}; a JWK needs "kty":"EC" and "crv":"P-256"`);
  }
  return jwkNumbers(jwk, source);
}

function jwkNumbers(jwk: Jwk, source: string): DecodedKey {
  const number = (member: 'd' | 'x' | 'y'): Buffer => {
    const value = jwk[member];
    const bytes = Buffer.from(typeof value === 'string' ? value : '', 'base64url');
    // All 32 bytes are required (RFC 7518 §6.2.1.2, §6.2.2.1). They are encoded again, because `Buffer.from`
    // skips characters that it cannot read.
    if (bytes.length !== 32 || bytes.toString('base64url') !== value) {
      throw new InvalidKeyError(
        source,
        `its JWK member "${member}" is not 32 bytes of base64url without padding (=)`,
      );
    }
    return bytes;
  };
  const claimedPublicKey = Buffer.concat([Buffer.of(4), number('x'), number('y')]);
  return { scalar: number('d'), claimedPublicKey };
}
