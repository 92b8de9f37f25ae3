import { z } from 'zod';

export const seconds = (max: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,9}$/, 'whole seconds, as text')
    .refine((text) => Number(text) <= max, `at most ${max} seconds`);
export const compressedKey = z.string().regex(/^0[23][0-9a-f]{64}$/, 'a compressed P-256 key in hex');

const phone = z.string().regex(/^\+[1-9]\d{6,14}$/, 'a phone number in E.164');
/** Checks as browsers do, because Zod's own pattern refuses addresses that RFC 5321 allows. */
export const emailAddress = z.email({ pattern: z.regexes.html5Email });

const customization = z.strictObject({
  logoUrl: z.url().optional(),
  magicLinkTemplate: z.string().includes('%s').optional(),
  templateVariables: z.string().refine(isJsonObject, 'a JSON object as text').optional(),
  templateId: z.string().optional(),
});

const initOtpFields = {
  otpType: z.enum(['OTP_TYPE_EMAIL', 'OTP_TYPE_SMS']),
  contact: z.string(),
  otpLength: z.int().min(6).max(9).default(9),
  alphanumeric: z.boolean().default(true),
  expirationSeconds: seconds(600).default('300'),
  userIdentifier: z.string().min(1).optional(),
  smsCustomization: z.strictObject({ template: z.string().includes('{{.OtpCode}}').optional() }).optional(),
  sendFromEmailAddress: emailAddress.optional(),
  sendFromEmailSenderName: z.string().optional(),
  replyToEmailAddress: emailAddress.optional(),
};

/** INIT_OTP, in which the application's name is a member of `emailCustomization`. */
export const initOtpFirst = z
  .strictObject({
    ...initOtpFields,
    emailCustomization: customization.extend({ appName: z.string().min(1).optional() }).optional(),
  })
  .superRefine(contactOfType);
/** INIT_OTP_V2 and INIT_OTP_V3. */
export const initOtp = z
  .strictObject({
    ...initOtpFields,
    appName: z.string().min(1),
    emailCustomization: customization.optional(),
  })
  .superRefine(contactOfType);

const MAX_TOKEN_S = 86_400;
export const verifyOtpPlain = z.strictObject({
  otpId: z.string(),
  otpCode: z.string(),
  expirationSeconds: seconds(MAX_TOKEN_S).default('3600'),
  publicKey: compressedKey.optional(),
});
export const verifyOtp = z.strictObject({
  otpId: z.string(),
  encryptedOtpBundle: z.string(),
  expirationSeconds: seconds(MAX_TOKEN_S).default('3600'),
});

export type InitOtp = z.output<typeof initOtp> | z.output<typeof initOtpFirst>;

export function contactOfType(
  value: { otpType: 'OTP_TYPE_EMAIL' | 'OTP_TYPE_SMS'; contact: string },
  context: z.RefinementCtx,
): void {
  const result = (value.otpType === 'OTP_TYPE_EMAIL' ? emailAddress : phone).safeParse(value.contact);
  const [issue] = result.error?.issues ?? [];
  if (issue?.code === 'invalid_format' && issue.format === 'email') {
    context.addIssue({ code: 'invalid_format', format: 'email', path: ['contact'] });
  } else if (issue) {
    context.addIssue({ code: 'custom', path: ['contact'], message: issue.message });
  }
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
