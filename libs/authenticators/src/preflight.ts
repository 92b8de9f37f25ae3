import { createHash } from 'node:crypto';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import type { PasskeyPolicy } from '#libs/platform';
import { check } from './attestation-error.js';
import {
  certificatesOf,
  isCertified,
  isKnownFormat,
  isVerified,
  readAttestationObject,
  trusted,
} from './attestation.js';
import { meetsClauses } from './attestation-statement.js';
import { readAuthenticatorData, type AuthenticatorData } from './authenticator-data.js';
import { byteString } from './cbor.js';
import { readClientData, type ClientData } from './client-data.js';
import { algorithmOf, isUsableKey } from './public-key.js';

export type Answered = ClientData & { challenge: string };

export interface Registration {
  response: RegistrationResponseJSON;
  /**
   * Whether a CBOR byte string may contain the credential id. Providers describe this format; browsers do not
   * use it.
   */
  idMayBeCbor: boolean;
}

export interface Passed {
  /** Lower case UUID. */
  aaguid: string;
  /** As the authenticator signed it, in base64url. */
  credentialId: string;
}

/** At least 16 bytes (WebAuthn Level 3 §4, "Credential ID"), at most 1023 (§7.1, step 26). */
const ID_BYTES = { least: 16, most: 1023 };

/**
 * Runs the steps of the ceremony (WebAuthn Level 3 §7.1) that decode no attestation, except step 8: the
 * calling code must check that the challenge is outstanding.
 *
 * @throws PreflightError for the first check that fails
 */
export function readAnswer(response: RegistrationResponseJSON): Answered {
  const client = readClientData(response.response.clientDataJSON); // steps 5 and 6
  check(client.type === 'webauthn.create', 'type_mismatch'); // step 7
  const { challenge } = client;
  check(typeof challenge === 'string', 'challenge_mismatch');
  return { ...client, challenge };
}

/**
 * Runs the ceremony from step 9 on. Ignores the copies that browsers send: `authenticatorData`, `publicKey`
 * and `publicKeyAlgorithm`.
 *
 * @throws PreflightError for the first check that fails
 */
export async function preflight(
  { response, idMayBeCbor }: Registration,
  client: Answered,
  policy: PasskeyPolicy,
): Promise<Passed> {
  check(policy.origins.includes(client.origin as string), 'origin_not_allowed'); // step 9
  check((client.crossOrigin ?? false) === false, 'cross_origin_not_allowed'); // step 10
  check(client.topOrigin === undefined, 'top_origin_not_allowed'); // step 11

  const attestation = readAttestationObject(response.response.attestationObject); // step 13
  const data = readAuthenticatorData(attestation.authData);
  check(data.rpIdHash.equals(sha256(policy.rpId)), 'rp_id_mismatch'); // step 14
  check(data.userPresent, 'user_not_present'); // step 15
  check(data.userVerified || policy.userVerification !== 'required', 'user_not_verified'); // step 16
  check(data.backupEligible || !data.backedUp, 'backup_state_invalid'); // step 17
  check(policy.algorithms.includes(algorithmOf(data.key) as number), 'algorithm_not_allowed'); // step 20
  check(isUsableKey(data.key), 'public_key_malformed');
  // Before the attestation, because an attestation for another id proves nothing.
  check(data.credentialId.length >= ID_BYTES.least, 'credential_id_too_short');
  check(data.credentialId.length <= ID_BYTES.most, 'credential_id_too_long');
  check(isNamed(response, data, idMayBeCbor), 'credential_id_mismatch');

  // Step 21: the service requested only credProps. It ignores other extensions, as §7.1 allows.
  check(policy.residentKey !== 'required' || !deniesDiscovery(response), 'credential_not_discoverable');
  check(isKnownFormat(attestation), 'attestation_format_unknown'); // step 22
  check(
    attestation.format !== 'none' || attestation.statement.size === 0,
    'attestation_statement_unexpected',
  ); // step 23, §8.7
  const given = certificatesOf(attestation);
  const chain = trusted(attestation, given); // steps 24 and 25
  check(meetsClauses(attestation, data.key, given), 'attestation_not_verified'); // step 23
  const { challenge } = client;
  check(await isVerified(response, attestation, chain, { policy, challenge }), 'attestation_not_verified');
  check(policy.aaguidAllow.length === 0 || isCertified(attestation), 'attestation_required'); // step 25
  check(!policy.aaguidDeny.includes(data.aaguid), 'aaguid_denied');
  check(policy.aaguidAllow.length === 0 || policy.aaguidAllow.includes(data.aaguid), 'aaguid_not_allowed');
  return { aaguid: data.aaguid, credentialId: data.credentialId.toString('base64url') };
}

/** Compares bytes, because a raw id may look like a CBOR byte string. */
function isNamed(
  { id, rawId }: RegistrationResponseJSON,
  { credentialId }: AuthenticatorData,
  idMayBeCbor: boolean,
): boolean {
  const forms = [credentialId, ...(idMayBeCbor ? [byteString(credentialId)] : [])];
  return id === rawId && forms.some((form) => form.toString('base64url') === id);
}

/**
 * The browser's report (WebAuthn Level 3 §10.1.3) is unsigned and often missing, so it helps only with honest
 * clients.
 */
function deniesDiscovery({ clientExtensionResults }: RegistrationResponseJSON): boolean {
  const results = clientExtensionResults as { credProps?: { rk?: unknown } | null } | null | undefined;
  return results?.credProps?.rk === false;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
