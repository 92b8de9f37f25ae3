import { z } from 'zod';
import { compressedKey, seconds } from './otp.dto.js';

const transports = z.array(
  z.enum([
    'AUTHENTICATOR_TRANSPORT_BLE',
    'AUTHENTICATOR_TRANSPORT_INTERNAL',
    'AUTHENTICATOR_TRANSPORT_NFC',
    'AUTHENTICATOR_TRANSPORT_USB',
    'AUTHENTICATOR_TRANSPORT_HYBRID',
  ]),
);

export const authenticator = z.strictObject({
  authenticatorName: z.string(),
  challenge: z.string(),
  attestation: z.strictObject({
    credentialId: z.string(),
    clientDataJson: z.string(),
    attestationObject: z.string(),
    transports,
  }),
});

/** Version 1 of the activity: a browser's `PublicKeyCredential`, with the user's id. */
const authenticatorFirst = z.strictObject({
  authenticatorName: z.string(),
  userId: z.string(),
  challenge: z.string(),
  attestation: z.strictObject({
    id: z.string(),
    type: z.literal('public-key'),
    rawId: z.string(),
    authenticatorAttachment: z.enum(['cross-platform', 'platform']).nullish(),
    response: z.strictObject({
      clientDataJson: z.string(),
      attestationObject: z.string(),
      transports: transports.default([]),
      authenticatorAttachment: z.enum(['cross-platform', 'platform']).nullish(),
    }),
    clientExtensionResults: z.record(z.string(), z.json()),
  }),
});

export const createAuthenticators = z.strictObject({
  userId: z.string(),
  authenticators: z.array(authenticator),
});
export const createAuthenticatorsFirst = z
  .strictObject({ userId: z.string(), authenticators: z.array(authenticatorFirst) })
  .transform(({ userId, authenticators }) => ({
    userId,
    authenticators: authenticators.map(({ authenticatorName, challenge, attestation }) => ({
      authenticatorName,
      challenge,
      attestation: {
        credentialId: attestation.rawId,
        clientDataJson: attestation.response.clientDataJson,
        attestationObject: attestation.response.attestationObject,
        transports: attestation.response.transports,
      },
    })),
  }));
export const deleteAuthenticators = z.strictObject({
  userId: z.string(),
  authenticatorIds: z.array(z.string()),
});

export const apiKey = z.strictObject({
  apiKeyName: z.string(),
  publicKey: z.string(),
  curveType: z.enum(['API_KEY_CURVE_P256', 'API_KEY_CURVE_SECP256K1', 'API_KEY_CURVE_ED25519']),
  expirationSeconds: seconds(Number.MAX_SAFE_INTEGER).optional(),
});

export const clientSignature = z.strictObject({
  publicKey: z.string(),
  scheme: z.string(),
  message: z.string(),
  signature: z.string(),
});

const sessionFields = {
  publicKey: compressedKey,
  expirationSeconds: seconds(Number.MAX_SAFE_INTEGER).default('900'),
  invalidateExisting: z.boolean().default(false),
  sessionProfileId: z.string().optional(),
};
export const otpLogin = z.strictObject({ ...sessionFields, verificationToken: z.string(), clientSignature });
export const otpLoginFirst = z.strictObject({
  ...sessionFields,
  verificationToken: z.string(),
  clientSignature: clientSignature.optional(),
});
export const stampLogin = z.strictObject(sessionFields);

export type AuthenticatorInput = z.output<typeof authenticator>;
export type ApiKeyInput = z.output<typeof apiKey>;
