import { Test } from '@nestjs/testing';
import { expect, it } from '@jest/globals';
import { PlatformModule } from '#libs/platform';
import { KmsStandIn, testConfig } from '#libs/testing';
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

it('each integration gets its client, by default with Turnkey’s production keys', async () => {
  const module = await moduleOf();
  const built = module
    .get(Integrations)
    .all()
    .map(({ name, provider }) => [name, provider.kind, provider.custody]);
  expect(built).toEqual([
    ['byzantine', 'byzantine', 'provider'],
    ['turnkey', 'turnkey', 'client'],
    ['proxy', 'turnkey-auth-proxy', 'server'],
  ]);
  await module.close();
});

it('different clocks stop the steps only at Byzantine, whose signatures expire', async () => {
  const module = await moduleOf();
  const stopped = module
    .get(Integrations)
    .all()
    .map(({ name, skew }) => {
      const [wallMs, monotonicMs] = [Date.now(), performance.now()];
      for (const second of [0, 1_000]) {
        const at = { wallMs: wallMs + second, monotonicMs: monotonicMs + second };
        const date = new Date(at.wallMs + 3_600_000).toUTCString();
        skew.saw({ headers: { date }, sentAt: at, headAt: at });
      }
      return [name, skew.stops];
    });
  expect(stopped).toEqual([
    ['byzantine', true],
    ['turnkey', false],
    ['proxy', false],
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
])('the service does not start with an invalid %s', async (name, value, message) => {
  await expect(moduleOf({ [name]: value })).rejects.toThrow(message);
});

it('the service does not start if both keys of an integration are the same', async () => {
  const second = { INTEGRATION_TURNKEY_SECOND_PRIVATE_KEY: `0x${'02'.repeat(32)}` };
  await expect(moduleOf(second)).rejects.toThrow(
    'INTEGRATION_TURNKEY_SECOND_PRIVATE_KEY is the same key as INTEGRATION_TURNKEY_PRIVATE_KEY',
  );
});

it('the service does not start if KMS cannot be reached, and names the key’s variable', async () => {
  const kms = {
    INTEGRATION_TURNKEY_PRIVATE_KEY: '',
    INTEGRATION_TURNKEY_KMS_KEY_ID: 'alias/acme',
    INTEGRATION_TURNKEY_KMS_REGION: 'eu-central-1',
    INTEGRATION_TURNKEY_KMS_ENDPOINT: 'http://127.0.0.1:1',
  };
  const before = { ...process.env };
  Object.assign(process.env, KmsStandIn.credentials);
  try {
    await expect(moduleOf(kms)).rejects.toThrow(/^INTEGRATION_TURNKEY_KMS_KEY_ID .* could not be asked/);
  } finally {
    process.env = before;
  }
});
