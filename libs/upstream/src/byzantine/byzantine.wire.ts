import { z } from 'zod';
import { opaqueId, opaqueIds } from '../transport/opaque.js';
import type { AuthenticatorTransport, NewAuthenticator } from '../port/upstream-provider.js';

/** The parts of Byzantine's answers that we read. Upstream may add other members. */

/** `otpId` has no documented form: the example has a prefix, the recorded answer is a UUID. */
export const initOtpAnswer = z.object({ otpId: opaqueId });

export const otpAuthAnswer = z.object({
  session: z.string(),
  sessionId: opaqueId,
  expiresAt: z.string().transform((text, ctx) => {
    const at = parseInstant(text);
    if (at) return at;
    ctx.addIssue('is not an ISO 8601 instant');
    return z.NEVER;
  }),
});

/** Every request contains passkeys, so an empty list in an answer says nothing about them. */
export const createAuthenticatorsAnswer = z.object({ authenticatorIds: opaqueIds.min(1) });

/** With a read-only key, every probe would succeed and every step would fail. */
export const whoamiAnswer = z.object({ capabilities: z.object({ canWrite: z.boolean() }) });

/** ISO 8601 with a year of four digits. JavaScript accepts years that PostgreSQL does not. */
const INSTANT = /^\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(z|[+-]\d{2}:?\d{2})?$/i;

/** Some instants of this API have no time zone. They are UTC. */
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

/** An authenticator in the form of `create-authenticators-otp`. */
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
