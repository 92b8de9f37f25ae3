import {
  SettingsService,
  verifyRegistrationResponse,
  type RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { isoBase64URL, isoUint8Array } from '@simplewebauthn/server/helpers';
import { encode } from 'cborg';
import type { PasskeyPolicy } from '#libs/platform';
import { check, decoding } from './attestation-error.js';
import { decodeItem } from './authenticator-data.js';
import { leadsToRoot, withRootOfToday } from './certificate-chain.js';
import { withoutNetwork } from './without-network.js';

/** Formats of WebAuthn Level 3 §8 that can be verified, those with a chain that has to end at a vendor's root apart. */
const ROOTED = ['android-key', 'android-safetynet', 'apple'] as const;
const FORMATS: ReadonlySet<string> = new Set(['none', 'packed', 'tpm', 'fido-u2f', ...ROOTED]);
const isRooted = (format: string): format is (typeof ROOTED)[number] =>
  (ROOTED as readonly string[]).includes(format);

/** WebAuthn Level 3 §6.5.4. */
export interface AttestationObject {
  format: string;
  statement: ReadonlyMap<unknown, unknown>;
  authData: Uint8Array;
}

/** @param attestationObject base64url. @throws PreflightError `attestation_malformed` or `attestation_trailing_bytes` */
export function readAttestationObject(attestationObject: string): AttestationObject {
  const bytes = Buffer.from(attestationObject, 'base64url');
  const [object, rest] = decoding('attestation_malformed', () => decodeItem(bytes));
  check(object instanceof Map, 'attestation_malformed');
  const [format, statement, authData] = ['fmt', 'attStmt', 'authData'].map((name) => object.get(name) as unknown); // prettier-ignore
  check(typeof format === 'string' && statement instanceof Map, 'attestation_malformed');
  check(authData instanceof Uint8Array, 'attestation_malformed');
  check(rest.length === 0, 'attestation_trailing_bytes');
  return { format, statement, authData };
}

export const isKnownFormat = ({ format }: AttestationObject): boolean => FORMATS.has(format);

/** Whether a certificate, and not the new key itself, speaks for the authenticator's model (WebAuthn §6.5.4). */
export const isCertified = ({ format, statement }: AttestationObject): boolean =>
  // Not has('x5c'): the library takes packed with an x5c of null for self attestation.
  format !== 'none' && (format !== 'packed' || Array.isArray(statement.get('x5c')));

/**
 * Whether the certificates lead to a root of @simplewebauthn/server's: Google's, Apple's and GlobalSign's. There is none for
 * packed, tpm and fido-u2f.
 *
 * @throws PreflightError `attestation_not_verified` where there are none.
 */
export function isTrusted({ format, statement }: AttestationObject): boolean {
  if (!isRooted(format)) return true;
  const chain = decoding('attestation_not_verified', () =>
    format === 'android-safetynet' ? chainOfJws(statement.get('response')) : chainOf(statement.get('x5c')),
  );
  return leadsToRoot(chain, rootsOf(format));
}

const rootsOf = (format: (typeof ROOTED)[number]): string[] =>
  SettingsService.getRootCertificates({ identifier: format });

/** The last word: each format's own procedure (WebAuthn §8), in the library's hands and without a network. */
export async function isVerified(
  response: RegistrationResponseJSON,
  expectedChallenge: string,
  policy: PasskeyPolicy,
): Promise<boolean> {
  try {
    const { verified } = await withoutNetwork(() =>
      verifyRegistrationResponse({
        response: asLibraryTakes(response),
        expectedChallenge,
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

/**
 * For android-key the library takes no root that is out of date, and of the good ones only those that it can compare by their PEM,
 * which are not all. Nothing signs the list of certificates, so the root in it can be another one of the same key.
 */
function asLibraryTakes(response: RegistrationResponseJSON): RegistrationResponseJSON {
  const { format, statement, authData } = readAttestationObject(response.response.attestationObject);
  if (format !== 'android-key') return response;
  const x5c = withRootOfToday(chainOf(statement.get('x5c')), rootsOf(format));
  const attestation = { fmt: format, attStmt: new Map(statement).set('x5c', x5c), authData };
  const attestationObject = Buffer.from(encode(attestation)).toString('base64url');
  return { ...response, response: { ...response.response, attestationObject } };
}

function chainOf(x5c: unknown): Uint8Array[] {
  if (Array.isArray(x5c) && x5c.every((each) => each instanceof Uint8Array)) return x5c;
  throw new Error('no certificates');
}

/** SafetyNet's are in the header of its JWS, in base64 (RFC 7515 §4.1.6). Decoded as the library does, or it could see others. */
function chainOfJws(response: unknown): Uint8Array[] {
  const [header = ''] = isoUint8Array.toUTF8String(response as Uint8Array<ArrayBuffer>).split('.');
  const { x5c } = JSON.parse(isoBase64URL.toUTF8String(header)) as { x5c: string[] };
  return x5c.map((each) => isoBase64URL.toBuffer(each, 'base64'));
}
