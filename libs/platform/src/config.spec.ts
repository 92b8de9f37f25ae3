import { describe, expect, it } from '@jest/globals';
import { ConfigError, parseConfig, parseStoreConfig } from './config.js';

const good = {
  DATABASE_URL: 'postgres://gangway@127.0.0.1:5432/gangway',
  REDIS_URL: 'redis://127.0.0.1:6379',
  API_KEY: 'a-key-of-16-chars',
  SEALING_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
  HASH_KEY: Buffer.alloc(32, 9).toString('base64'),
  OPS_PASSWORD: 'correct horse',
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
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) {
      return Object.fromEntries(error.faults.map((fault) => [fault.variable, fault.detail]));
    }
    throw error;
  }
  return {};
}

describe('parseConfig', () => {
  it('takes a good environment, fills in the defaults and freezes the result', () => {
    const config = parseConfig(good);
    expect(config.PORT).toBe(3000);
    expect(config.INTEGRATIONS[0]).toMatchObject({
      name: 'byzantine',
      baseUrl: 'http://127.0.0.1:4000',
      rpId: 'example.com',
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it.each([
    ['PORT', '70000', 'is more than 65535'],
    ['PORT', 'http', 'is not a number'],
    ['DATABASE_URL', 'mysql://x', 'is not a URL that starts with postgres:// or postgresql://'],
    ['REDIS_URL', undefined, 'is missing'],
    ['API_KEY', 'short', 'is shorter than 16 characters'],
    ['API_KEY_CACHE_MS', '60001', 'is more than 60000'],
    ['JWT_JWKS_URL', 'ftp://issuer', 'is not a URL that starts with https:// or http://'],
    ['JWT_CLOCK_TOLERANCE_S', '301', 'is more than 300'],
    ['SEALING_KEYS', 'k1:AAAA', 'key "k1" is 3 bytes long where AES-256 needs 32'],
    ['OPS_PASSWORD', 'eleven char', 'is shorter than 12 characters'],
    ['OPS_SESSION_IDLE_MS', '43200001', 'is more than OPS_SESSION_LIFE_MS'],
    ...['proxy', '10.0.0.0/33', '10.0.0.0/0', '::/0', '10.0.0.0/8/8', '10.0.0.1;10.0.0.2'].map(
      (list): [string, string, string] => [
        'TRUSTED_PROXIES',
        list,
        'is not a comma separated list of IP addresses, ranges such as 10.0.0.0/8, loopback, linklocal and uniquelocal',
      ],
    ),
    ['HASH_KEY', 'c2VjcmV0', 'is base64 of 6 bytes where 32 are needed'],
    ['RETENTION_DAYS', '-1', 'is less than 0'],
    ['SIGNING_ENGINE', 'rsa', 'is neither openssl nor noble'],
    [
      'QUEUE_PREFIX',
      'gangway',
      'is not of the form {name}: the braces keep a queue on one Redis Cluster slot',
    ],
    ['OTP_LIFE_MS', '600001', 'is more than 600000'],
    [
      'LEASE_MS',
      '9000',
      'is not longer than CALL_TIMEOUT_MS and CLAIM_MAX_AGE_MS together: a lease would lapse under a running call',
    ],
    [
      'INTEGRATION_BYZANTINE_ORIGINS',
      'https://app.example.com,https://notexample.com',
      'has https://notexample.com, which no browser lets make passkeys for INTEGRATION_BYZANTINE_RP_ID example.com',
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
      'is missing (or set INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE or INTEGRATION_BYZANTINE_KMS_KEY_ID)',
    ],
    [
      'INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE',
      '/nowhere',
      'is set together with INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE; set one',
    ],
  ])('refuses %s=%s by name', (variable, value, detail) => {
    const faults = faultsOf({ ...good, [variable]: value });
    expect(Object.values(faults)).toEqual([detail]);
    expect(Object.keys(faults)[0]).toBe(variable.replace('_KEY_FILE', '_KEY'));
  });

  it('takes proxies by address, range and name, and an environment without an account for the console', () => {
    const { OPS_PASSWORD: _, ...rest } = good;
    const config = parseConfig({ ...rest, TRUSTED_PROXIES: '10.0.0.0/8, ::1,loopback' });
    expect(config.TRUSTED_PROXIES).toEqual(['10.0.0.0/8', '::1', 'loopback']);
    expect(config.OPS_PASSWORD).toBeUndefined();
  });

  it.each([
    [['JWT_ISSUER'], ['JWT_AUDIENCE', 'JWT_JWKS_URL']],
    [['JWT_ISSUER', 'JWT_AUDIENCE'], ['JWT_JWKS_URL']],
    [['JWT_JWKS_URL'], ['JWT_AUDIENCE', 'JWT_ISSUER']],
  ])('refuses half of what JWTs are checked by: %j alone', (given, missing) => {
    const env = Object.fromEntries(given.map((variable) => [variable, 'https://issuer.example.com']));
    expect(Object.keys(faultsOf({ ...good, ...env })).sort()).toEqual(missing);
  });

  it('takes the keys of JWTs over TLS alone in production', () => {
    const jwt = { JWT_ISSUER: 'x', JWT_AUDIENCE: 'y', JWT_JWKS_URL: 'http://issuer/keys' };
    expect(faultsOf({ ...good, ...jwt })).toEqual({});
    expect(Object.keys(faultsOf({ ...good, ...jwt, NODE_ENV: 'production' }))).toContain('JWT_JWKS_URL');
  });

  it('gives a tool what it needs of it, and asks for nothing else', () => {
    const { DATABASE_URL, HASH_KEY } = good;
    expect(Object.keys(parseStoreConfig({ DATABASE_URL, HASH_KEY })).sort()).toEqual([
      'DATABASE_URL',
      'HASH_KEY',
    ]);
    expect(() => parseStoreConfig({ DATABASE_URL })).toThrow('HASH_KEY: is missing');
  });

  it('names a key file that cannot be read, and why', () => {
    const { INTEGRATION_BYZANTINE_PRIVATE_KEY: _, ...rest } = good;
    expect(faultsOf({ ...rest, INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE: '/nowhere/key' })).toEqual({
      INTEGRATION_BYZANTINE_PRIVATE_KEY_FILE: 'cannot be read (ENOENT)',
    });
  });

  it('names every fault at once, and no secret', () => {
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
