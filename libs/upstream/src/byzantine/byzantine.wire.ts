import { z } from 'zod';
import { opaqueId, opaqueIds } from '../transport/opaque.js';
import type { AuthenticatorTransport, NewAuthenticator } from '../port/upstream-provider.js';

/** Byzantine's answers, as far as they are read. Unknown members are upstream's freedom to add. */

/** `otpId` has no documented form: the example has a prefix, the recorded answer is a UUID. */
export const initOtpAnswer = z.object({ otpId: opaqueId });

export const otpAuthAnswer = z.object({
  session: z.string(),
  sessionId: opaqueId,
  expiresAt: z.string().transform((text, ctx) => {
    const at = parseInstant(text);
    if (at) return at;
    ctx.addIssue('is no ISO 8601 instant');
    return z.NEVER;
  }),
});

/** A request always has passkeys, so an answer with an empty list says nothing about them. */
export const createAuthenticatorsAnswer = z.object({ authenticatorIds: opaqueIds.min(1) });

/** A key that can only read passes every probe and fails every step. */
export const whoamiAnswer = z.object({ capabilities: z.object({ canWrite: z.boolean() }) });

/** ISO 8601 with a year of four digits: JavaScript knows years that PostgreSQL does not. */
const INSTANT = /^\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(z|[+-]\d{2}:?\d{2})?$/i;

/** Some of this API's instants lack a zone; they are UTC. */
function parseInstant(text: string): Date | null {
  if (!INSTANT.test(text)) return null;
  const zoned = /(z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text}Z`;
  const at = new Date(zoned);
  return Number.isNaN(at.getTime()) ? null : at;
}

const TRANSPORTS: Record<AuthenticatorTransport, string> = {
  ble: 'AUTHENTICATOR_TRANSPORT_BLE',
  hybrid: 'AUTHENTICATOR_TRANSPORT_HYBRID',
  internal: 'AUTHENTICATOR_TRANSPORT_INTERNAL',
  nfc: 'AUTHENTICATOR_TRANSPORT_NFC',
  usb: 'AUTHENTICATOR_TRANSPORT_USB',
  unknown: 'Unknown',
};

/** An authenticator as `create-authenticators-otp` wants it. */
export function toAuthenticatorParam(authenticator: NewAuthenticator) {
  return {
    authenticatorName: authenticator.name,
    challenge: authenticator.challenge,
    attestation: {
      credentialId: authenticator.credentialId,
      clientDataJson: authenticator.clientDataJson,
      attestationObject: authenticator.attestationObject,
      transports: authenticator.transports.map((transport) => TRANSPORTS[transport]),
    },
  };
}
