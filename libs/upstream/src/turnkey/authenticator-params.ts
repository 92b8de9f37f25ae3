import { z } from 'zod';
import { rule } from '#libs/platform';
import type { AuthenticatorTransport, NewAuthenticator } from '../port/upstream-provider.js';

/** Turnkey has no name for `unknown`. */
const TRANSPORTS: Record<Exclude<AuthenticatorTransport, 'unknown'>, string> = {
  ble: 'AUTHENTICATOR_TRANSPORT_BLE',
  hybrid: 'AUTHENTICATOR_TRANSPORT_HYBRID',
  internal: 'AUTHENTICATOR_TRANSPORT_INTERNAL',
  nfc: 'AUTHENTICATOR_TRANSPORT_NFC',
  usb: 'AUTHENTICATOR_TRANSPORT_USB',
};
const NAMES = new Map(
  Object.entries(TRANSPORTS).map(([name, wire]) => [wire, name as AuthenticatorTransport]),
);

export function toAuthenticatorParams(authenticator: NewAuthenticator) {
  const { name, challenge, credentialId, clientDataJson, attestationObject } = authenticator;
  const transports = authenticator.transports.flatMap((each) =>
    each === 'unknown' ? [] : [TRANSPORTS[each]],
  );
  return {
    authenticatorName: name,
    challenge,
    attestation: { credentialId, clientDataJson, attestationObject, transports },
  };
}

const base64url = z
  .string()
  .refine(
    (text) => text !== '' && Buffer.from(text, 'base64url').toString('base64url') === text,
    rule('invalid_format', 'must be base64url without padding (=)'),
  );

/** A passkey that a device has written for `create_authenticators`. */
export const authenticatorParams = z
  .strictObject({
    authenticatorName: z.string().min(1, 'is empty').max(64, 'is longer than 64'),
    challenge: base64url,
    attestation: z.strictObject({
      credentialId: base64url,
      clientDataJson: base64url,
      attestationObject: base64url,
      transports: z.array(
        z.enum(Object.values(TRANSPORTS) as [string, ...string[]], 'is not a transport of Turnkey’s'),
      ),
    }),
  })
  .transform(
    ({ authenticatorName: name, challenge, attestation: { transports, ...rest } }): NewAuthenticator => ({
      name,
      challenge,
      ...rest,
      transports: transports.map((each) => NAMES.get(each) ?? 'unknown'),
    }),
  );
