import { createECDH, createPrivateKey, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { PROVIDERS } from '#libs/upstream';
import { ConfigError, parseConfig } from './config.js';

const random = () => randomBytes(32).toString('base64');

const GOOD = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://gangway:s3cret-enough@db/gangway',
  REDIS_URL: 'redis://redis:6379',
  SEALING_KEYS: `k1:${random()}`,
  HASH_KEY: random(),
  OPS_PASSWORD: randomBytes(18).toString('base64url'),
  INTEGRATIONS: 'byzantine',
  INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
  INTEGRATION_BYZANTINE_BASE_URL: 'https://api.provider.tld',
  INTEGRATION_BYZANTINE_PRIVATE_KEY: `7f${randomBytes(31).toString('hex')}`,
  INTEGRATION_BYZANTINE_RP_ID: 'app.provider.tld',
  INTEGRATION_BYZANTINE_RP_NAME: 'Wallet',
  INTEGRATION_BYZANTINE_ORIGINS: 'https://app.provider.tld',
};

function refused(env: Record<string, string>): string[] {
  try {
    parseConfig({ ...GOOD, ...env }, PROVIDERS);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const value of Object.values(env)) expect(error.message).not.toContain(value);
    return [...new Set(error.faults.map(({ variable }) => variable))];
  }
}

/** The development values in docker-compose.yml, which are published with the code. */
const published = Object.fromEntries(
  [...readFileSync('docker-compose.yml', 'utf8').matchAll(/^ +([A-Z_]+): \$\{\1:-([^}]+)\}$/gm)].map(
    ([, name, value]) => [name!, value!],
  ),
);

describe('the service in production', () => {
  it('boots if none of its keys is a published example key', () => {
    expect(refused({})).toEqual([]);
  });

  it('accepts a random API_KEY, and passwords with any character', () => {
    expect(refused({ API_KEY: randomBytes(24).toString('base64url') })).toEqual([]);
    expect(refused({ DATABASE_URL: 'postgres://gangway:a%25zz@db/gangway' })).toEqual([]);
  });

  it.each(['API_KEY', 'SEALING_KEYS', 'HASH_KEY', 'OPS_PASSWORD', 'INTEGRATION_BYZANTINE_PRIVATE_KEY'])(
    'refuses the %s of docker-compose.yml, which is allowed in development',
    (name) => {
      const value = published[name]!;
      expect(value.length).toBeGreaterThan(8);
      expect(refused({ [name]: value })).toEqual([name]);
      expect(refused({ [name]: value, NODE_ENV: 'development' })).toEqual([]);
    },
  );

  it('refuses the private key of docker-compose.yml in each notation', () => {
    const pair = createECDH('prime256v1');
    const d = published['INTEGRATION_BYZANTINE_PRIVATE_KEY']!;
    pair.setPrivateKey(d, 'hex');
    const [x, y] = [pair.getPublicKey().subarray(1, 33), pair.getPublicKey().subarray(33)];
    const of = (bytes: Buffer) => bytes.toString('base64url');
    const jwk = { kty: 'EC', crv: 'P-256', x: of(x), y: of(y), d: of(Buffer.from(d, 'hex')) };
    const pem = createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' });
    for (const spelling of [` ${d}\n`, `0x${d.toUpperCase()}`, JSON.stringify(jwk), String(pem)]) {
      const name = 'INTEGRATION_BYZANTINE_PRIVATE_KEY';
      expect([spelling.slice(0, 12), refused({ [name]: spelling })]).toEqual([spelling.slice(0, 12), [name]]);
    }
  });

  it.each([
    ['API_KEY', 'gw_dev_3fGh8Jk2LmN5pQr7'],
    ['SEALING_KEYS', `dev:${random()}`],
    ['SEALING_KEYS', `k1:${random()},k2:${Buffer.alloc(32, 7).toString('base64')}`],
    ['HASH_KEY', Buffer.from('correct horse battery staple 32b').toString('base64')],
    ['HASH_KEY', Buffer.alloc(32).toString('base64')],
    ['OPS_PASSWORD', 'Password12341234'],
    ['OPS_PASSWORD', 'Gangway-Console-2026!'],
    ['OPS_PASSWORD', 'abababababababababab'],
    ['DATABASE_URL', 'postgres://gangway:development-only@db/gangway'],
    ['REDIS_URL', 'redis://:changeme@redis:6379'],
    ['INTEGRATION_BYZANTINE_PRIVATE_KEY', '01'.repeat(32)],
  ])('refuses a development value of %s', (name, value) => {
    expect(refused({ [name]: value })).toEqual([name]);
  });
});
