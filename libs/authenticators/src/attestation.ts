import { verifyRegistrationResponse, type RegistrationResponseJSON } from '@simplewebauthn/server';
import { isoBase64URL, isoUint8Array } from '@simplewebauthn/server/helpers';
import { encode } from 'cborg';
import type { PasskeyPolicy } from '#libs/platform';
import { check, decoding } from './attestation-error.js';
import { readChain } from './certificate.js';
import { completeChain } from './certificate-chain.js';
import { decodeItem } from './cbor.js';
import { ROOTED, rootsOf, type RootedFormat } from './trusted-roots.js';
import './digests.js'; // replaces crypto.subtle.digest
import { withoutNetwork } from './without-network.js';

/** The formats of WebAuthn Level 3 §8 that the service can verify. */
const FORMATS: ReadonlySet<string> = new Set(['none', 'packed', 'tpm', 'fido-u2f', ...ROOTED]);
const isRooted = (format: string): format is RootedFormat => (ROOTED as readonly string[]).includes(format);

/** About twice the size of the largest real attestation object. */
const MOST_BYTES = 16_384;

/** An attestation object (WebAuthn Level 3 §6.5.4). */
export interface AttestationObject {
  format: string;
  statement: ReadonlyMap<unknown, unknown>;
  authData: Uint8Array;
}

/**
 * @param attestationObject base64url
 * @throws PreflightError `attestation_…`
 */
export function readAttestationObject(attestationObject: string): AttestationObject {
  check(Buffer.byteLength(attestationObject, 'base64url') <= MOST_BYTES, 'attestation_too_large');
  const bytes = Buffer.from(attestationObject, 'base64url');
  const [object, rest] = decoding('attestation_malformed', () => decodeItem(bytes));
  check(object instanceof Map, 'attestation_malformed');
  const [format, statement, authData] = ['fmt', 'attStmt', 'authData'].map(
    (name) => object.get(name) as unknown,
  );
  check(typeof format === 'string' && authData instanceof Uint8Array, 'attestation_malformed');
  // A statement of an unknown format need not be a map: for `compound`, it is a list (§8.9).
  check(statement instanceof Map || !FORMATS.has(format), 'attestation_malformed');
  check(rest.length === 0, 'attestation_trailing_bytes');
  return { format, statement: statement instanceof Map ? statement : new Map(), authData };
}

export const isKnownFormat = ({ format }: AttestationObject): boolean => FORMATS.has(format);

/** Whether a certificate proves the authenticator's model. The passkey's key does not (WebAuthn §6.5.4). */
export const isCertified = ({ format, statement }: AttestationObject): boolean =>
  format !== 'none' && (format !== 'packed' || statement.has('x5c'));

/**
 * @returns DER, the leaf first; empty if the format has no certificates
 * @throws PreflightError `attestation_not_verified` if required certificates cannot be read
 */
export function certificatesOf(object: AttestationObject): Uint8Array[] {
  if (!isCertified(object)) return [];
  const { format, statement } = object;
  return decoding('attestation_not_verified', () =>
    readChain(format === 'android-safetynet' ? x5cOfJws(statement.get('response')) : statement.get('x5c')),
  );
}

/**
 * SafetyNet's certificates are in the header of the JWS, in base64 (RFC 7515 §4.1.6). Decodes them as the
 * library does.
 */
function x5cOfJws(response: unknown): Uint8Array[] {
  const [header = ''] = isoUint8Array.toUTF8String(response as Uint8Array<ArrayBuffer>).split('.');
  const { x5c } = JSON.parse(isoBase64URL.toUTF8String(header)) as { x5c: string[] };
  return x5c.map((each) => isoBase64URL.toBuffer(each, 'base64'));
}

/**
 * Completes the chain with the vendor's root. Chains of packed, tpm and fido-u2f stay as they are.
 *
 * @throws PreflightError `attestation_not_trusted`
 */
export function trusted({ format }: AttestationObject, chain: Uint8Array[]): Uint8Array[] {
  const complete = isRooted(format) ? completeChain(chain, rootsOf(format)) : chain;
  check(complete !== null, 'attestation_not_trusted');
  return complete;
}

/**
 * Verifies the statement (WebAuthn §8) with @simplewebauthn/server, without network access.
 *
 * @param chain the result of {@link trusted}
 */
export async function isVerified(
  response: RegistrationResponseJSON,
  object: AttestationObject,
  chain: Uint8Array[],
  { policy, challenge }: { policy: PasskeyPolicy; challenge: string },
): Promise<boolean> {
  try {
    const { verified } = await withoutNetwork(() =>
      verifyRegistrationResponse({
        response: asLibraryTakes(response, object, chain),
        expectedChallenge: challenge,
        expectedOrigin: [...policy.origins],
        expectedRPID: policy.rpId,
        requireUserVerification: policy.userVerification === 'required',
        supportedAlgorithmIDs: [...policy.algorithms],
      }),
    );
    return verified;
  } catch {
    return false;
  }
}

/** For android-key, @simplewebauthn/server expects a valid root at the end of `x5c`, which is not signed. */
function asLibraryTakes(
  response: RegistrationResponseJSON,
  { format, statement, authData }: AttestationObject,
  x5c: Uint8Array[],
): RegistrationResponseJSON {
  if (format !== 'android-key') return response;
  const attestation = { fmt: format, attStmt: new Map(statement).set('x5c', x5c), authData };
  const attestationObject = Buffer.from(encode(attestation)).toString('base64url');
  return { ...response, response: { ...response.response, attestationObject } };
}
