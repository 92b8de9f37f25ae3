import { describe, expect, it } from '@jest/globals';
import { parseConfig, parseConsoleConfig } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { publicKeyOf } from './dev-secrets.js';
import { developmentEnv } from './development-env.js';

const secrets = {
  apiKey: 'gw_dev_generated',
  sealingKeys: `dev:${Buffer.alloc(32, 1).toString('base64')}`,
  hashKey: Buffer.alloc(32, 2).toString('base64'),
  integratorPrivateKey: '01'.repeat(32),
  turnkeyApiPrivateKey: '03'.repeat(32),
  turnkeySignerPrivateKey: '04'.repeat(32),
  turnkeyNotarizerPrivateKey: '05'.repeat(32),
  turnkeyOrganizationId: '11111111-2222-4333-8444-555555555555',
  databasePassword: 'generated',
};
const servers = { databaseUrl: 'postgres://embedded/gangway', redisUrl: 'redis://embedded' };
const ports = { service: 3005, worker: 3006, sandbox: 4005, demo: 3105, console: 3405 };
const of = (own: NodeJS.ProcessEnv) => developmentEnv(secrets, servers, ports, own);

describe('developmentEnv', () => {
  it('gives the sandbox the public key of the service, whether the private key is generated or set', () => {
    const own = '02'.repeat(32);
    expect(of({}).env['SANDBOX_PUBKEYS']).toBe(publicKeyOf(secrets.integratorPrivateKey));
    expect(of({ INTEGRATION_BYZANTINE_PRIVATE_KEY: own }).env['SANDBOX_PUBKEYS']).toBe(publicKeyOf(own));
  });

  it('uses settings that you have set, and your API key for the self check', () => {
    const { env, apiKey } = of({ API_KEY: 'gw_own', OTP_LIFE_MS: '1000' });
    expect(env).toMatchObject({ API_KEY: 'gw_own', OTP_LIFE_MS: '1000' });
    expect(apiKey).toBe('gw_own');
  });

  it('gives the console no key of a provider, no sealing key and no API key', () => {
    const { consoleEnv } = of({});
    expect(() => parseConsoleConfig(consoleEnv)).not.toThrow();
    const values = JSON.stringify(consoleEnv);
    for (const key of [secrets.integratorPrivateKey, secrets.sealingKeys, secrets.apiKey]) {
      expect(values).not.toContain(key);
    }
  });

  it('treats an empty variable as unset', () => {
    expect(of({ API_KEY: '' }).apiKey).toBe(secrets.apiKey);
  });

  it('uses the addresses from its arguments, even if variables have other values', () => {
    const { env } = of({ PORT: '3000', DATABASE_URL: '', HOST: '0.0.0.0' });
    expect(env).toMatchObject({
      PORT: '3005',
      DATABASE_URL: 'postgres://embedded/gangway',
      HOST: '127.0.0.1',
    });
  });

  it.each(PROVIDERS)('configures an integration with the provider $kind', ({ kind }) => {
    const { env } = developmentEnv(secrets, servers, ports, {}, kind);
    expect(parseConfig(env, PROVIDERS).INTEGRATIONS).toMatchObject([{ name: kind, provider: kind }]);
  });

  it('refuses an integration without development values, and names the file that lacks them', () => {
    const start = () => developmentEnv(secrets, servers, ports, {}, 'of-the-past');
    expect(start).toThrow('tools/development-env.ts has no variables INTEGRATION_OF_THE_PAST_…');
  });

  it('configures the chosen integration with keys that the sandbox’s Turnkey knows', () => {
    const { env } = developmentEnv(secrets, servers, ports, {}, 'turnkey-auth-proxy');
    const config = parseConfig(env, PROVIDERS);
    expect(config.INTEGRATIONS).toMatchObject([
      { name: 'turnkey-auth-proxy', authProxyConfigId: env['SANDBOX_TURNKEY_AUTH_PROXY_CONFIG'] },
    ]);
    const turnkey = parseConfig(developmentEnv(secrets, servers, ports, {}, 'turnkey').env, PROVIDERS);
    expect(turnkey.INTEGRATIONS).toMatchObject([
      { provider: 'turnkey', organizationId: secrets.turnkeyOrganizationId },
    ]);
    expect(env['SANDBOX_TURNKEY_API_KEYS']).toMatch(/^0[23][0-9a-f]{64}$/);
  });

  it('allows the origin of the demo’s page, unless you have set other origins', () => {
    const { env, demoEnv, origin } = of({});
    expect(parseConfig(env, PROVIDERS).INTEGRATIONS).toMatchObject([{ passkeys: { origins: [origin] } }]);
    expect(origin).toBe('http://localhost:3105');
    expect(demoEnv).toMatchObject({ DEMO_PORT: '3105', GANGWAY_URL: 'http://127.0.0.1:3005' });
    expect(of({ INTEGRATION_BYZANTINE_ORIGINS: 'https://own.example' }).origin).toBe('https://own.example');
  });

  it('adds the demo’s origin to the origins that you have set, if their relying party is the same', () => {
    const origins = (own: NodeJS.ProcessEnv) => of(own).env['INTEGRATION_BYZANTINE_ORIGINS'];
    const own = 'http://localhost:3200';
    expect(origins({ INTEGRATION_BYZANTINE_ORIGINS: own })).toBe(`${own},http://localhost:3105`);
    const elsewhere = {
      INTEGRATION_BYZANTINE_RP_ID: 'own.example',
      INTEGRATION_BYZANTINE_ORIGINS: 'https://own.example',
    };
    expect(origins(elsewhere)).toBe('https://own.example');
  });

  it('names the variable of an invalid key, but does not show the key', () => {
    expect(() => of({ INTEGRATION_BYZANTINE_PRIVATE_KEY: 'zz-secret' })).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^INTEGRATION_BYZANTINE_PRIVATE_KEY(?!.*zz-secret)/),
      }),
    );
  });
});
