import { z } from 'zod';

/** Byzantine accepts UUIDs of any version. Ids are compared in lower case. */
export const uuid = z.guid().transform((id) => id.toLowerCase());

const transport = z.enum([
  'AUTHENTICATOR_TRANSPORT_BLE',
  'AUTHENTICATOR_TRANSPORT_INTERNAL',
  'AUTHENTICATOR_TRANSPORT_NFC',
  'AUTHENTICATOR_TRANSPORT_USB',
  'AUTHENTICATOR_TRANSPORT_HYBRID',
  'Unknown',
]);

export const initOtpRequest = z.object({ accountId: uuid, userId: uuid });

export const otpAuthRequest = z.object({
  accountId: uuid,
  userId: uuid,
  otpId: z.string(),
  otpCode: z.string(),
});

const authenticator = z.object({
  authenticatorName: z.string(),
  challenge: z.string(),
  attestation: z.object({
    credentialId: z.string(),
    clientDataJson: z.string(),
    attestationObject: z.string(),
    transports: z.array(transport),
  }),
});

export const createAuthenticatorsRequest = z.object({
  sessionId: uuid,
  accountId: uuid,
  userId: uuid,
  authenticators: z.array(authenticator),
});

export type InitOtpRequest = z.output<typeof initOtpRequest>;
export type OtpAuthRequest = z.output<typeof otpAuthRequest>;
export type CreateAuthenticatorsRequest = z.output<typeof createAuthenticatorsRequest>;
