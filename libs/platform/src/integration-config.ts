import { z } from 'zod';
import { PLAIN_IN_PRODUCTION, isPlain, origin, parse, setting, type Faults } from './config-values.js';
import { suggestion } from './similar-names.js';
import { keyEnvironment, readKeys, type KeySource } from './key-config.js';
import { passkeyEnvironment, passkeyPolicyOf, type PasskeyPolicy } from './passkey-policy.js';

export interface IntegrationConfig {
  /** The name in `INTEGRATIONS`. */
  name: string;
  provider: string;
  /** Scheme, host and port. */
  baseUrl: string;
  passkeys: PasskeyPolicy;
  /** The first key signs. There are two keys during a rotation, and no keys if the service does not sign. */
  keys: readonly KeySource[];
}

/** The settings that a kind of provider adds to the common ones. */
export interface ProviderSettings {
  kind: string;
  /** Whether the service signs requests with a key of its own. */
  signs: boolean;
  /** The member `appName` is the variable `INTEGRATION_<NAME>_APP_NAME`. */
  settings: z.ZodObject;
}

function commonEnvironment(providers: readonly ProviderSettings[]) {
  const kinds = providers.map(({ kind }) => kind);
  return z.object({
    PROVIDER: setting(
      'The kind of provider.',
      z.enum(kinds, {
        error: `is missing or names a provider that does not exist (there are: ${kinds.join(', ')})`,
      }),
      { example: 'byzantine' },
    ),
    BASE_URL: setting('The provider’s API.', origin('it'), {
      values: 'scheme, host and port; in production `https://…`, or `http://` to localhost',
      example: 'https://api.example.com',
    }),
    ...passkeyEnvironment,
  });
}

const prefixOf = (name: string) => `INTEGRATION_${name.toUpperCase().replaceAll('-', '_')}_`;

const variableOf = (setting: string) =>
  setting.replaceAll(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase();

/** Without the prefix `INTEGRATION_<NAME>_`. */
export const variablesOf = (providers: readonly ProviderSettings[]): [string, z.ZodType][] =>
  Object.entries({ ...commonEnvironment(providers).shape, ...keyEnvironment });

/** Without the prefix `INTEGRATION_<NAME>_`. */
export const settingsOf = ({ settings }: ProviderSettings): [string, z.ZodType][] =>
  Object.entries(settings.shape).map(([name, schema]) => [variableOf(name), schema as z.ZodType]);

/** @returns null if any variable is wrong. */
export function parseIntegration(
  name: string,
  env: Record<string, string | undefined>,
  providers: readonly ProviderSettings[],
  faults: Faults,
): IntegrationConfig | null {
  const prefix = prefixOf(name);
  const common = parse(commonEnvironment(providers), env, prefix, faults);
  if (!common) return null;
  const { kind, signs, settings } = providers.find((each) => each.kind === common.PROVIDER)!;
  const passkeys = passkeyPolicyOf(common, prefix, faults);
  const keys = signs ? readKeys(env, prefix, faults) : [];
  const own = parse(settings, env, prefix, faults, variableOf);
  return keys && own && { ...own, name, provider: kind, baseUrl: common.BASE_URL, passkeys, keys };
}

/**
 * Finds variables under `INTEGRATION_` that belong to no integration. An integration need not be in
 * `INTEGRATIONS`, because an operator may want to use it later.
 */
export function unknownVariables(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  providers: readonly ProviderSettings[],
): Faults {
  const configured = new Set(names.map(prefixOf));
  // The longest prefix counts: INTEGRATION_ACME_EU_… belongs to acme-eu, even if only acme is in use.
  const prefixes = Object.keys(env)
    .flatMap((variable) => /^(INTEGRATION_.+_)PROVIDER$/.exec(variable)?.[1] ?? [])
    .sort((a, b) => b.length - a.length);
  const common = Object.keys(commonEnvironment(providers).shape);
  const all = names.flatMap((name) => {
    const provider = providers.find(({ kind }) => kind === env[`${prefixOf(name)}PROVIDER`]);
    return [...common, ...(provider ? ownVariables(provider) : [])].map((each) => prefixOf(name) + each);
  });
  return Object.keys(env).flatMap((variable): Faults => {
    if (!env[variable] || !variable.startsWith('INTEGRATION_')) return [];
    const prefix = prefixes.find((each) => variable.startsWith(each));
    if (prefix && !configured.has(prefix)) return [];
    const provider = providers.find(({ kind }) => kind === env[`${prefix}PROVIDER`]);
    if (prefix && provider) {
      const known = [...common, ...ownVariables(provider)];
      if (known.includes(variable.slice(prefix.length))) return [];
    } else if (prefix ?? [...configured].some((each) => variable.startsWith(each))) {
      // Another check has reported that the provider is missing or unknown.
      return [];
    }
    const fault = provider
      ? `not a setting of an integration at ${provider.kind}`
      : 'not a variable of an integration in INTEGRATIONS';
    return [{ variable, detail: `is ${fault}${suggestion(variable, all)}` }];
  });
}

const ownVariables = ({ signs, settings }: ProviderSettings): string[] => [
  ...(signs ? Object.keys(keyEnvironment) : []),
  ...Object.keys(settings.shape).map(variableOf),
];

/** Requests to a provider contain codes, sessions and signatures, so only URLs of localhost may lack TLS. */
export function plainUrls(integration: IntegrationConfig): Faults {
  const remote = integration.keys.find((key) => 'kms' in key);
  // All settings that are URLs are checked, so that providers need not list their URLs.
  return Object.entries({ ...integration, kmsEndpoint: remote?.kms.endpoint })
    .filter(([, value]) => typeof value === 'string' && isPlain(value))
    .map(([setting]) => ({
      variable: prefixOf(integration.name) + variableOf(setting),
      detail: PLAIN_IN_PRODUCTION,
    }));
}
