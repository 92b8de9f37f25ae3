import { z } from 'zod';
import { count, origin, type IntegrationConfig } from '#libs/platform';

const publicKeyHex = z
  .string()
  .regex(/^(0[23][0-9a-fA-F]{64}|04[0-9a-fA-F]{128})$/, 'is not a P-256 public key in hex');

const text = (max: number) =>
  z.string({ error: 'is missing' }).min(1, 'is empty').max(max, `is longer than ${max}`);

const jsonObject = z.string().transform((value, context): Record<string, unknown> => {
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return parsed as Record<string, unknown>;
    }
  } catch {
    // Reported below.
  }
  context.addIssue({ code: 'custom', message: 'is not a JSON object' });
  return z.NEVER;
});

/** Settings that both ways to Turnkey need. */
const common = {
  /** Who holds the key of a user's session. */
  custody: z.enum(['server', 'client'], { error: 'is neither server nor client' }).default('server'),
  /** The id of the parent organization. */
  organizationId: z.guid({ error: 'is missing or not a UUID' }).transform((id) => id.toLowerCase()),
  /** Turnkey's production keys if left out. */
  signerPublicKey: publicKeyHex.optional(),
  notarizerPublicKey: publicKeyHex.optional(),
  /** The defaults for a start's `otp`. */
  otpDefaults: jsonObject.default({}),
};

export const turnkeySettings = z
  .object({
    ...common,
    /** Turnkey writes it in its mails. */
    appName: text(64),
    /** The activity that sends a code. V3 gives a bundle to encrypt the code to, V1 is the older one. */
    initOtp: z.enum(['V3', 'V1'], { error: 'is neither V3 nor V1' }).default('V3'),
    sessionLifeS: count(900, 60, 86_400),
  })
  .refine(({ custody, initOtp }) => custody !== 'client' || initOtp !== 'V1', {
    path: ['initOtp'],
    error: 'is V1, which has nothing to encrypt a code to: client custody needs V3',
  });

export const authProxySettings = z.object({
  ...common,
  authProxyUrl: origin('it'),
  authProxyConfigId: text(128),
});

type Common = Pick<IntegrationConfig, 'name' | 'baseUrl'>;

/** The settings that a provider gets. */
export type TurnkeyIntegration = Common & z.output<typeof turnkeySettings>;
export type AuthProxyIntegration = Common & z.output<typeof authProxySettings>;
