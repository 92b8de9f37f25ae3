import { z } from 'zod';
import { opaqueId, opaqueIds } from '../transport/opaque.js';
import type { AuthenticatorTransport, NewAuthenticator } from '../port/upstream-provider.js';

/** The form of `otpId` is not documented: the example has a prefix, and a recorded answer has a UUID. */
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

/** Each request contains passkeys, so an answer without ids cannot be complete. */
export const createAuthenticatorsAnswer = z.object({ authenticatorIds: opaqueIds.min(1) });

/** With a read-only key, each step would fail. */
export const whoamiAnswer = z.object({ capabilities: z.object({ canWrite: z.boolean() }) });

/** Four digits for the year, because JavaScript also accepts years that PostgreSQL does not. */
const INSTANT = /^\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(z|[+-]\d{2}:?\d{2})?$/i;

/** A time without a zone is in UTC. */
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
