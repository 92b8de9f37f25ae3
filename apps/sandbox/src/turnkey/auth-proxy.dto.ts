import { z } from 'zod';
import { clientSignature } from './credential.dto.js';
import { compressedKey, contactOfType } from './otp.dto.js';
import { SUB_ORGANIZATION_FILTERS } from './sub-organization-filters.js';

export { signUp } from './sign-up.dto.js';

/** The proxy's configuration sets the length, charset and lifetime of codes. */
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
  filterType: z.enum(SUB_ORGANIZATION_FILTERS),
  filterValue: z.string(),
  verificationToken: z.string().optional(),
  oidcToken: z.string().optional(),
});
export const nothing = z.strictObject({});
