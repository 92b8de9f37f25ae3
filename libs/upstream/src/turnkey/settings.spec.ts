import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '#libs/platform';
import { testConfig } from '#libs/testing';
import { PROVIDERS } from '../providers.js';

const PREFIX = 'INTEGRATION_ACME_';
const prefixed = (own: Record<string, string>) =>
  Object.fromEntries(Object.entries(own).map(([name, value]) => [PREFIX + name, value]));

const common = {
  BASE_URL: 'http://127.0.0.1:1',
  RP_ID: 'app.example.com',
  RP_NAME: 'Acme',
  ORIGINS: 'https://app.example.com',
  ORGANIZATION_ID: '1111AAAA-2222-4333-8444-555555555555',
};
const api = { ...common, PROVIDER: 'turnkey', PRIVATE_KEY: '02'.repeat(32), APP_NAME: 'Acme' };
const proxy = {
  ...common,
  PROVIDER: 'turnkey-auth-proxy',
  AUTH_PROXY_URL: 'http://127.0.0.1:1/',
  AUTH_PROXY_CONFIG_ID: 'config-1',
};

const parse = (own: Record<string, string>) => testConfig({ INTEGRATIONS: 'acme', ...prefixed(own) });

/** The error for each variable, by its name without the prefix. */
function faultsOf(own: Record<string, string>): Record<string, string> {
  try {
    parse(own);
    return {};
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return Object.fromEntries(
      error.faults.map(({ variable, detail }) => [variable.replace(PREFIX, ''), detail]),
    );
  }
}

const ofBoth: [string, string, string][] = [
  ['CUSTODY', 'both', 'is neither server nor client'],
  ['ORGANIZATION_ID', '', 'is missing or not a UUID'],
  ['ORGANIZATION_ID', 'acme', 'is missing or not a UUID'],
  ['SIGNER_PUBLIC_KEY', `05${'00'.repeat(32)}`, 'is not a P-256 public key in hex'],
  ['NOTARIZER_PUBLIC_KEY', '02', 'is not a P-256 public key in hex'],
  ['OTP_DEFAULTS', '[]', 'is not a JSON object'],
  ['OTP_DEFAULTS', 'null', 'is not a JSON object'],
  ['OTP_DEFAULTS', '{', 'is not a JSON object'],
  ['AAGUID_ALOW', 'x', 'is not a setting of an integration at $kind'],
];

describe('the settings of turnkey', () => {
  it('have defaults', () => {
    expect(parse(api).INTEGRATIONS).toMatchObject([
      {
        name: 'acme',
        provider: 'turnkey',
        keys: [{ source: `${PREFIX}PRIVATE_KEY` }],
        custody: 'server',
        organizationId: '1111aaaa-2222-4333-8444-555555555555',
        appName: 'Acme',
        initOtp: 'V3',
        otpDefaults: {},
        sessionLifeS: 900,
      },
    ]);
  });

  it.each<[string, string, string]>([
    ...ofBoth,
    ['APP_NAME', '', 'is missing'],
    ['APP_NAME', 'x'.repeat(65), 'is longer than 64'],
    ['INIT_OTP', 'V2', 'is neither V3 nor V1'],
    ['SESSION_LIFE_S', '59', 'is less than 1m'],
    ['SESSION_LIFE_S', '86401', 'is more than 1d'],
    ['PRIVATE_KEY', '', `is missing: set it, or ${PREFIX}PRIVATE_KEY_FILE, or ${PREFIX}KMS_KEY_ID`],
    ['AUTH_PROXY_URL', 'http://127.0.0.1:1', 'is not a setting of an integration at $kind'],
  ])('refuse %s=%s, and name the variable', (variable, value, detail) => {
    expect(faultsOf({ ...api, [variable]: value })).toEqual({
      [variable]: expect.stringContaining(detail.replace('$kind', 'turnkey')),
    });
  });

  it('refuse V1 if the device holds the session’s key, because V1 returns no key to encrypt a code', () => {
    expect(faultsOf({ ...api, CUSTODY: 'client', INIT_OTP: 'V1' })).toEqual({
      INIT_OTP: 'is V1, but client custody needs V3: only V3 returns a key to encrypt the code',
    });
    expect(faultsOf({ ...api, INIT_OTP: 'V1' })).toEqual({});
  });
});

describe('the settings of turnkey-auth-proxy', () => {
  it('have defaults, and contain no key', () => {
    expect(parse(proxy).INTEGRATIONS).toMatchObject([
      {
        provider: 'turnkey-auth-proxy',
        custody: 'server',
        organizationId: '1111aaaa-2222-4333-8444-555555555555',
        authProxyUrl: 'http://127.0.0.1:1',
        authProxyConfigId: 'config-1',
        otpDefaults: {},
      },
    ]);
  });

  it.each<[string, string, string]>([
    ...ofBoth,
    ['AUTH_PROXY_URL', '', 'is missing'],
    ['AUTH_PROXY_URL', 'ftp://x', 'is not a URL that starts with http:// or https://'],
    [
      'AUTH_PROXY_URL',
      'https://x/v1',
      'it has more than scheme, host and port: each provider knows its own paths',
    ],
    ['AUTH_PROXY_CONFIG_ID', '', 'is missing'],
    ['AUTH_PROXY_CONFIG_ID', 'x'.repeat(129), 'is longer than 128'],
    ['PRIVATE_KEY', '02'.repeat(32), 'is not a setting of an integration at $kind'],
    ['APP_NAME', 'Acme', 'is not a setting of an integration at $kind'],
  ])('refuse %s=%s, and name the variable', (variable, value, detail) => {
    const told = detail.replace('$kind', 'turnkey-auth-proxy');
    expect(faultsOf({ ...proxy, [variable]: value })).toEqual({ [variable]: expect.stringContaining(told) });
  });
});

describe('the configuration', () => {
  it('refuses an unknown provider, and lists the known providers', () => {
    expect(faultsOf({ ...api, PROVIDER: 'of-the-past' })).toEqual({
      PROVIDER:
        'is missing or names a provider that does not exist ' +
        `(there are: ${PROVIDERS.map(({ kind }) => kind).join(', ')})`,
    });
  });
});
