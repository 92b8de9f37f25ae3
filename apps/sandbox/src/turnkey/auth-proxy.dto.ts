import { z } from 'zod';
import { clientSignature } from './credential.dto.js';
import { compressedKey, contactOfType } from './otp.dto.js';

export { signUp } from './sign-up.dto.js';

/** Length, charset and lives are the configuration's, and none of the caller's. */
export const proxyInit = z
  .strictObject({
    otpType: z.enum(['OTP_TYPE_EMAIL', 'OTP_TYPE_SMS']),
    contact: z.string(),
    emailCustomization: z.strictObject({ templateId: z.string().optional() }).optional(),
  })
  .superRefine(contactOfType);
export const proxyVerifyPlain = z.strictObject({
  otpId: z.string(),
  otpCode: z.string(),
  publicKey: compressedKey.optional(),
});
export const proxyVerify = z.strictObject({ otpId: z.string(), encryptedOtpBundle: z.string() });

const loginFields = {
  verificationToken: z.string(),
  publicKey: compressedKey,
  invalidateExisting: z.boolean().default(false),
  organizationId: z.string().optional(),
};
export const proxyLogin = z.strictObject({ ...loginFields, clientSignature });
export const proxyLoginPlain = z.strictObject({
  ...loginFields,
  clientSignature: clientSignature.optional(),
});

export const account = z.strictObject({
  filterType: z.enum([
    'CREDENTIAL_ID',
    'NAME',
    'USERNAME',
    'EMAIL',
    'PHONE_NUMBER',
    'OIDC_TOKEN',
    'PUBLIC_KEY',
  ]),
  filterValue: z.string(),
  verificationToken: z.string().optional(),
  oidcToken: z.string().optional(),
});
export const walletKitConfig = z.strictObject({});
