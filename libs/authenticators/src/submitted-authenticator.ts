import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import type { AuthenticatorTransport, NewAuthenticator } from '#libs/upstream';

/** An authenticator as callers may send it, in either of its two forms. */
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

/** The browser's form of it, which is what can be checked. */
export function asRegistrationResponse(submitted: SubmittedAuthenticator): RegistrationResponseJSON {
  if ('credential' in submitted) return submitted.credential;
  const { credentialId, clientDataJson, attestationObject } = submitted.attestation;
  return {
    id: credentialId,
    rawId: credentialId,
    type: 'public-key',
    clientExtensionResults: {},
    response: { clientDataJSON: clientDataJson, attestationObject },
  };
}

/** The port's form of it. The challenge is the one inside the client data: that is what providers compare. */
export function asNewAuthenticator(submitted: SubmittedAuthenticator): NewAuthenticator {
  const { response, id } = asRegistrationResponse(submitted);
  const { challenge } = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString()) as {
    challenge: string;
  };
  return {
    name: submitted.authenticatorName,
    challenge,
    credentialId: id,
    clientDataJson: response.clientDataJSON,
    attestationObject: response.attestationObject,
    transports: transportsOf(submitted),
  };
}

/** An authenticator that a provider has read from what a device signed, in the form that is checked. */
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
  ['cable', 'hybrid'], // what browsers called it before WebAuthn Level 3
  ['internal', 'internal'],
  ['nfc', 'nfc'],
  ['usb', 'usb'],
]);

/** What a browser or a provider calls a transport, in our words; what neither of us knows is `unknown`. */
function transportsOf(submitted: SubmittedAuthenticator): AuthenticatorTransport[] {
  const given =
    'credential' in submitted
      ? (submitted.credential.response.transports ?? [])
      : submitted.attestation.transports.map((name) =>
          name.replace(/^AUTHENTICATOR_TRANSPORT_/, '').toLowerCase(),
        );
  return [...new Set(given.map((name) => BY_BROWSER.get(name) ?? 'unknown'))];
}
