import { createHash } from 'node:crypto';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import type { PasskeyPolicy } from '#libs/platform';
import { check } from './attestation-error.js';
import { isCertified, isKnownFormat, isTrusted, isVerified, readAttestationObject } from './attestation.js';
import { readAuthenticatorData } from './authenticator-data.js';
import { readClientData } from './client-data.js';
import { algorithmOf, isUsableKey } from './public-key.js';

/** What a passkey that passed says of itself. */
export interface Passed {
  /** Lower case UUID. */
  aaguid: string;
}

/** WebAuthn Level 3 §7.1, step 26. */
const LONGEST_ID = 1023;

/**
 * The registration ceremony (WebAuthn Level 3 §7.1), before the one session that upstream gives is spent on it. Each check has
 * a code of its own. `authenticatorData`, `publicKey` and `publicKeyAlgorithm`, which browsers repeat out of the attestation
 * object, are nobody's word: they are not read, and not sent.
 *
 * @param policy as it is now: what was asked for when the challenge was issued does not count.
 * @param outstanding challenges that were issued for this onboarding, are not used and not too old.
 * @throws PreflightError by the first check that fails.
 */
export async function preflight(
  response: RegistrationResponseJSON,
  policy: PasskeyPolicy,
  outstanding: ReadonlySet<string>,
): Promise<Passed> {
  const client = readClientData(response.response.clientDataJSON); // steps 5 and 6
  check(client.type === 'webauthn.create', 'type_mismatch'); // step 7
  check(typeof client.challenge === 'string' && outstanding.has(client.challenge), 'challenge_mismatch'); // step 8
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
  // Step 26, before the attestation: what vouches for another id vouches for nothing.
  check(data.credentialId.length <= LONGEST_ID, 'credential_id_too_long');
  const id = data.credentialId.toString('base64url');
  check(id === response.id && id === response.rawId, 'credential_id_mismatch');

  // Step 21: the options ask for credProps alone; other extensions are ignored, as it allows.
  check(policy.residentKey !== 'required' || !deniesDiscovery(response), 'credential_not_discoverable');
  check(isKnownFormat(attestation), 'attestation_format_unknown'); // step 22
  check(
    attestation.format !== 'none' || attestation.statement.size === 0,
    'attestation_statement_unexpected',
  ); // step 23, §8.7
  check(isTrusted(attestation), 'attestation_not_trusted'); // steps 24 and 25
  check(await isVerified(response, client.challenge, policy), 'attestation_not_verified'); // step 23
  check(policy.aaguidAllow.length === 0 || isCertified(attestation), 'attestation_required'); // step 25
  check(!policy.aaguidDeny.includes(data.aaguid), 'aaguid_denied');
  check(policy.aaguidAllow.length === 0 || policy.aaguidAllow.includes(data.aaguid), 'aaguid_not_allowed');
  return { aaguid: data.aaguid };
}

/** The browser's word, which nobody signs (Level 3 §10.1.3); many say nothing of it. It catches who is honest. */
function deniesDiscovery({ clientExtensionResults }: RegistrationResponseJSON): boolean {
  const credProps = clientExtensionResults.credProps as { rk?: unknown } | null | undefined;
  return credProps?.rk === false;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
