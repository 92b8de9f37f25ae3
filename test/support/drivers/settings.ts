import type { Sandbox } from '../../../apps/sandbox/src/sandbox.js';
import type { Servers } from './servers.js';

/** Small values, so that onboardings expire and leases end within a run. */
export const SETTINGS = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'error',
  HOST: '127.0.0.1',
  API_KEY: 'key-of-the-chaos-0123456789',
  SEALING_KEYS: `chaos:${Buffer.alloc(32, 7).toString('base64')}`,
  HASH_KEY: Buffer.alloc(32, 9).toString('base64'),
  OPS_PASSWORD: 'password-of-the-chaos',
  INTEGRATIONS: 'byzantine',
  INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
  INTEGRATION_BYZANTINE_RP_ID: 'app.example.com',
  INTEGRATION_BYZANTINE_RP_NAME: 'Acme',
  INTEGRATION_BYZANTINE_ORIGINS: 'https://app.example.com',

  CONNECT_TIMEOUT_MS: '500',
  CALL_TIMEOUT_MS: '1500',
  CLAIM_MAX_AGE_MS: '800',
  LEASE_MS: '2800',
  RETRY_FLOOR_MS: '10',
  RETRY_BASE_MS: '50',
  RETRY_CAP_MS: '400',
  RETRY_AFTER_MAX_MS: '2000',
  RETRY_BUDGET_BURST: '300',
  BREAKER_WINDOW_MS: '3000',
  BREAKER_OPEN_MS: '500',
  EXPIRY_EVERY_MS: '200',
  SWEEP_EVERY_MS: '500',
  WAKE_AGAIN_MS: '1500',
  PROBE_EVERY_MS: '500',
  DRAIN_TIMEOUT_MS: '20000',

  OTP_LIFE_MS: '12000',
  OTP_RESEND_COOLDOWN_MS: '200',
  OTP_SENDS_PER_WINDOW: '1000',
  OTP_SENDS_PER_DAY: '1000',
  OTP_WRONG_PER_DAY: '1000',
  SESSION_MARGIN_MS: '1500',
  CHALLENGE_LIFE_MS: '8000',
  ONBOARDING_IDLE_MS: '30000',
  ONBOARDING_LIFE_MS: '75000',

  // One caller makes all requests as fast as possible.
  LOGIN_FAILURES_PER_MINUTE: '1000000',
  RATE_LIMIT_CALLER_PER_MINUTE: '1000000',
  RATE_LIMIT_SUBJECT_PER_MINUTE: '1000000',
} as const;

export const envOf = (
  { postgres, redis, queuePrefix }: Servers,
  { url, credential }: Sandbox,
): Record<string, string> => ({
  ...SETTINGS,
  QUEUE_PREFIX: queuePrefix,
  DATABASE_URL: postgres.url,
  REDIS_URL: redis.url,
  INTEGRATION_BYZANTINE_BASE_URL: url,
  INTEGRATION_BYZANTINE_PRIVATE_KEY: credential!.privateKeyHex,
});

/** Codes live longer than in the service, so that the service itself must refuse an expired code. */
export const SANDBOX_LIVES = { codeLifeMs: 15_000, sessionLifeMs: 9_000 };
