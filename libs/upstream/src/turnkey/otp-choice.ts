import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { memberErrors, rule } from '#libs/platform';
import type { OtpChoice } from '../port/upstream-provider.js';
import { emailSchema } from './contact.js';

/** Turnkey's limit (public API, init OTP). */
const CODE_LIFE_MAX_S = 600;
/** A code with a shorter lifetime would expire before the user has typed it. */
const CODE_LIFE_MIN_S = 30;
export const CODE_LIFE_DEFAULT_S = 300;
const LIFE_FAULT = `is not between ${CODE_LIFE_MIN_S} and ${CODE_LIFE_MAX_S} seconds`;

const text = (max: number) => z.string().min(1, 'is empty').max(max, `is longer than ${max}`);

const initOtpMembers = {
  otpType: z.enum(['OTP_TYPE_EMAIL', 'OTP_TYPE_SMS'], 'is neither OTP_TYPE_EMAIL nor OTP_TYPE_SMS'),
  otpLength: z.int('is not a whole number').min(6, 'is less than 6').max(9, 'is more than 9'),
  alphanumeric: z.boolean('is neither true nor false'),
  /** Turnkey requires a text. */
  expirationSeconds: z
    .union([z.int(), z.string().regex(/^[1-9]\d{0,3}$/)], 'is not a whole number of seconds')
    .transform(String)
    .refine((value) => Number(value) >= CODE_LIFE_MIN_S, rule('too_small', LIFE_FAULT))
    .refine((value) => Number(value) <= CODE_LIFE_MAX_S, rule('too_big', LIFE_FAULT))
    .meta({ description: 'The life of the code in seconds, 30 to 600, as a number or as text.' }),
  userIdentifier: text(256),
  emailCustomization: z
    .strictObject({
      logoUrl: z.url({ protocol: /^https?$/, error: 'is not a URL' }).max(2_000),
      magicLinkTemplate: text(2_000).includes('%s', 'lacks %s, where the code goes'),
      templateVariables: text(4_000).refine(
        isJsonObject,
        rule('invalid_json', 'is not a JSON object as text'),
      ),
      templateId: text(256),
    })
    .partial(),
  smsCustomization: z.strictObject({
    template: text(1_000).includes('{{.OtpCode}}', 'lacks {{.OtpCode}}, where the code goes'),
  }),
  sendFromEmailAddress: emailSchema,
  sendFromEmailSenderName: text(256),
  replyToEmailAddress: emailSchema,
};

export const initOtpChoice = z
  .strictObject(initOtpMembers)
  .partial()
  .meta({ id: 'TurnkeyOtpOptions', description: 'At Turnkey’s public API.' });
export type InitOtpChoice = z.output<typeof initOtpChoice>;

export const authProxyChoice = z
  .strictObject({
    emailCustomization: initOtpMembers.emailCustomization.pick({ templateId: true }).strict(),
    /** From the user's browser, and valid for one call. */
    captchaToken: text(4_096).regex(/^[\x21-\x7e]+$/, 'is not printable ASCII'),
    origin: z
      .string()
      .refine(
        (value) => URL.parse(value)?.origin === value,
        rule('invalid_format', 'is not a web origin such as https://app.example.com'),
      ),
  })
  .partial()
  .meta({ id: 'AuthProxyOtpOptions', description: 'At Turnkey’s Auth Proxy.' });
export type AuthProxyChoice = z.output<typeof authProxyChoice>;

/** @throws ProblemError `validation_failed` that points at the invalid member of the caller's `otp`. */
export const parseInitOtpChoice = (value: unknown) => parse(initOtpChoice, value, 'init_otp');

/**
 * Turnkey's dashboard sets all other options.
 *
 * @throws ProblemError `validation_failed`, see {@link parseInitOtpChoice}
 */
export const parseAuthProxyChoice = (value: unknown) => parse(authProxyChoice, value, 'the Auth Proxy');

export const parseAuthProxyDefaults = (value: unknown): AuthProxyChoice =>
  parse(authProxyChoice.omit({ captchaToken: true }).strict(), value, 'the Auth Proxy');

/** `otpType` depends on the contact, so it cannot have a default. */
export const parseInitOtpDefaults = (value: unknown): InitOtpChoice =>
  parse(initOtpChoice.omit({ otpType: true }).strict(), value, 'init_otp');

/** @throws Error that names the variable */
export function checkedDefaults<T>(name: string, parseChoice: (value: unknown) => T, defaults: object): T {
  try {
    return parseChoice(defaults);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const faults = (error.errors ?? []).map(
      ({ pointer, detail }) => `${pointer.replace('/otp/', '')} ${detail}`,
    );
    const variable = `INTEGRATION_${name.toUpperCase().replaceAll('-', '_')}_OTP_DEFAULTS`;
    throw new Error(`${variable}: ${faults.join('; ')}`, {
      cause: error,
    });
  }
}

/** Customizations are merged member by member. */
export function overlaid<T extends OtpChoice>(defaults: T, choice: T): T {
  const merged: Record<string, unknown> = { ...defaults };
  for (const [name, value] of Object.entries(choice)) {
    const below = merged[name];
    merged[name] = isObject(below) && isObject(value) ? { ...below, ...value } : value;
  }
  return merged as T;
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, taker: string): z.output<Schema> {
  const parsed = schema.safeParse(withoutNulls(value ?? {}));
  if (parsed.success && value !== null) return parsed.data;
  throw new ProblemError('validation_failed', {
    detail: `${taker} does not accept these settings for codes.`,
    errors: parsed.error
      ? memberErrors(parsed.error.issues, '/otp')
      : [{ pointer: '/otp', code: 'invalid_type', detail: 'is null' }],
  });
}

/** Many clients send null for absent members. */
function withoutNulls(value: unknown): unknown {
  if (!isObject(value) || Array.isArray(value)) return value;
  const given = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(given.map(([name, member]) => [name, withoutNulls(member)]));
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function isJsonObject(value: string): boolean {
  try {
    const parsed: unknown = JSON.parse(value);
    return isObject(parsed) && !Array.isArray(parsed);
  } catch {
    return false;
  }
}
