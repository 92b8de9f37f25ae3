import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { PROVIDERS } from '#libs/upstream';
import {
  ConfigError,
  consoleUrl,
  environment,
  parseConfig,
  parseConsoleConfig,
  parseMigrationUrl,
  parseStoreConfig,
} from './config.js';
import { pairsOf } from './signals/tracing-settings.js';

const parse = (env: Record<string, string | undefined>) => parseConfig(env, PROVIDERS);

const good = {
  DATABASE_URL: 'postgres://gangway@127.0.0.1:5432/gangway',
  REDIS_URL: 'redis://127.0.0.1:6379',
  API_KEY: 'a-key-of-16-chars',
  SEALING_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
  HASH_KEY: Buffer.alloc(32, 9).toString('base64'),
  OPS_PASSWORD: 'correct horse battery',
  INTEGRATIONS: 'byzantine',
  INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
  INTEGRATION_BYZANTINE_BASE_URL: 'http://127.0.0.1:4000/',
  INTEGRATION_BYZANTINE_PRIVATE_KEY: '01'.repeat(32),
  INTEGRATION_BYZANTINE_RP_ID: 'example.com',
  INTEGRATION_BYZANTINE_RP_NAME: 'Acme',
  INTEGRATION_BYZANTINE_ORIGINS: 'https://example.com,https://app.example.com',
};

function faultsOf(env: Record<string, string | undefined>): Record<string, string> {
  try {
    parse(env);
  } catch (error) {
    if (error instanceof ConfigError) {
      return Object.fromEntries(error.faults.map((fault) => [fault.variable, fault.detail]));
    }
    throw error;
  }
  return {};
}

it('the name of each variable for a duration ends with the unit', () => {
  const units = Object.entries(environment.shape).flatMap(([name, schema]) => {
    const { unit } = (schema.meta() ?? {}) as { unit?: string };
    return unit ? [{ name, ending: `_${unit.toUpperCase()}` }] : [];
  });
  expect(units.length).toBeGreaterThan(20);
  expect(units.filter(({ name, ending }) => !name.endsWith(ending))).toEqual([]);
});

describe('the variables of OpenTelemetry', () => {
  it('are read as OpenTelemetry defines them, and the headers are secret', () => {
    const config = parse({
      ...good,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20token-1,x-tenant=eu',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.01',
    });
    expect(config.OTEL_TRACES_SAMPLER_ARG).toBe(0.01);
    expect(JSON.stringify(config)).not.toContain('token-1');
    expect(pairsOf(config.OTEL_EXPORTER_OTLP_HEADERS!.reveal())).toEqual({
      authorization: 'Bearer token-1',
      'x-tenant': 'eu',
    });
  });

  it('that Gangway does not use are ignored', () => {
    const others = {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_TIMEOUT: '9',
      OTEL_SDK_DISABLED: 'true',
    };
    expect(faultsOf({ ...good, ...others })).toEqual({});
  });
});

describe('parseConfig', () => {
  it('accepts valid variables, fills in the defaults and freezes the result', () => {
    const config = parse(good);
    expect(config.PORT).toBe(3000);
    expect(config.INTEGRATIONS[0]).toMatchObject({
      name: 'byzantine',
      baseUrl: 'http://127.0.0.1:4000',
      passkeys: { rpId: 'example.com' },
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it.each([
    ['PORT', '70000', 'is more than 65535'],
    ['PORT', 'http', 'is not a number'],
    ['DATABASE_URL', 'mysql://x', 'is not a URL that starts with postgres:// or postgresql://'],
    ['REDIS_URL', undefined, 'is missing'],
    ['API_KEY', 'short', 'is shorter than 16 characters'],
    ['API_KEY_CACHE_MS', '60001', 'is more than 1m'],
    ['JWT_JWKS_URL', 'ftp://issuer', 'is not a URL that starts with https:// or http://'],
    ['JWT_CLOCK_TOLERANCE_S', '301', 'is more than 5m'],
    ['SEALING_KEYS', 'k1:AAAA', 'key 1 of 1 is 3 bytes long, but AES-256 needs 32'],
    ['OPS_PASSWORD', 'fifteen charact', 'is shorter than 16 characters'],
    ['OPS_SESSION_LIFE_MS', '9h', 'is more than 8h'],
    ['OPS_SESSION_IDLE_MS', '28800001', 'is more than OPS_SESSION_LIFE_MS'],
    ...['proxy', '10.0.0.0/33', '10.0.0.0/0', '::/0', '10.0.0.0/8/8', '10.0.0.1;10.0.0.2'].map(
      (list): [string, string, string] => [
        'TRUSTED_PROXIES',
        list,
        'is not a comma separated list of IP addresses, ranges such as 10.0.0.0/8, ' +
          'loopback, linklocal and uniquelocal',
      ],
    ),
    ['HASH_KEY', 'c2VjcmV0', 'is base64 of 6 bytes, but 32 are needed'],
    ['RETENTION_DAYS', '-1', 'is less than 0'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'is not a URL that starts with http:// or https://'],
    ...['token', 'a b=c', 'a=%', 'a=b;c d'].map((list): [string, string, string] => [
      'OTEL_EXPORTER_OTLP_HEADERS',
      list,
      'is not a list of name=value, percent-encoded',
    ]),
    ['OTEL_RESOURCE_ATTRIBUTES', 'prod', 'is not a list of name=value, percent-encoded'],
    [
      'OTEL_TRACES_SAMPLER',
      'jaeger_remote',
      'is not one of: parentbased_always_on, parentbased_always_off, parentbased_traceidratio, ' +
        'always_on, always_off, traceidratio',
    ],
    [
      'OTEL_TRACES_SAMPLER_ARG',
      '0.01',
      'needs OTEL_TRACES_SAMPLER=parentbased_traceidratio to have an effect',
    ],
    ['AUDIT_KEEP_DAYS', '-1', 'is less than 0'],
    [
      'QUEUE_PREFIX',
      'gangway',
      'is not of the form {name}: the braces keep a queue on one Redis Cluster slot',
    ],
    ['OTP_LIFE_MS', '600001', 'is more than 10m'],
    [
      'LEASE_MS',
      '9000',
      'is not longer than CALL_TIMEOUT_MS and CLAIM_MAX_AGE_MS together: ' +
        'a lease could expire during a call',
    ],
    [
      'INTEGRATION_BYZANTINE_ORIGINS',
      'https://app.example.com,https://notexample.com',
      'has 1 of 2 origins whose host is neither INTEGRATION_BYZANTINE_RP_ID nor a subdomain of it',
    ],
    [
      'CLAIM_MAX_AGE_MS',
      '10000',
      'is not less than CALL_TIMEOUT_MS: a call could be sent when no time is left for its answer',
    ],
    ['OTP_LIFE_MS', '10000', 'is not more than CALL_TIMEOUT_MS: no call would end in time'],
    ['ONBOARDING_IDLE_MS', '10000', 'is not more than CALL_TIMEOUT_MS: no call would end in time'],
    ['INTEGRATION_BYZANTINE_RP_ID', 'https://x', 'is not a domain name'],
    [
      'INTEGRATION_BYZANTINE_PRIVATE_KEY',
      undefined,
      'is missing: set it, or INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE, or INTEGRATION_BYZANTINE_KMS_KEY_ID',
    ],
    [
      'INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE',
      '/nowhere',
      'is set together with INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE: set only one of them',
    ],
  ])('refuses %s=%s with an error that names the variable', (variable, value, detail) => {
    const faults = faultsOf({ ...good, [variable]: value });
    expect(Object.values(faults)).toEqual([detail]);
    expect(Object.keys(faults)[0]).toBe(variable.replace('_KEY_FILE', '_KEY'));
  });

  it('accepts trusted proxies by address, range and name, and needs no OPS_PASSWORD', () => {
    const { OPS_PASSWORD: _, ...rest } = good;
    const config = parse({ ...rest, TRUSTED_PROXIES: '10.0.0.0/8, ::1,loopback' });
    expect(config.TRUSTED_PROXIES).toEqual(['10.0.0.0/8', '::1', 'loopback']);
    expect(config.OPS_PASSWORD).toBeUndefined();
  });

  it.each([
    [['JWT_ISSUER'], ['JWT_AUDIENCE', 'JWT_JWKS_URL']],
    [['JWT_ISSUER', 'JWT_AUDIENCE'], ['JWT_JWKS_URL']],
    [['JWT_JWKS_URL'], ['JWT_AUDIENCE', 'JWT_ISSUER']],
  ])('refuses an incomplete JWT configuration: %j', (given, missing) => {
    const env = Object.fromEntries(given.map((variable) => [variable, 'https://issuer.example.com']));
    expect(Object.keys(faultsOf({ ...good, ...env })).sort()).toEqual(missing);
  });

  it('in production, requires TLS for the URL of the JWT keys', () => {
    const jwt = { JWT_ISSUER: 'x', JWT_AUDIENCE: 'y', JWT_JWKS_URL: 'http://issuer/keys' };
    expect(faultsOf({ ...good, ...jwt })).toEqual({});
    for (const url of ['http://issuer/keys', 'HTTP://issuer/keys']) {
      const env = { ...good, ...jwt, JWT_JWKS_URL: url, NODE_ENV: 'production' };
      expect(Object.keys(faultsOf(env))).toContain('JWT_JWKS_URL');
    }
  });

  it('has a variant for the command line, parseStoreConfig, that reads only the needed settings', () => {
    const { DATABASE_URL, HASH_KEY } = good;
    expect(Object.keys(parseStoreConfig({ DATABASE_URL, HASH_KEY })).sort()).toEqual([
      'CONSOLE_PORT',
      'CONSOLE_URL',
      'DATABASE_POOLER',
      'DATABASE_URL',
      'HASH_KEY',
      'NODE_ENV',
    ]);
    expect(() => parseStoreConfig({ DATABASE_URL })).toThrow('HASH_KEY: is missing');
  });

  it('has a variant for migrations, parseMigrationUrl, that requires a URL without a pooler', () => {
    const [DATABASE_URL, MIGRATION_DATABASE_URL] = ['postgres://u@pooler/db', 'postgres://u@server/db'];
    const DATABASE_POOLER = 'transaction';
    expect(parseMigrationUrl({ DATABASE_URL })).toBe(DATABASE_URL);
    expect(parseMigrationUrl({ DATABASE_URL, MIGRATION_DATABASE_URL })).toBe(MIGRATION_DATABASE_URL);
    expect(parseMigrationUrl({ MIGRATION_DATABASE_URL })).toBe(MIGRATION_DATABASE_URL);
    expect(parseMigrationUrl({ DATABASE_URL, MIGRATION_DATABASE_URL, DATABASE_POOLER })).toBe(
      MIGRATION_DATABASE_URL,
    );
    expect(() => parseMigrationUrl({ DATABASE_URL, DATABASE_POOLER })).toThrow(
      'MIGRATION_DATABASE_URL: is missing',
    );
    expect(() => parseMigrationUrl({})).toThrow('DATABASE_URL: is missing');
    expect(() => parseMigrationUrl({ MIGRATION_DATABASE_URL: 'x' })).toThrow(
      'MIGRATION_DATABASE_URL: is not a URL',
    );
  });

  it.each([
    ['misspelt', 'INTEGRATION_BYZANTINE_AAGUID_ALOW'],
    ['another provider’s', 'INTEGRATION_BYZANTINE_APP_NAME'],
  ])('refuses a variable that its integration does not have: %s', (_, variable) => {
    expect(faultsOf({ ...good, [variable]: 'x' })).toEqual({
      [variable]: expect.stringContaining('is not a setting of an integration at byzantine'),
    });
    expect(() => parse({ ...good, [variable]: '' })).not.toThrow();
  });

  it('distinguishes integrations whose names begin with the same text', () => {
    const ofOther = Object.entries(good)
      .filter(([variable]) => variable.startsWith('INTEGRATION_BYZANTINE_'))
      .map(([variable, value]) => [variable.replace('BYZANTINE', 'BYZANTINE_EU'), value]);
    const env = { ...good, INTEGRATIONS: 'byzantine,byzantine-eu', ...Object.fromEntries(ofOther) };
    expect(parse(env).INTEGRATIONS.map(({ name }) => name)).toEqual(['byzantine', 'byzantine-eu']);
    const misspelt = { ...env, INTEGRATION_BYZANTINE_EU_ATESTATION: 'direct' };
    // Variables of integrations that are not in INTEGRATIONS are not checked.
    expect(parse({ ...misspelt, INTEGRATIONS: 'byzantine' }).INTEGRATIONS).toHaveLength(1);
    expect(Object.keys(faultsOf(misspelt))).toEqual(['INTEGRATION_BYZANTINE_EU_ATESTATION']);
  });

  it('reports the variable of a key file that it cannot read, and the reason', () => {
    const { INTEGRATION_BYZANTINE_PRIVATE_KEY: _, ...rest } = good;
    expect(faultsOf({ ...rest, INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE: '/nowhere/key' })).toEqual({
      INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE: 'cannot be read (ENOENT)',
    });
  });

  const KMS = {
    INTEGRATION_BYZANTINE_PRIVATE_KEY: '',
    INTEGRATION_BYZANTINE_KMS_KEY_ID: 'alias/acme',
    INTEGRATION_BYZANTINE_KMS_REGION: 'eu-central-1',
  };
  const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

  it('accepts a signing key at AWS KMS together with a second signing key in a variable', () => {
    const [integration] = parse({
      ...good,
      ...KMS,
      INTEGRATION_BYZANTINE_KMS_ENDPOINT: 'https://kms.internal/',
      INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY: '02'.repeat(32),
    }).INTEGRATIONS;
    expect(integration).toMatchObject({
      keys: [
        {
          kms: { keyId: 'alias/acme', region: 'eu-central-1', endpoint: 'https://kms.internal' },
          source: 'INTEGRATION_BYZANTINE_KMS_KEY_ID',
        },
        { source: 'INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY' },
      ],
    });
  });

  it.each<[string, Record<string, string>, string, string]>([
    [
      'two first keys',
      { ...KMS, INTEGRATION_BYZANTINE_PRIVATE_KEY: '01'.repeat(32) },
      'PRIVATE_KEY',
      'is set together with INTEGRATION_BYZANTINE_KMS_KEY_ID: set only one of them',
    ],
    [
      'two second keys',
      {
        INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY: '02'.repeat(32),
        INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY_FILE: '/x',
      },
      'SECOND_PRIVATE_KEY',
      'is set together with INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY_FILE: set only one of them',
    ],
    [
      'only a second key',
      { INTEGRATION_BYZANTINE_PRIVATE_KEY: '', INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY: '02'.repeat(32) },
      'PRIVATE_KEY',
      'is missing: set it, or INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE, or INTEGRATION_BYZANTINE_KMS_KEY_ID',
    ],
    [
      'a missing region',
      { ...KMS, INTEGRATION_BYZANTINE_KMS_REGION: '' },
      'KMS_REGION',
      'is missing: INTEGRATION_BYZANTINE_KMS_KEY_ID needs it',
    ],
    [
      'an impossible region',
      { ...KMS, INTEGRATION_BYZANTINE_KMS_REGION: 'Frankfurt' },
      'KMS_REGION',
      'is not the name of a region, such as eu-central-1',
    ],
    [
      'another region than the key’s',
      { ...KMS, INTEGRATION_BYZANTINE_KMS_KEY_ID: ARN.replace('central', 'west') },
      'KMS_KEY_ID',
      'is in eu-west-1, but INTEGRATION_BYZANTINE_KMS_REGION is eu-central-1',
    ],
    [
      'a region without a key',
      { INTEGRATION_BYZANTINE_KMS_REGION: 'eu-central-1' },
      'KMS_REGION',
      'has no effect without INTEGRATION_BYZANTINE_KMS_KEY_ID',
    ],
    [
      'a private key in place of an id',
      { ...KMS, INTEGRATION_BYZANTINE_KMS_KEY_ID: '01'.repeat(32) },
      'KMS_KEY_ID',
      'is not an ARN, id or alias of a key at AWS KMS',
    ],
    [
      'an endpoint with a path',
      { ...KMS, INTEGRATION_BYZANTINE_KMS_ENDPOINT: 'https://kms.internal/x' },
      'KMS_ENDPOINT',
      'it has more than scheme, host and port: each provider knows its own paths',
    ],
  ])('refuses the variables of signing keys: %s', (_, env, variable, detail) => {
    expect(faultsOf({ ...good, ...env })).toEqual({ [`INTEGRATION_BYZANTINE_${variable}`]: detail });
  });

  it.each([ARN, ARN.split('/')[1]!, 'alias/acme', `mrk-${'0a'.repeat(16)}`])(
    'accepts the id of a key at AWS KMS: %s',
    (keyId) => {
      expect(faultsOf({ ...good, ...KMS, INTEGRATION_BYZANTINE_KMS_KEY_ID: keyId })).toEqual({});
    },
  );

  const PLAIN =
    'is http:// although NODE_ENV is production: ' +
    'use https:// (http:// may lead only to localhost, 127.x or [::1])';
  const fit = {
    ...good,
    NODE_ENV: 'production',
    API_KEY: '',
    SEALING_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    HASH_KEY: randomBytes(32).toString('base64'),
    INTEGRATION_BYZANTINE_PRIVATE_KEY: `7f${randomBytes(31).toString('hex')}`,
  };

  it.each<[string, Record<string, string>, string[]]>([
    ['an upstream', { INTEGRATION_BYZANTINE_BASE_URL: 'http://api.example.com' }, ['BASE_URL']],
    [
      'a name that only looks local',
      { INTEGRATION_BYZANTINE_BASE_URL: 'http://localhost.example.com' },
      ['BASE_URL'],
    ],
    [
      'a name that begins like a local address',
      { INTEGRATION_BYZANTINE_BASE_URL: 'http://127.0.0.1.example.com' },
      ['BASE_URL'],
    ],
    ['a signer', { ...KMS, INTEGRATION_BYZANTINE_KMS_ENDPOINT: 'http://10.0.0.1:8080' }, ['KMS_ENDPOINT']],
    ['the machine itself', { INTEGRATION_BYZANTINE_BASE_URL: 'http://localhost:4000' }, []],
    ['the machine itself by IPv6', { INTEGRATION_BYZANTINE_BASE_URL: 'http://[::1]:4000' }, []],
    ['an upstream over TLS', { INTEGRATION_BYZANTINE_BASE_URL: 'https://api.example.com' }, []],
  ])('in production, accepts a URL without TLS only for localhost: %s %j', (_, env, refused) => {
    const named = Object.fromEntries(refused.map((name) => [`INTEGRATION_BYZANTINE_${name}`, PLAIN]));
    expect(faultsOf({ ...fit, ...env })).toEqual(named);
    expect(faultsOf({ ...good, ...env })).toEqual({});
  });

  it('in production, refuses a URL of Turnkey’s Auth Proxy without TLS', () => {
    const proxy = {
      PROVIDER: 'turnkey-auth-proxy',
      PRIVATE_KEY: '',
      ORGANIZATION_ID: '11111111-2222-4333-8444-555555555555',
      AUTH_PROXY_URL: 'http://proxy.example.com',
      AUTH_PROXY_CONFIG_ID: 'config-1',
    };
    const env = Object.fromEntries(
      Object.entries(proxy).map(([name, value]) => [`INTEGRATION_BYZANTINE_${name}`, value]),
    );
    expect(faultsOf({ ...fit, ...env })).toEqual({
      INTEGRATION_BYZANTINE_AUTH_PROXY_URL: PLAIN,
    });
  });

  it('reports all faults together, and shows no secret', () => {
    const message = new ConfigError([]).message;
    expect(message).toContain('cannot be used');
    const faults = faultsOf({
      ...good,
      API_KEY: 'tiny-secret',
      PORT: 'x',
      INTEGRATION_BYZANTINE_BASE_URL: 'ftp://x',
    });
    expect(Object.keys(faults).sort()).toEqual(['API_KEY', 'INTEGRATION_BYZANTINE_BASE_URL', 'PORT']);
    expect(JSON.stringify(faults)).not.toContain('tiny-secret');
  });
});

const empty = (env: Record<string, string>) =>
  Object.fromEntries(Object.keys(env).map((variable) => [variable, '']));

describe('parseConsoleConfig', () => {
  const { DATABASE_URL, REDIS_URL, HASH_KEY } = good;
  const needed = { DATABASE_URL, REDIS_URL, HASH_KEY };
  const OIDC = {
    OIDC_ISSUER: 'https://login.example.com/realms/acme',
    OIDC_CLIENT_ID: 'console',
    OIDC_ROLES: 'urn:acme:staff:viewer, on call : operator,admins:admin',
  };
  const faultsOfConsole = (env: Record<string, string>) => {
    try {
      parseConsoleConfig({ ...needed, ...env });
      return [];
    } catch (error) {
      return (error as ConfigError).faults.map(({ variable }) => variable);
    }
  };

  it('ignores the settings of integrations, and all keys except HASH_KEY', () => {
    expect(parseConsoleConfig({ ...good, JWT_ISSUER: 'x' })).toEqual(
      parseConsoleConfig({ ...needed, OPS_PASSWORD: good.OPS_PASSWORD }),
    );
    const names = Object.keys(parseConsoleConfig(good)).join(' ');
    expect(names).not.toMatch(/SEALING_KEYS|INTEGRATION|API_KEY|JWT/);
    expect(faultsOfConsole({ HASH_KEY: '' })).toEqual(['HASH_KEY']);
  });

  it('reads the identity provider and the roles of its groups', () => {
    const config = parseConsoleConfig({ ...needed, ...OIDC });
    expect(config).toMatchObject({ OIDC_ROLE_CLAIM: 'groups', OIDC_SCOPES: 'openid profile email' });
    expect(config.OIDC_ROLES).toEqual([
      { value: 'urn:acme:staff', role: 'viewer' },
      { value: 'on call', role: 'operator' },
      { value: 'admins', role: 'admin' },
    ]);
    expect(consoleUrl(config)).toBe('http://localhost:3400');
    expect(consoleUrl({ ...config, CONSOLE_URL: 'https://ops.acme.tld' })).toBe('https://ops.acme.tld');
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['no client', { OIDC_CLIENT_ID: '' }, ['OIDC_CLIENT_ID']],
    ['no roles', { OIDC_ROLES: '' }, ['OIDC_ROLES']],
    ['only a secret', { ...empty(OIDC), OIDC_CLIENT_SECRET: 'a-secret' }, Object.keys(OIDC)],
    ['an unknown role', { OIDC_ROLES: 'admins:root' }, ['OIDC_ROLES']],
    ['an issuer with a query', { OIDC_ISSUER: 'https://x.tld/?a' }, ['OIDC_ISSUER']],
    ['a console at a path', { CONSOLE_URL: 'https://x.tld/ops' }, ['CONSOLE_URL']],
    ['scopes without openid', { OIDC_SCOPES: 'profile' }, ['OIDC_SCOPES']],
  ])('refuses the settings of the identity provider and the console: %s', (_, env, variables) => {
    expect(faultsOfConsole({ ...OIDC, ...env })).toEqual(variables);
  });

  it('in production, requires TLS for the identity provider and the console', () => {
    const production = { NODE_ENV: 'production', HASH_KEY: randomBytes(32).toString('base64'), ...OIDC };
    expect(faultsOfConsole({ ...production, CONSOLE_URL: 'https://ops.acme.tld' })).toEqual([]);
    expect(faultsOfConsole(production)).toEqual(['CONSOLE_URL']);
    const plain = { OIDC_ISSUER: 'http://login.acme.tld', CONSOLE_URL: 'http://ops.acme.tld' };
    expect(faultsOfConsole({ ...production, ...plain })).toEqual(['OIDC_ISSUER', 'CONSOLE_URL']);
    expect(faultsOfConsole({ ...plain, ...OIDC, OIDC_ISSUER: plain.OIDC_ISSUER })).toEqual([]);
  });
});

describe('parseConfig with durations', () => {
  it.each([
    ['CALL_TIMEOUT_MS', '9s', 9_000],
    ['CALL_TIMEOUT_MS', '9500ms', 9_500],
    ['CALL_TIMEOUT_MS', '9500', 9_500],
    ['CALL_TIMEOUT_MS', '8.2s', 8_200],
    ['RETRY_CAP_MS', '1.001s', 1_001],
    ['ONBOARDING_IDLE_MS', '1.1h', 3_960_000],
    ['ONBOARDING_LIFE_MS', '2d', 172_800_000],
    ['ONBOARDING_IDLE_MS', '1.5h', 5_400_000],
    ['OTP_LIFE_MS', '5m', 300_000],
    ['JWT_CLOCK_TOLERANCE_S', '1m', 60],
    ['JWT_CLOCK_TOLERANCE_S', '20', 20],
  ] as const)('reads %s=%s as %d', (variable, text, value) => {
    expect(parse({ ...good, [variable]: text })[variable]).toBe(value);
  });

  it.each([
    ['CALL_TIMEOUT_MS', 'soon', 'is not a duration, such as 250ms, 30s or 5m'],
    ['CALL_TIMEOUT_MS', '5 minutes', 'is not a duration, such as 250ms, 30s or 5m'],
    ['CALL_TIMEOUT_MS', '0.5', 'is not a whole number of ms'],
    ['CALL_TIMEOUT_MS', '-5s', 'is less than 1ms'],
    ['JWT_CLOCK_TOLERANCE_S', '500ms', 'is not a whole number of s'],
    ['OTP_LIFE_MS', '11m', 'is more than 10m'],
  ])('refuses %s=%s because the value %s', (variable, text, detail) => {
    expect(faultsOf({ ...good, [variable]: text })).toMatchObject({ [variable]: detail });
  });
});

describe('parseConfig with unknown variables', () => {
  it.each([
    ['HOSTT', 'is unknown; do you mean HOST?'],
    ['PORTS', 'is unknown; do you mean PORT?'],
    ['LOG_LEVL', 'is unknown; do you mean LOG_LEVEL?'],
    ['DATABASE_URI', 'is unknown; do you mean DATABASE_URL?'],
    ['RETRY_FLOR_MS', 'is unknown; do you mean RETRY_FLOOR_MS?'],
    [
      'INTEGRATION_BYZANTIN_BASE_URL',
      'is not a variable of an integration in INTEGRATIONS; do you mean INTEGRATION_BYZANTINE_BASE_URL?',
    ],
    [
      'INTEGRATION_BYZANTINE_RP_NAM',
      'is not a setting of an integration at byzantine; do you mean INTEGRATION_BYZANTINE_RP_NAME?',
    ],
    ['INTEGRATION_OTHER', 'is not a variable of an integration in INTEGRATIONS'],
  ])('refuses %s because the variable %s', (variable, detail) => {
    expect(faultsOf({ ...good, [variable]: 'x' })).toEqual({ [variable]: detail });
  });

  it.each(['HOME', 'PATH', 'POST', 'GPG_KEY', 'APP_KEY', 'NODE_OPTIONS', 'REDIS_HOST', 'KEY'])(
    'ignores %s, a variable of another program',
    (variable) => {
      expect(faultsOf({ ...good, [variable]: 'x' })).toEqual({});
    },
  );

  it('ignores an integration that has a provider but is not in INTEGRATIONS', () => {
    const unused = { INTEGRATION_OTHER_PROVIDER: 'byzantine', INTEGRATION_OTHER_RP_ID: 'example.com' };
    expect(faultsOf({ ...good, ...unused })).toEqual({});
  });
});
