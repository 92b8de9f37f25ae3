import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import type { AuthenticatorTransport, NewAuthenticator } from '#libs/upstream';
import type { Registration } from './preflight.js';

/** In one of the two formats that callers may send: a browser's or a provider's. */
export type SubmittedAuthenticator =
  | { authenticatorName: string; credential: RegistrationResponseJSON }
  | {
      authenticatorName: string;
      challenge: string;
      attestation: {
        credentialId: string;
        clientDataJson: string;
        attestationObject: string;
        transports: string[];
      };
    };

/** Converts to a browser's format, which all checks use. */
export function asRegistration(submitted: SubmittedAuthenticator): Registration {
  if ('credential' in submitted) return { response: submitted.credential, idMayBeCbor: false };
  const { credentialId, clientDataJson, attestationObject } = submitted.attestation;
  const response: RegistrationResponseJSON = {
    id: credentialId,
    rawId: credentialId,
    type: 'public-key',
    clientExtensionResults: {},
    response: { clientDataJSON: clientDataJson, attestationObject },
  };
  return { response, idMayBeCbor: true };
}

/** @param checked the challenge in the client data, and the raw credential id */
export function asNewAuthenticator(
  submitted: SubmittedAuthenticator,
  { challenge, credentialId }: { challenge: string; credentialId: string },
): NewAuthenticator {
  const { clientDataJSON, attestationObject } = asRegistration(submitted).response.response;
  return {
    name: submitted.authenticatorName,
    challenge,
    credentialId,
    clientDataJson: clientDataJSON,
    attestationObject,
    transports: transportsOf(submitted),
  };
}

/** Converts to a provider's format. */
export function asSubmitted(read: NewAuthenticator): SubmittedAuthenticator {
  const { name, challenge, credentialId, clientDataJson, attestationObject, transports } = read;
  return {
    authenticatorName: name,
    challenge,
    attestation: { credentialId, clientDataJson, attestationObject, transports },
  };
}

const BY_BROWSER = new Map<string, AuthenticatorTransport>([
  ['ble', 'ble'],
  ['hybrid', 'hybrid'],
  ['cable', 'hybrid'], // the name of hybrid before WebAuthn Level 3
  ['internal', 'internal'],
  ['nfc', 'nfc'],
  ['usb', 'usb'],
]);

/** Unknown names become `unknown`. */
function transportsOf(submitted: SubmittedAuthenticator): AuthenticatorTransport[] {
  const given =
    'credential' in submitted
      ? (submitted.credential.response.transports ?? [])
      : submitted.attestation.transports.map((name) =>
          name.replace(/^AUTHENTICATOR_TRANSPORT_/, '').toLowerCase(),
        );
  return [...new Set(given.map((name) => BY_BROWSER.get(name) ?? 'unknown'))];
}
