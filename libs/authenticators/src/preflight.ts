import { verifyRegistrationResponse, type RegistrationResponseJSON } from '@simplewebauthn/server';
import {
  cose,
  decodeAttestationObject,
  decodeClientDataJSON,
  decodeCredentialPublicKey,
  isoBase64URL,
  isoUint8Array,
  parseAuthenticatorData,
  toHash,
} from '@simplewebauthn/server/helpers';
import { decode } from 'cborg';
import type { AttestationCode } from './attestation-error.js';

/** ES256 and RS256: what the providers take. */
export const ALGORITHMS = [-7, -257];

export interface RelyingParty {
  rpId: string;
  origins: readonly string[];
}

/** What a passkey that passed says of itself. */
export interface Passed {
  /** Lowercase UUID. */
  aaguid: string;
}

/** Thrown by the first check that fails. */
export class PreflightError extends Error {
  constructor(
    readonly code: AttestationCode,
    detail: string,
  ) {
    super(detail);
    this.name = 'PreflightError';
  }
}

/**
 * The registration ceremony (WebAuthn Level 3 §7.1), before the one session that upstream gives is spent on it.
 * Each check says its own name; @simplewebauthn/server decodes, and has the last word on the attestation.
 *
 * @param outstanding challenges that were issued for this onboarding and not used.
 * @throws PreflightError
 */
export async function preflight(
  response: RegistrationResponseJSON,
  party: RelyingParty,
  outstanding: ReadonlySet<string>,
): Promise<Passed> {
  const clientData = decoding('client_data_malformed', 'The client data is no JSON object.', () => {
    const decoded = decodeClientDataJSON(response.response.clientDataJSON);
    if (typeof decoded !== 'object' || decoded === null) throw new Error('The client data is no object.');
    return decoded;
  });
  check(clientData.type === 'webauthn.create', 'type_mismatch', 'The client data is not of a registration.'); // step 7
  check(
    outstanding.has(clientData.challenge),
    'challenge_mismatch',
    'The challenge was not issued for this onboarding, was used, or is too old.',
  ); // step 8
  check(
    party.origins.includes(clientData.origin),
    'origin_not_allowed',
    'The origin is none that this integration allows.',
  ); // step 9
  check(
    clientData.crossOrigin !== true,
    'cross_origin_not_allowed',
    'The passkey was made in a frame of another origin.',
  ); // step 10

  const { authData, credentialId, algorithm } = decoding(
    'attestation_malformed',
    'The attestation object is no CBOR map with authenticator data in it.',
    () => {
      const bytes = isoBase64URL.toBuffer(response.response.attestationObject);
      // One CBOR item and nothing after it: the library's own decoder stops at the item's end and looks no further.
      if (!(decode(bytes, { useMaps: true }) instanceof Map)) throw new Error('no map');
      const parsed = parseAuthenticatorData(decodeAttestationObject(bytes).get('authData'));
      const key = parsed.credentialPublicKey && decodeCredentialPublicKey(parsed.credentialPublicKey);
      return { authData: parsed, credentialId: parsed.credentialID, algorithm: key?.get(cose.COSEKEYS.alg) };
    },
  );
  const rpIdHash = await toHash(isoUint8Array.fromASCIIString(party.rpId));
  check(
    isoUint8Array.areEqual(authData.rpIdHash, rpIdHash),
    'rp_id_mismatch',
    'The passkey is of another relying party.',
  ); // step 14
  check(authData.flags.up, 'user_not_present', 'Nobody touched the authenticator.'); // step 15
  check(authData.flags.uv, 'user_not_verified', 'The authenticator did not verify its user.'); // step 16
  check(
    credentialId !== undefined &&
      isoBase64URL.fromBuffer(credentialId) === response.id &&
      response.id === response.rawId,
    'credential_id_mismatch',
    'The credential id is not the one that the authenticator data names.',
  );
  check(
    typeof algorithm === 'number' && ALGORITHMS.includes(algorithm),
    'algorithm_not_allowed',
    'The key is neither ES256 nor RS256.',
  ); // step 20

  const verified = await verifyRegistrationResponse({
    response,
    expectedChallenge: clientData.challenge,
    expectedOrigin: [...party.origins],
    expectedRPID: party.rpId,
    requireUserVerification: true,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch(() => ({ verified: false as const, registrationInfo: undefined }));
  check(verified.verified, 'attestation_not_verified', 'The attestation statement does not verify.'); // steps 21 to 24
  return { aaguid: verified.registrationInfo!.aaguid };
}

function check(holds: boolean, code: AttestationCode, detail: string): void {
  if (!holds) throw new PreflightError(code, detail);
}

/** A decoder's own words name its insides; ours name the fault. */
function decoding<T>(code: AttestationCode, detail: string, work: () => T): T {
  try {
    return work();
  } catch {
    throw new PreflightError(code, detail);
  }
}
