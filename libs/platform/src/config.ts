import { getConfigToken } from '@nestjs/config';
import { z } from 'zod';
import { addresses, count, durationMs, parse, secret, url, type Faults } from './config-values.js';
import { cheapHashes, productionFaults } from './production.js';
import { databaseUrl, redisUrl } from './server-urls.js';
import {
  parseIntegration,
  unknownVariables,
  type IntegrationConfig,
  type ProviderSettings,
} from './integration-config.js';

/** A setting that cannot be used. Its message names every bad variable and never a secret's value. */
export class ConfigError extends Error {
  constructor(readonly faults: { variable: string; detail: string }[]) {
    super(
      `the configuration cannot be used:\n${faults.map((f) => `  ${f.variable}: ${f.detail}`).join('\n')}`,
    );
    this.name = 'ConfigError';
  }
}

const sealingKeys = z.string({ error: 'is missing' }).transform((value, ctx) => {
  const keys = value.split(',').map((entry) => {
    const colon = entry.indexOf(':');
    return { id: entry.slice(0, colon).trim(), key: Buffer.from(entry.slice(colon + 1).trim(), 'base64') };
  });
  for (const [index, { id, key }] of keys.entries()) {
    if (!/^[a-z0-9-]{1,32}$/.test(id)) {
      ctx.addIssue('is not a list of id:base64 (an id is 1 to 32 of a-z, 0-9 and -)');
    } else if (key.length !== 32) {
      // Not by its id: where the colon is missing, or the two are swapped, that is the key.
      ctx.addIssue(`key ${index + 1} of ${keys.length} is ${key.length} bytes long where AES-256 needs 32`);
    }
  }
  if (new Set(keys.map((key) => key.id)).size !== keys.length) ctx.addIssue('names one id twice');
  return keys;
});

const hashKey = z.string({ error: 'is missing' }).transform((value, ctx) => {
  const key = Buffer.from(value, 'base64');
  if (key.length !== 32) ctx.addIssue(`is base64 of ${key.length} bytes where 32 are needed`);
  return key;
});

/** One entry a variable; the README's configuration table follows this order. */
const environment = z.object({
  NODE_ENV: z
    .enum(['development', 'test', 'production'], { error: 'is none of development, test, production' })
    .default('development'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], { error: 'is no level of pino' })
    .default('info'),
  HOST: z.string().min(1, 'is empty').default('127.0.0.1'),
  PORT: count(3000, 0, 65_535),
  WORKER_PORT: count(3001, 0, 65_535),
  TRUSTED_PROXIES: addresses(),
  DATABASE_URL: databaseUrl(),
  DATABASE_POOL_SIZE: count(10, 1, 200),
  DATABASE_POOLER: z
    .enum(['none', 'transaction'], { error: 'is neither none nor transaction' })
    .default('none'),
  MIGRATION_DATABASE_URL: databaseUrl().optional(),
  REDIS_URL: redisUrl(),
  QUEUE_PREFIX: z
    .string()
    .regex(
      /^\{[A-Za-z0-9_-]{1,64}\}$/,
      'is not of the form {name}: the braces keep a queue on one Redis Cluster slot',
    )
    .default('{gangway}'),
  API_KEY: secret(16).optional(),
  API_KEY_CACHE_MS: count(5_000, 0, 60_000),
  JWT_ISSUER: z.string().min(1, 'is empty').optional(),
  JWT_AUDIENCE: z.string().min(1, 'is empty').optional(),
  JWT_JWKS_URL: url('https:', 'http:').optional(),
  JWT_TYPE: z.string().min(1, 'is empty').optional(),
  JWT_CALLER_CLAIM: z.string().min(1, 'is empty').default('sub'),
  JWT_SCOPE_CLAIM: z.string().min(1, 'is empty').default('scope'),
  JWT_CLOCK_TOLERANCE_S: count(30, 0, 300),
  JWT_JWKS_COOLDOWN_MS: count(30_000, 0, 3_600_000),
  LOGIN_FAILURES_PER_MINUTE: count(20),
  RATE_LIMIT_CALLER_PER_MINUTE: count(6_000),
  RATE_LIMIT_SUBJECT_PER_MINUTE: count(60),
  SEALING_KEYS: sealingKeys,
  HASH_KEY: hashKey,
  OPS_USER: z.string().min(1, 'is empty').default('ops'),
  OPS_PASSWORD: secret(12).optional(),
  OPS_SESSION_IDLE_MS: durationMs(1_800_000),
  OPS_SESSION_LIFE_MS: durationMs(43_200_000),
  OPS_LOGIN_TRIES: count(10, 1, 1_000),
  OPS_LOGIN_WINDOW_MS: durationMs(300_000),
  OPS_SCRYPT_LOG_N: count(17, 10, 18),
  INTEGRATIONS: z
    .string({ error: 'is missing' })
    .transform((value) => value.split(',').map((name) => name.trim()))
    .refine(
      (names) => names.every((name) => /^[a-z][a-z0-9-]{0,31}$/.test(name)),
      'is not a comma separated list of names (a-z, 0-9 and -)',
    )
    .refine((names) => new Set(names).size === names.length, 'names one integration twice'),

  CONNECT_TIMEOUT_MS: durationMs(2_000),
  CALL_TIMEOUT_MS: durationMs(10_000),
  CLAIM_MAX_AGE_MS: durationMs(2_000),
  LEASE_MS: durationMs(30_000),
  UPSTREAM_CONNECTIONS: count(64, 1, 1_000),
  BREAKER_CALLS: count(20, 1, 10_000),
  BREAKER_WINDOW_MS: durationMs(10_000),
  BREAKER_OPEN_MS: durationMs(5_000),
  CLOCK_SKEW_WARN_MS: durationMs(10_000),
  CLOCK_SKEW_STOP_MS: durationMs(30_000),
  RETRY_BUDGET_BURST: count(20, 1, 1_000_000),
  RETRY_BUDGET_PERCENT: count(10, 0, 100),
  RETRY_FLOOR_MS: durationMs(250),
  RETRY_BASE_MS: durationMs(1_000),
  RETRY_CAP_MS: durationMs(30_000),
  RETRY_AFTER_MAX_MS: durationMs(120_000),
  WORKER_CONCURRENCY: count(16, 1, 500),
  EXPIRY_EVERY_MS: durationMs(1_000),
  EXPIRY_BATCH: count(500, 1, 10_000),
  SWEEP_EVERY_MS: durationMs(15_000),
  WAKE_AGAIN_MS: durationMs(40_000),
  PROBE_EVERY_MS: durationMs(60_000),
  CANARY_EVERY_MS: durationMs(15_000),
  RESEAL_EVERY_MS: durationMs(3_600_000),
  ANCHOR_EVERY_MS: durationMs(60_000),
  RETENTION_EVERY_MS: durationMs(3_600_000),
  RETENTION_DAYS: count(90, 0, 36_500),
  AUDIT_KEEP_DAYS: count(400, 0, 36_500),
  IDEMPOTENCY_KEEP_MS: durationMs(172_800_000),
  DRAIN_NOTICE_MS: count(1_000, 0, 60_000),
  DRAIN_TIMEOUT_MS: durationMs(25_000),
  EVENTS_POLL_MS: durationMs(250, 60_000),
  EVENTS_HEARTBEAT_MS: durationMs(15_000),
  EVENTS_STREAM_LIFE_MS: durationMs(300_000),
  EVENTS_STREAMS: count(1_000, 1, 100_000),
  EVENTS_STREAMS_PER_CALLER: count(500, 1, 100_000),

  OTP_LIFE_MS: durationMs(300_000, 600_000),
  OTP_TRIES: count(3, 1, 10),
  OTP_WRONG_PER_ONBOARDING: count(6, 1, 100),
  OTP_WRONG_PER_DAY: count(15, 1, 1_000),
  OTP_RESEND_COOLDOWN_MS: durationMs(60_000),
  OTP_SENDS_PER_WINDOW: count(3, 1, 1_000),
  OTP_SEND_WINDOW_MS: durationMs(600_000),
  OTP_SENDS_PER_DAY: count(10, 1, 1_000),
  SESSION_MARGIN_MS: durationMs(30_000),
  CHALLENGE_LIFE_MS: durationMs(300_000),
  CHALLENGES_OUTSTANDING: count(10, 1, 100),
  ONBOARDING_IDLE_MS: durationMs(1_800_000),
  ONBOARDING_LIFE_MS: durationMs(86_400_000),
});

type Environment = z.output<typeof environment>;

/** The validated settings under their variables' names, and the integrations. Frozen, parsed once at boot. */
export type Config = Readonly<Omit<Environment, 'INTEGRATIONS'>> & {
  readonly INTEGRATIONS: readonly IntegrationConfig[];
};

/** The namespace under which @nestjs/config keeps the settings. */
export const CONFIG_NAMESPACE = 'gangway';

/** Injection token of the {@link Config}. */
export const CONFIG = getConfigToken(CONFIG_NAMESPACE);

/**
 * Reads and validates the whole environment.
 *
 * @param env `process.env`, or a test's own.
 * @param providers that an integration may name.
 * @throws ConfigError that names every bad variable at once.
 */
export function parseConfig(
  env: Record<string, string | undefined>,
  providers: readonly ProviderSettings[],
): Config {
  const faults: Faults = [];
  const settings = parse(environment, env, '', faults);
  // What is no list of names would be told as names of variables; it is told by its own name already.
  const names =
    settings?.INTEGRATIONS ?? environment.shape.INTEGRATIONS.safeParse(env['INTEGRATIONS']).data ?? [];
  const integrations = names
    .map((name) => parseIntegration(name, env, providers, faults))
    .filter((one) => one !== null);
  faults.push(...unknownVariables(names, env, providers));
  if (settings) faults.push(...contradictions(settings));
  if (!settings || faults.length > 0) throw new ConfigError(faults);
  const config = Object.freeze({ ...settings, INTEGRATIONS: Object.freeze(integrations) });
  const unfit = productionFaults(config);
  if (unfit.length > 0) throw new ConfigError(unfit);
  return config;
}

const STORE = {
  NODE_ENV: true,
  DATABASE_URL: true,
  DATABASE_POOLER: true,
  HASH_KEY: true,
  OPS_SCRYPT_LOG_N: true,
} as const;

/** What a tool needs that reads and writes rows, and serves nobody. */
export type StoreConfig = Pick<Config, keyof typeof STORE>;

/**
 * Reads the variables of a tool, and no other.
 *
 * @throws ConfigError that names what is missing or bad.
 */
export function parseStoreConfig(env: Record<string, string | undefined>): StoreConfig {
  const faults: Faults = [];
  const settings = parse(environment.pick(STORE), env, '', faults);
  if (settings) faults.push(...cheapHashes(settings));
  if (!settings || faults.length > 0) throw new ConfigError(faults);
  return settings;
}

/**
 * The database that migrations connect to: they hold a lock for as long as they run, and so need a session.
 *
 * @throws ConfigError that names what is missing or bad.
 */
export function parseMigrationUrl(env: Record<string, string | undefined>): string {
  const faults: Faults = [];
  const wanted = { DATABASE_URL: true, DATABASE_POOLER: true, MIGRATION_DATABASE_URL: true } as const;
  const settings = parse(environment.pick(wanted).partial({ DATABASE_URL: true }), env, '', faults);
  if (!settings) throw new ConfigError(faults);
  const { DATABASE_URL, DATABASE_POOLER, MIGRATION_DATABASE_URL } = settings;
  const url = MIGRATION_DATABASE_URL ?? (DATABASE_POOLER === 'none' ? DATABASE_URL : undefined);
  if (url !== undefined) return url;
  const pooled = DATABASE_POOLER === 'transaction';
  throw new ConfigError([
    pooled
      ? {
          variable: 'MIGRATION_DATABASE_URL',
          detail: 'is missing: migrations need a way without that pooler',
        }
      : { variable: 'DATABASE_URL', detail: 'is missing' },
  ]);
}

/** Settings that are each fine and do not fit together. */
function contradictions(settings: Environment): Faults {
  const faults: Faults = halfOfJwt(settings);
  if (settings.LEASE_MS <= settings.CALL_TIMEOUT_MS + settings.CLAIM_MAX_AGE_MS) {
    faults.push({
      variable: 'LEASE_MS',
      detail:
        'is not longer than CALL_TIMEOUT_MS and CLAIM_MAX_AGE_MS together: a lease would lapse under a running call',
    });
  }
  if (settings.CLAIM_MAX_AGE_MS >= settings.CALL_TIMEOUT_MS) {
    faults.push({
      variable: 'CLAIM_MAX_AGE_MS',
      detail: 'is not less than CALL_TIMEOUT_MS: a call could be sent when no time is left for its answer',
    });
  }
  if (settings.RETRY_FLOOR_MS > settings.RETRY_CAP_MS) {
    faults.push({ variable: 'RETRY_FLOOR_MS', detail: 'is more than RETRY_CAP_MS' });
  }
  if (settings.ONBOARDING_IDLE_MS > settings.ONBOARDING_LIFE_MS) {
    faults.push({ variable: 'ONBOARDING_IDLE_MS', detail: 'is more than ONBOARDING_LIFE_MS' });
  }
  if (settings.OPS_SESSION_IDLE_MS > settings.OPS_SESSION_LIFE_MS) {
    faults.push({ variable: 'OPS_SESSION_IDLE_MS', detail: 'is more than OPS_SESSION_LIFE_MS' });
  }
  for (const variable of ['OTP_LIFE_MS', 'ONBOARDING_IDLE_MS'] as const) {
    if (settings[variable] <= settings.CALL_TIMEOUT_MS) {
      faults.push({ variable, detail: 'is not more than CALL_TIMEOUT_MS: no call would end in time' });
    }
  }
  return faults;
}

const OF_JWT = ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWT_JWKS_URL'] as const;

/** Tokens are checked against all three: without one of them, somebody else's token would do. */
function halfOfJwt(settings: Environment): Faults {
  const missing = OF_JWT.filter((variable) => settings[variable] === undefined);
  const faults: Faults = missing
    .filter(() => missing.length < OF_JWT.length)
    .map((variable) => ({ variable, detail: `is missing: set ${OF_JWT.join(', ')}, or none of them` }));
  // Who can change the keys on their way can sign what they like.
  const { NODE_ENV, JWT_JWKS_URL } = settings;
  if (NODE_ENV === 'production' && JWT_JWKS_URL && new URL(JWT_JWKS_URL).protocol === 'http:') {
    faults.push({ variable: 'JWT_JWKS_URL', detail: 'is not https://, which production asks for' });
  }
  return faults;
}
