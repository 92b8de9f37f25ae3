import { Test } from '@nestjs/testing';
import { expect, it } from '@jest/globals';
import { PlatformModule } from '#libs/platform';
import { testConfig } from '#libs/testing';
import { Integrations } from './integrations.js';
import { UpstreamModule } from './upstream.module.js';

const common = (name: string) => ({
  [`INTEGRATION_${name}_BASE_URL`]: 'http://127.0.0.1:1',
  [`INTEGRATION_${name}_RP_ID`]: 'app.example.com',
  [`INTEGRATION_${name}_RP_NAME`]: 'Acme',
  [`INTEGRATION_${name}_ORIGINS`]: 'https://app.example.com',
  [`INTEGRATION_${name}_ORGANIZATION_ID`]: '11111111-2222-4333-8444-555555555555',
});
const env = {
  INTEGRATIONS: 'byzantine,turnkey,proxy',
  ...common('TURNKEY'),
  INTEGRATION_TURNKEY_PROVIDER: 'turnkey',
  INTEGRATION_TURNKEY_PRIVATE_KEY: '02'.repeat(32),
  INTEGRATION_TURNKEY_APP_NAME: 'Acme',
  INTEGRATION_TURNKEY_CUSTODY: 'client',
  ...common('PROXY'),
  INTEGRATION_PROXY_PROVIDER: 'turnkey-auth-proxy',
  INTEGRATION_PROXY_AUTH_PROXY_URL: 'http://127.0.0.1:1',
  INTEGRATION_PROXY_AUTH_PROXY_CONFIG_ID: 'config-1',
};
const moduleOf = (more: Record<string, string> = {}) =>
  Test.createTestingModule({
    imports: [PlatformModule.forRoot(testConfig({ ...env, ...more })), UpstreamModule],
  }).compile();

it('builds the provider that each integration names, with Turnkey’s production keys where none are given', async () => {
  const module = await moduleOf();
  const built = module.get(Integrations).all().map(({ name, provider }) => [name, provider.kind, provider.custody]); // prettier-ignore
  expect(built).toEqual([
    ['byzantine', 'byzantine', 'provider'],
    ['turnkey', 'turnkey', 'client'],
    ['proxy', 'turnkey-auth-proxy', 'server'],
  ]);
  await module.close();
});

it.each([
  ['INTEGRATION_TURNKEY_OTP_DEFAULTS', '{"otpLength":3}', /^INTEGRATION_TURNKEY_OTP_DEFAULTS: otpLength/],
  [
    'INTEGRATION_PROXY_OTP_DEFAULTS',
    '{"captchaToken":"x"}',
    /^INTEGRATION_PROXY_OTP_DEFAULTS: captchaToken is not known/,
  ],
])('does not start with a %s that is not good', async (name, value, message) => {
  await expect(moduleOf({ [name]: value })).rejects.toThrow(message);
});
