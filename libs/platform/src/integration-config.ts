import { z } from 'zod';
import { count, origin, parse, type Faults } from './config-values.js';
import { keyEnvironment, readKeys, type KeyConfig } from './key-config.js';
import { passkeyEnvironment, passkeyPolicyOf, type PasskeyPolicy } from './passkey-policy.js';

/** What every integration has. */
interface CommonConfig {
  /** As in `INTEGRATIONS`, e.g. `byzantine`. */
  name: string;
  /** Scheme, host and port. */
  baseUrl: string;
  passkeys: PasskeyPolicy;
}

interface TurnkeyConfig {
  /** Who holds the key of a user's session. */
  custody: 'server' | 'client';
  /** The parent organization's. */
  organizationId: string;
  /** Hex; Turnkey's production keys where left out. */
  signerPublicKey?: string;
  notarizerPublicKey?: string;
}

export type ByzantineConfig = CommonConfig & KeyConfig & { provider: 'byzantine' };

export type TurnkeyApiConfig = CommonConfig &
  KeyConfig &
  TurnkeyConfig & {
    provider: 'turnkey';
    /** In the mails that Turnkey sends. */
    appName: string;
    initOtp: 'V3' | 'V1';
    /** What a start's `otp` is laid over. */
    otpDefaults: Record<string, unknown>;
    sessionLifeS: number;
  };

export type AuthProxyConfig = CommonConfig &
  TurnkeyConfig & {
    provider: 'turnkey-auth-proxy';
    /** Scheme, host and port. */
    authProxyUrl: string;
    authProxyConfigId: string;
    otpDefaults: Record<string, unknown>;
  };

export type IntegrationConfig = ByzantineConfig | TurnkeyApiConfig | AuthProxyConfig;

const PROVIDERS = ['byzantine', 'turnkey', 'turnkey-auth-proxy'] as const;

/** What every integration needs. */
const commonEnvironment = {
  PROVIDER: z.enum(PROVIDERS, {
    error: `is missing or names a provider that does not exist (there are: ${PROVIDERS.join(', ')})`,
  }),
  BASE_URL: origin('it'),
  ...passkeyEnvironment,
};
const publicKeyHex = z
  .string()
  .regex(/^(0[23][0-9a-fA-F]{64}|04[0-9a-fA-F]{128})$/, 'is not a P-256 public key in hex');
/** What both doors of Turnkey need. */
const turnkeyEnvironment = {
  CUSTODY: z.enum(['server', 'client'], { error: 'is neither server nor client' }).default('server'),
  ORGANIZATION_ID: z.guid({ error: 'is missing or not a UUID' }),
  SIGNER_PUBLIC_KEY: publicKeyHex.optional(),
  NOTARIZER_PUBLIC_KEY: publicKeyHex.optional(),
};
const text = (max: number) =>
  z.string({ error: 'is missing' }).min(1, 'is empty').max(max, `is longer than ${max}`);

const INTEGRATION_ENVIRONMENTS = {
  byzantine: z.object({ ...commonEnvironment, ...keyEnvironment }),
  turnkey: z.object({
    ...commonEnvironment,
    ...keyEnvironment,
    ...turnkeyEnvironment,
    APP_NAME: text(64),
    /** The activity that sends a code: V3 gives a bundle to encrypt it to, V1 is the older one. */
    INIT_OTP: z.enum(['V3', 'V1'], { error: 'is neither V3 nor V1' }).default('V3'),
    OTP_DEFAULTS: json().default({}),
    SESSION_LIFE_S: count(900, 60, 86_400),
  }),
  'turnkey-auth-proxy': z.object({
    ...commonEnvironment,
    ...turnkeyEnvironment,
    AUTH_PROXY_URL: origin('it'),
    AUTH_PROXY_CONFIG_ID: text(128),
    OTP_DEFAULTS: json().default({}),
  }),
} as const;

/** A JSON object. */
function json() {
  return z.string().transform((value, context): Record<string, unknown> => {
    try {
      const parsed: unknown = JSON.parse(value);
      if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
        return parsed as Record<string, unknown>;
      }
    } catch {
      // said below
    }
    context.addIssue({ code: 'custom', message: 'is not a JSON object' });
    return z.NEVER;
  });
}

const prefixOf = (name: string) => `INTEGRATION_${name.toUpperCase().replaceAll('-', '_')}_`;

/** Reads one integration's variables. @returns null where anything is wrong with them. */
export function parseIntegration(
  name: string,
  env: Record<string, string | undefined>,
  faults: Faults,
): IntegrationConfig | null {
  const prefix = prefixOf(name);
  const common = parse(z.object(commonEnvironment), env, prefix, faults);
  if (!common) return null;
  const shared = {
    name,
    baseUrl: common.BASE_URL,
    passkeys: passkeyPolicyOf(common, prefix, faults),
  };
  switch (common.PROVIDER) {
    case 'byzantine': {
      const own = parse(INTEGRATION_ENVIRONMENTS.byzantine, env, prefix, faults);
      const key = own && readKeys(own, prefix, faults);
      return key && { ...shared, provider: 'byzantine', ...key };
    }
    case 'turnkey': {
      const own = parse(INTEGRATION_ENVIRONMENTS.turnkey, env, prefix, faults);
      const key = own && readKeys(own, prefix, faults);
      if (!own || !key) return null;
      if (own.CUSTODY === 'client' && own.INIT_OTP === 'V1') {
        const detail = 'is V1, which has nothing to encrypt a code to: client custody needs V3';
        faults.push({ variable: `${prefix}INIT_OTP`, detail });
      }
      return {
        ...shared,
        provider: 'turnkey',
        ...key,
        ...turnkeyOf(own),
        appName: own.APP_NAME,
        initOtp: own.INIT_OTP,
        otpDefaults: own.OTP_DEFAULTS,
        sessionLifeS: own.SESSION_LIFE_S,
      };
    }
    case 'turnkey-auth-proxy': {
      const own = parse(INTEGRATION_ENVIRONMENTS['turnkey-auth-proxy'], env, prefix, faults);
      return (
        own && {
          ...shared,
          provider: 'turnkey-auth-proxy',
          ...turnkeyOf(own),
          authProxyUrl: own.AUTH_PROXY_URL,
          authProxyConfigId: own.AUTH_PROXY_CONFIG_ID,
          otpDefaults: own.OTP_DEFAULTS,
        }
      );
    }
  }
}

/**
 * What is set for an integration and read by nobody: a list of models whose name is misspelt is no list.
 *
 * @param names of all integrations.
 */
export function unknownVariables(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Faults {
  const configured = new Set(names.map(prefixOf));
  // The longest first: INTEGRATION_TURNKEY_EU_… is none of an integration turnkey's, whether that other one is used or not.
  const prefixes = Object.keys(env)
    .flatMap((variable) => /^(INTEGRATION_.+_)PROVIDER$/.exec(variable)?.[1] ?? [])
    .sort((a, b) => b.length - a.length);
  return Object.keys(env).flatMap((variable): Faults => {
    const prefix = env[variable] ? prefixes.find((each) => variable.startsWith(each)) : undefined;
    if (!prefix || !configured.has(prefix)) return [];
    const provider = PROVIDERS.find((each) => each === env[`${prefix}PROVIDER`]);
    // Without a provider that is told already.
    if (!provider || variable.slice(prefix.length) in INTEGRATION_ENVIRONMENTS[provider].shape) return [];
    return [{ variable, detail: `is no setting of an integration at ${provider}` }];
  });
}

function turnkeyOf(own: z.output<z.ZodObject<typeof turnkeyEnvironment>>): TurnkeyConfig {
  return {
    custody: own.CUSTODY,
    organizationId: own.ORGANIZATION_ID.toLowerCase(),
    ...(own.SIGNER_PUBLIC_KEY && { signerPublicKey: own.SIGNER_PUBLIC_KEY }),
    ...(own.NOTARIZER_PUBLIC_KEY && { notarizerPublicKey: own.NOTARIZER_PUBLIC_KEY }),
  };
}

/**
 * What goes to an upstream are codes, sessions and signatures: none of them may cross a network in the clear. To the
 * machine itself is no network.
 */
export function plainUrls(integration: IntegrationConfig): Faults {
  const urls: [string, string | undefined][] = [['BASE_URL', integration.baseUrl]];
  if (integration.provider === 'turnkey-auth-proxy') urls.push(['AUTH_PROXY_URL', integration.authProxyUrl]);
  else {
    const remote = integration.keys.find((key) => 'kms' in key);
    urls.push(['KMS_ENDPOINT', remote?.kms.endpoint]);
  }
  return urls
    .filter(([, value]) => value !== undefined && isPlain(new URL(value)))
    .map(([variable]) => ({
      variable: `${prefixOf(integration.name)}${variable}`,
      detail: 'is http:// where NODE_ENV is production: give https://, or an address of this machine itself',
    }));
}

const isPlain = ({ protocol, hostname: host }: URL): boolean =>
  protocol === 'http:' && !(host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host));
