import { z } from 'zod';
import { durationS, origin, setting, type IntegrationConfig } from '#libs/platform';

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
    // The text is not JSON.
  }
  context.addIssue({ code: 'custom', message: 'is not a JSON object' });
  return z.NEVER;
});

const common = {
  custody: setting(
    'Who holds the key of a user’s session: the service, or the user’s device.',
    z.enum(['server', 'client'], { error: 'is neither server nor client' }).default('server'),
    { example: 'client' },
  ),
  organizationId: setting(
    'The parent organization.',
    z.guid({ error: 'is missing or not a UUID' }).transform((id) => id.toLowerCase()),
    { values: 'a UUID', example: '0f8fad5b-d9cb-469f-a165-70867728950e' },
  ),
  signerPublicKey: setting(
    'The public key that verifies the enclave’s signature on the key that codes are encrypted to. ' +
      'If it is unset, Gangway uses the key of Turnkey’s production.',
    publicKeyHex.optional(),
    { values: 'a P-256 public key in hex', example: '04…' },
  ),
  notarizerPublicKey: setting(
    'The public key that verifies the enclave’s signature on sessions. ' +
      'If it is unset, Gangway uses the key of Turnkey’s production.',
    publicKeyHex.optional(),
    { values: 'a P-256 public key in hex', example: '04…' },
  ),
  otpDefaults: setting(
    'Default options of codes. The `otp` of a request overrides them.',
    jsonObject.default({}),
    {
      values: 'a JSON object',
      example: '{"otpLength":8}',
    },
  ),
};

export const turnkeySettings = z
  .object({
    ...common,
    appName: setting('The name of the app in Turnkey’s mails.', text(64), {
      values: '1 to 64 characters',
      example: 'Example Wallet',
    }),
    initOtp: setting(
      'The activity that sends a code. `V1` is older: it protects codes by TLS alone.',
      z.enum(['V3', 'V1'], { error: 'is neither V3 nor V1' }).default('V3'),
      { example: 'V1' },
    ),
    sessionLifeS: setting('The life of a session.', durationS(900, 86_400, 60)),
  })
  .refine(({ custody, initOtp }) => custody !== 'client' || initOtp !== 'V1', {
    path: ['initOtp'],
    error: 'is V1, but client custody needs V3: only V3 returns a key to encrypt the code',
  });

export const authProxySettings = z.object({
  ...common,
  authProxyUrl: setting(
    'The address of the Auth Proxy. `BASE_URL` is that of the public API.',
    origin('it'),
    {
      values: 'scheme, host and port',
      example: 'https://authproxy.turnkey.com',
    },
  ),
  authProxyConfigId: setting(
    'The id of the Auth Proxy’s configuration, from Turnkey’s dashboard.',
    text(128),
    {
      values: '1 to 128 characters',
      example: '0f8fad5b-d9cb-469f-a165-70867728950e',
    },
  ),
});

type Common = Pick<IntegrationConfig, 'name' | 'baseUrl'>;

export type TurnkeyIntegration = Common & z.output<typeof turnkeySettings>;
export type AuthProxyIntegration = Common & z.output<typeof authProxySettings>;
