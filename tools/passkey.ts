import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';

/**
 * A software authenticator for the self check, demos and tests. It gives the answer of a browser and a
 * platform passkey to `navigator.credentials.create()`. It does not keep the private key, so the passkey can
 * never sign in.
 */

/** COSE algorithms (RFC 9053 §2, RFC 8812 §2): ES256, EdDSA, RS256. */
export type PasskeyAlgorithm = -7 | -8 | -257;

export interface PasskeyOptions {
  rpId: string;
  /** For example `https://app.example.com`. */
  origin: string;
  /** Base64url. */
  challenge: string;
  alg?: PasskeyAlgorithm;
  userVerified?: boolean;
  /** `packed` is self attestation by the new key (WebAuthn §8.2). A function makes any other statement. */
  attestation?: 'none' | 'packed' | Attest;
  transports?: string[];
  /** 32 random bytes by default. */
  credentialId?: Uint8Array;
  /** For tests of the service's check. */
  wrong?: PasskeyLies;
}

export interface Attestable {
  alg: PasskeyAlgorithm;
  authenticatorData: Buffer;
  credentialId: Uint8Array;
  publicKey: KeyObject;
  privateKey: KeyObject;
  clientDataHash: Buffer;
}

/** Makes an attestation object's `fmt` and `attStmt` (WebAuthn §6.5.4). */
export type Attest = (passkey: Attestable) => { fmt: string; statement: Map<string, Cbor> };

/** Each member replaces a value that an honest authenticator computes. */
export interface PasskeyLies {
  /** Of the client data. */
  type?: string;
  crossOrigin?: boolean;
  topOrigin?: string;
  /** The whole flags byte (WebAuthn §6.1). */
  flags?: number;
  /** 32 bytes instead of the SHA-256 of the rpId. */
  rpIdHash?: Uint8Array;
  /** The algorithm that the public key claims. */
  alg?: number;
  /** 16 bytes. Zeros by default, as browsers send them without an attestation. */
  aaguid?: Uint8Array;
  signature?: Uint8Array;
}

const FLAG = { userPresent: 0x01, userVerified: 0x04, backupEligible: 0x08, backedUp: 0x10, attested: 0x40 };

/**
 * Registers a new passkey in software.
 *
 * @returns what @simplewebauthn/browser returns: binary values in base64url without padding.
 */
export function createPasskey(options: PasskeyOptions): RegistrationResponseJSON {
  const { rpId, origin, challenge, alg = -7, userVerified = true, wrong = {} } = options;
  const credentialId = options.credentialId ?? randomBytes(32);
  const { privateKey, publicKey } = generateKeyPair(alg);

  const { type = 'webauthn.create', crossOrigin = false, topOrigin } = wrong;
  const clientData = Buffer.from(
    JSON.stringify({ type, challenge, origin, crossOrigin, ...(topOrigin && { topOrigin }) }),
  );

  // WebAuthn §6.1: hash of the rpId, flags, signature counter, attested credential (§6.5.1)
  const { userPresent, backupEligible, backedUp, attested } = FLAG;
  const flags = userPresent | backupEligible | backedUp | attested | (userVerified ? FLAG.userVerified : 0);
  const authenticatorData = Buffer.concat([
    wrong.rpIdHash ?? sha256(rpId),
    Buffer.of(wrong.flags ?? flags),
    Buffer.alloc(4),
    wrong.aaguid ?? Buffer.alloc(16),
    Buffer.of(credentialId.length >> 8, credentialId.length & 0xff),
    credentialId,
    cbor(coseKey(publicKey, wrong.alg ?? alg)),
  ]);

  const clientDataHash = sha256(clientData);
  const attestable = { alg, authenticatorData, credentialId, publicKey, privateKey, clientDataHash };
  const { fmt, statement } = attestation(options)(attestable);
  const attestationObject = cbor(
    new Map<string, Cbor>([
      ['fmt', fmt],
      ['attStmt', statement],
      ['authData', authenticatorData],
    ]),
  );

  return {
    id: base64url(credentialId),
    rawId: base64url(credentialId),
    type: 'public-key',
    response: {
      clientDataJSON: base64url(clientData),
      attestationObject: base64url(attestationObject),
      transports: options.transports ?? ['internal', 'hybrid'],
      // Browsers copy these three values from the attestation object (WebAuthn §5.2.1.1).
      authenticatorData: base64url(authenticatorData),
      publicKey: base64url(publicKey.export({ type: 'spki', format: 'der' })),
      publicKeyAlgorithm: wrong.alg ?? alg,
    },
    clientExtensionResults: {},
    authenticatorAttachment: 'platform',
  };
}

function attestation({ attestation: asked = 'none', wrong = {} }: PasskeyOptions): Attest {
  if (typeof asked === 'function') return asked;
  if (asked === 'none') return () => ({ fmt: 'none', statement: new Map() });
  return ({ alg, authenticatorData, clientDataHash, privateKey }) => {
    const signed = Buffer.concat([authenticatorData, clientDataHash]);
    const sig = wrong.signature ?? sign(alg === -8 ? null : 'sha256', signed, privateKey);
    const entries: [string, Cbor][] = [
      ['alg', alg],
      ['sig', sig],
    ];
    return { fmt: 'packed', statement: new Map(entries) };
  };
}

function generateKeyPair(alg: PasskeyAlgorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (alg) {
    case -7:
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case -8:
      return generateKeyPairSync('ed25519');
    case -257:
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
  }
}

/** Makes a COSE_Key (RFC 9053 §7, RFC 8230 §4). Label 1 is the type, label 3 the algorithm. */
function coseKey(publicKey: KeyObject, alg: number): Map<number, Cbor> {
  const jwk = publicKey.export({ format: 'jwk' });
  const bytes = (text = '') => Buffer.from(text, 'base64url');
  const key = new Map<number, Cbor>([[3, alg]]);
  switch (jwk.kty) {
    case 'OKP': // crv Ed25519, x
      return key.set(1, 1).set(-1, 6).set(-2, bytes(jwk.x));
    case 'EC': // crv P-256, x, y
      return key.set(1, 2).set(-1, 1).set(-2, bytes(jwk.x)).set(-3, bytes(jwk.y));
    default: // RSA: n, e
      return key.set(1, 3).set(-1, bytes(jwk.n)).set(-2, bytes(jwk.e));
  }
}

export type Cbor = number | string | Uint8Array | Cbor[] | Map<number | string, Cbor>;

/** Encodes CBOR (RFC 8949) in CTAP2's canonical form: shortest heads, sorted keys. */
function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  const entries = [...value].map(([key, item]) => [cbor(key), cbor(item)] as const);
  entries.sort(([a], [b]) => a.length - b.length || Buffer.compare(a, b));
  return Buffer.concat([head(5, value.size), ...entries.flat()]);
}

function head(majorType: number, n: number): Buffer {
  const major = majorType << 5;
  if (n < 24) return Buffer.of(major | n);
  if (n < 0x100) return Buffer.of(major | 24, n);
  return Buffer.of(major | 25, n >> 8, n & 0xff);
}

const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest();
const base64url = (data: Uint8Array): string => Buffer.from(data).toString('base64url');
