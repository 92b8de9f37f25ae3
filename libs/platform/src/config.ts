import { getConfigToken } from '@nestjs/config';
import { z } from 'zod';
import {
  addresses,
  count,
  durationMs,
  durationS,
  parse,
  secret,
  setting,
  tuning,
  url,
  type Faults,
} from './config-values.js';
import { consoleSettings, halfOfOidc } from './console-settings.js';
import { consoleProductionFaults, productionFaults } from './production.js';
import { databaseUrl, redisUrl } from './server-urls.js';
import { tracingSettings, unusedShare } from './signals/tracing-settings.js';
import { similarName } from './similar-names.js';
import {
  parseIntegration,
  unknownVariables,
  type IntegrationConfig,
  type ProviderSettings,
} from './integration-config.js';

/** Names every wrong variable, and never shows a secret. */
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
      ctx.addIssue('is not a list of id:base64 (an id has 1 to 32 characters of a-z, 0-9 and -)');
    } else if (key.length !== 32) {
      // Without the id: it is the secret key if the colon is missing or the parts are swapped.
      ctx.addIssue(`key ${index + 1} of ${keys.length} is ${key.length} bytes long, but AES-256 needs 32`);
    }
  }
  if (new Set(keys.map((key) => key.id)).size !== keys.length) ctx.addIssue('names one id twice');
  return keys;
});

const hashKey = z.string({ error: 'is missing' }).transform((value, ctx) => {
  const key = Buffer.from(value, 'base64');
  if (key.length !== 32) ctx.addIssue(`is base64 of ${key.length} bytes, but 32 are needed`);
  return key;
});

/** docs/reference/configuration.md lists the variables in this order. */
export const environment = z.object({
  NODE_ENV: setting(
    'The kind of installation. `production` refuses settings that are only for development.',
    z
      .enum(['development', 'test', 'production'], { error: 'is not one of: development, test, production' })
      .default('development'),
    { example: 'production' },
  ),
  LOG_LEVEL: setting(
    'The lowest level that is logged. 4xx answers have `info`, 5xx `error`, all others `debug`.',
    z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
        error: 'is not a log level of pino',
      })
      .default('info'),
    { example: 'warn' },
  ),
  HOST: setting(
    'The address that service, worker and console listen on.',
    z.string().min(1, 'is empty').default('127.0.0.1'),
    { example: '0.0.0.0', values: 'an IP address or a host name' },
  ),
  PORT: setting('The port of the service.', count(3000, 0, 65_535)),
  WORKER_PORT: setting('The port of the worker, for its health and metrics.', count(3001, 0, 65_535)),
  TRUSTED_PROXIES: setting('Proxies whose `X-Forwarded-…` headers are trusted.', addresses(), {
    example: '10.0.0.0/8',
    values: 'IP addresses, ranges, `loopback`, `linklocal`, `uniquelocal`, with commas between',
  }),
  DATABASE_URL: setting('The PostgreSQL database.', databaseUrl(), {
    example: 'postgres://gangway@db/gangway?sslmode=verify-full',
    values: '`postgres://…`, see [its parameters](../operations/postgresql.md#addresses-of-the-servers)',
  }),
  DATABASE_POOL_SIZE: setting('Connections of each process to PostgreSQL.', count(10, 1, 200)),
  DATABASE_POOLER: setting(
    'The pooler in front of PostgreSQL: `transaction` if it works in transaction mode. ' +
      'See [poolers](../operations/postgresql.md#poolers).',
    z.enum(['none', 'transaction'], { error: 'is neither none nor transaction' }).default('none'),
    { example: 'transaction' },
  ),
  MIGRATION_DATABASE_URL: setting(
    'The database for migrations, if they need another user, ' +
      'or if `DATABASE_URL` goes through a pooler in transaction mode.',
    databaseUrl().optional(),
    { example: 'postgres://gangway@db/gangway', values: '`postgres://…`' },
  ),
  REDIS_URL: setting('The Redis of the queues. Its `maxmemory-policy` must be `noeviction`.', redisUrl(), {
    example: 'rediss://cache:6379',
    values: '`redis://…` or `rediss://…`',
  }),
  QUEUE_PREFIX: setting(
    'The prefix of all keys in Redis. The braces keep a queue on one slot of a Redis Cluster.',
    z
      .string()
      .regex(
        /^\{[A-Za-z0-9_-]{1,64}\}$/,
        'is not of the form {name}: the braces keep a queue on one Redis Cluster slot',
      )
      .default('{gangway}'),
    { example: '{gangway-eu}', values: '`{name}`, of letters, digits, `_` and `-`' },
  ),
  API_KEY: setting(
    'One key with all scopes, as caller `default`. For development, and until callers have their own keys.',
    secret(16).optional(),
    { example: 'a-key-for-development', values: '16 characters or more' },
  ),
  API_KEY_CACHE_MS: tuning(
    'How long a process caches an API key. Another process may accept a revoked key for this long.',
    durationMs(5_000, 60_000, 0),
  ),
  JWT_ISSUER: setting(
    'The required `iss` of an access token. ' +
      'Set all of `JWT_ISSUER`, `JWT_AUDIENCE` and `JWT_JWKS_URL`, or none.',
    z.string().min(1, 'is empty').optional(),
    { example: 'https://login.example.com/', values: 'text' },
  ),
  JWT_AUDIENCE: setting('The required `aud` of an access token.', z.string().min(1, 'is empty').optional(), {
    example: 'gangway',
    values: 'text',
  }),
  JWT_JWKS_URL: setting('Where the issuer publishes its keys.', url('https:', 'http:').optional(), {
    example: 'https://login.example.com/.well-known/jwks.json',
    values: '`https://…`; `http://…` outside production',
  }),
  JWT_TYPE: setting(
    'The required `typ` of an access token. Set it if the issuer sets it.',
    z.string().min(1, 'is empty').optional(),
    { example: 'at+jwt', values: 'text' },
  ),
  JWT_CALLER_CLAIM: setting(
    'The claim that names the caller, compared exactly.',
    z.string().min(1, 'is empty').default('sub'),
    { example: 'client_id', values: 'the name of a claim' },
  ),
  JWT_SCOPE_CLAIM: setting(
    'The claim with the scopes, as text with spaces between or as an array. Unknown scopes are ignored.',
    z.string().min(1, 'is empty').default('scope'),
    { example: 'permissions', values: 'the name of a claim' },
  ),
  JWT_CLOCK_TOLERANCE_S: tuning(
    'How much the issuer’s clock may differ when the times of an access token are checked.',
    durationS(30, 300),
  ),
  JWT_JWKS_COOLDOWN_MS: tuning(
    'If a token has an unknown key, a process fetches the issuer’s keys again. ' +
      'This is the shortest time between two such fetches.',
    durationMs(30_000, 3_600_000, 0),
  ),
  LOGIN_FAILURES_PER_MINUTE: tuning(
    'Invalid tokens per client address in a minute. Above this, the service answers 429 to the address. ' +
      'It still checks JWTs and API keys that it accepted recently.',
    count(20),
  ),
  RATE_LIMIT_CALLER_PER_MINUTE: setting(
    'Requests of one caller in a minute. Each process reserves one hundredth of this quota at a time.',
    count(6_000),
  ),
  RATE_LIMIT_SUBJECT_PER_MINUTE: tuning(
    'Commands of one caller about one subject or onboarding in a minute. ' +
      'Each process reserves one fifteenth of this quota at a time.',
    count(60),
  ),
  SEALING_KEYS: setting(
    'The keys that encrypt secrets in the database. The first encrypts, all decrypt. ' +
      'See [rotation](../operations/keys.md).',
    sealingKeys,
    { example: 'k1:$(openssl rand -base64 32)', values: '`id:base64` of 32 bytes each, with commas between' },
  ),
  HASH_KEY: setting(
    'The key of the hashes of API keys, contacts and submissions. See [keys](../operations/keys.md).',
    hashKey,
    { example: '$(openssl rand -base64 32)', values: 'base64 of 32 bytes' },
  ),
  ...tracingSettings,
  ...consoleSettings,
  INTEGRATIONS: setting(
    'The names of the integrations. Each has its own variables, see below.',
    z
      .string({ error: 'is missing' })
      .transform((value) => value.split(',').map((name) => name.trim()))
      .refine(
        (names) => names.every((name) => /^[a-z][a-z0-9-]{0,31}$/.test(name)),
        'is not a comma separated list of names (a-z, 0-9 and -)',
      )
      .refine((names) => new Set(names).size === names.length, 'names one integration twice'),
    { example: 'byzantine', values: 'names of `a-z`, `0-9` and `-`, with commas between' },
  ),

  CONNECT_TIMEOUT_MS: tuning('The time to connect to a provider.', durationMs(2_000)),
  CALL_TIMEOUT_MS: tuning(
    'The time for one call to a provider, from the name lookup to the last byte. ' +
      'No call begins with less time left.',
    durationMs(10_000),
  ),
  CLAIM_MAX_AGE_MS: tuning(
    'An attempt that waited longer than this for its connection is not sent.',
    durationMs(2_000),
  ),
  LEASE_MS: tuning(
    'How long an attempt belongs to its process. ' +
      'Must be longer than `CALL_TIMEOUT_MS` and `CLAIM_MAX_AGE_MS` together.',
    durationMs(30_000),
  ),
  UPSTREAM_CONNECTIONS: tuning('Connections per process, integration and step.', count(64, 1, 1_000)),
  BREAKER_CALLS: tuning(
    'After this many calls within `BREAKER_WINDOW_MS`, ' +
      'the breaker of an integration opens if half of them failed.',
    count(20, 1, 10_000),
  ),
  BREAKER_WINDOW_MS: tuning('The time in which the breaker counts calls.', durationMs(10_000)),
  BREAKER_OPEN_MS: tuning(
    'How long the breaker stays open before it lets one call through.',
    durationMs(5_000),
  ),
  CLOCK_SKEW_WARN_MS: tuning(
    'The service is degraded if its clock and the provider’s differ by more than this.',
    durationMs(10_000),
  ),
  CLOCK_SKEW_STOP_MS: tuning(
    'While the clocks differ by more than this, nothing is sent to Byzantine and onboardings are parked.',
    durationMs(30_000),
  ),
  RETRY_BUDGET_BURST: tuning(
    'Retries per integration in ten seconds, over all processes.',
    count(20, 1, 1_000_000),
  ),
  RETRY_BUDGET_PERCENT: tuning('Additional retries, as a percentage of first tries.', count(10, 0, 100)),
  RETRY_FLOOR_MS: tuning('The shortest wait before a retry.', durationMs(250)),
  RETRY_BASE_MS: tuning(
    'The longest wait before the first retry. The wait doubles with each call.',
    durationMs(1_000),
  ),
  RETRY_CAP_MS: tuning('The longest wait before any retry.', durationMs(30_000)),
  RETRY_AFTER_MAX_MS: tuning(
    'The longest `Retry-After` that is accepted from a provider.',
    durationMs(120_000),
  ),
  WORKER_CONCURRENCY: tuning('Jobs at the same time per queue and worker.', count(16, 1, 500)),
  EXPIRY_EVERY_MS: tuning('How often the worker expires codes, sessions and onboardings.', durationMs(1_000)),
  EXPIRY_BATCH: tuning('Onboardings that one statement expires.', count(500, 1, 10_000)),
  SWEEP_EVERY_MS: tuning('How often the worker looks for steps whose job was lost.', durationMs(15_000)),
  WAKE_AGAIN_MS: tuning('A lost step gets a new job at most this often.', durationMs(40_000)),
  PROBE_EVERY_MS: tuning('How often an integration with parked onboardings is tested.', durationMs(60_000)),
  CANARY_EVERY_MS: tuning(
    'How often a test job runs. After four missed runs, `worker` is down.',
    durationMs(15_000),
  ),
  RESEAL_EVERY_MS: tuning('How often data under an old key is re-encrypted.', durationMs(3_600_000)),
  ANCHOR_EVERY_MS: tuning('How often timelines of ended onboardings get their anchor.', durationMs(60_000)),
  FUNNEL_EVERY_MS: tuning(
    'How often the worker counts the funnel of recent days. It spends at most 2% of its time on a day.',
    durationMs(60_000),
  ),
  RETENTION_EVERY_MS: tuning(
    'How often the worker deletes data after its retention time.',
    durationMs(3_600_000),
  ),
  RETENTION_DAYS: setting(
    'An onboarding is erased this many days after its end. `0` keeps it.',
    count(90, 0, 36_500),
  ),
  AUDIT_KEEP_DAYS: tuning(
    'A row of `audit_events` is deleted after this many days. `0` keeps it.',
    count(400, 0, 36_500),
  ),
  IDEMPOTENCY_KEEP_MS: tuning(
    'How long an `Idempotency-Key` repeats its first answer.',
    durationMs(172_800_000),
  ),
  DRAIN_NOTICE_MS: tuning(
    'After `SIGTERM`, requests are still accepted for this long, while `ready` answers 503. ' +
      'Give your load balancer time to notice.',
    durationMs(1_000, 60_000, 0),
  ),
  DRAIN_TIMEOUT_MS: tuning('The process ends at the latest this long after `SIGTERM`.', durationMs(25_000)),
  EVENTS_POLL_MS: tuning(
    'How often a process reads new events while a client follows a timeline.',
    durationMs(250, 60_000),
  ),
  EVENTS_HEARTBEAT_MS: tuning(
    'How often a stream sends a comment. A connection that accepts nothing for this long is closed.',
    durationMs(15_000),
  ),
  EVENTS_STREAM_LIFE_MS: tuning(
    'A stream ends after this time. The client reconnects, and its key is checked again.',
    durationMs(300_000),
  ),
  EVENTS_STREAMS: tuning(
    'Streams at the same time per process. Above this, a new stream gets 503.',
    count(1_000, 1, 100_000),
  ),
  EVENTS_STREAMS_PER_CALLER: tuning(
    'Streams of one caller at the same time per process. Above this, a new stream gets 429.',
    count(500, 1, 100_000),
  ),

  OTP_LIFE_MS: tuning(
    'The life of a code, if the provider does not name a shorter one.',
    durationMs(300_000, 600_000),
  ),
  OTP_TRIES: tuning('Tries of one code.', count(3, 1, 10)),
  OTP_WRONG_PER_ONBOARDING: tuning('Wrong codes until the onboarding fails.', count(6, 1, 100)),
  OTP_WRONG_PER_DAY: tuning('Wrong codes per subject in 24 hours.', count(15, 1, 1_000)),
  OTP_RESEND_COOLDOWN_MS: tuning('The time between two codes of an onboarding.', durationMs(60_000)),
  OTP_SENDS_PER_WINDOW: tuning(
    'Codes per subject within `OTP_SEND_WINDOW_MS`. A retry counts if it may have mailed a code.',
    count(3, 1, 1_000),
  ),
  OTP_SEND_WINDOW_MS: tuning('The time for which `OTP_SENDS_PER_WINDOW` counts codes.', durationMs(600_000)),
  OTP_SENDS_PER_DAY: tuning('Codes per subject in 24 hours.', count(10, 1, 1_000)),
  SESSION_MARGIN_MS: tuning(
    'A session ends for Gangway this long before it ends at the provider.',
    durationMs(30_000),
  ),
  CHALLENGE_LIFE_MS: tuning('The life of a passkey challenge.', durationMs(300_000)),
  CHALLENGES_OUTSTANDING: tuning(
    'Challenges per onboarding. A new one replaces the oldest.',
    count(10, 1, 100),
  ),
  ONBOARDING_IDLE_MS: tuning(
    'An onboarding expires this long after the last accepted command or successful step. ' +
      'In `outcome_unknown`, it does not: only `ONBOARDING_LIFE_MS` ends it.',
    durationMs(1_800_000),
  ),
  ONBOARDING_LIFE_MS: tuning('An onboarding expires this long after its start.', durationMs(86_400_000)),
});

type Environment = z.output<typeof environment>;

export type Config = Readonly<Omit<Environment, 'INTEGRATIONS'>> & {
  readonly INTEGRATIONS: readonly IntegrationConfig[];
};

export const CONFIG_NAMESPACE = 'gangway';

export const CONFIG = getConfigToken(CONFIG_NAMESPACE);

/** @throws ConfigError */
export function parseConfig(
  env: Record<string, string | undefined>,
  providers: readonly ProviderSettings[],
): Config {
  const faults: Faults = [];
  const settings = parse(environment, env, '', faults);
  // The variables of the integrations are checked even if another variable is invalid.
  const names =
    settings?.INTEGRATIONS ?? environment.shape.INTEGRATIONS.safeParse(env['INTEGRATIONS']).data ?? [];
  const integrations = names
    .map((name) => parseIntegration(name, env, providers, faults))
    .filter((one) => one !== null);
  faults.push(...misspelt(env), ...unknownVariables(names, env, providers));
  if (settings) faults.push(...halfOfJwt(settings), ...contradictions(settings));
  if (!settings || faults.length > 0) throw new ConfigError(faults);
  const config = Object.freeze({ ...settings, INTEGRATIONS: Object.freeze(integrations) });
  const unfit = productionFaults(config);
  if (unfit.length > 0) throw new ConfigError(unfit);
  return config;
}

function misspelt(env: Record<string, string | undefined>): Faults {
  const known = Object.keys(environment.shape);
  return Object.keys(env).flatMap((variable) => {
    if (!env[variable] || known.includes(variable)) return [];
    const similar = similarName(variable, known);
    return similar === null ? [] : [{ variable, detail: `is unknown; do you mean ${similar}?` }];
  });
}

const STORE = {
  NODE_ENV: true,
  DATABASE_URL: true,
  DATABASE_POOLER: true,
  HASH_KEY: true,
  CONSOLE_PORT: true,
  CONSOLE_URL: true,
} as const;

/** The settings of a tool that only reads and writes rows. */
export type StoreConfig = Pick<Config, keyof typeof STORE>;

/** @throws ConfigError */
export function parseStoreConfig(env: Record<string, string | undefined>): StoreConfig {
  const faults: Faults = [];
  const settings = parse(environment.pick(STORE), env, '', faults);
  faults.push(...misspelt(env));
  if (!settings || faults.length > 0) throw new ConfigError(faults);
  return settings;
}

/** The console must not have or does not need these variables. */
const NOT_OF_CONSOLE = {
  PORT: true,
  WORKER_PORT: true,
  MIGRATION_DATABASE_URL: true,
  API_KEY: true,
  API_KEY_CACHE_MS: true,
  JWT_ISSUER: true,
  JWT_AUDIENCE: true,
  JWT_JWKS_URL: true,
  JWT_TYPE: true,
  JWT_CALLER_CLAIM: true,
  JWT_SCOPE_CLAIM: true,
  JWT_CLOCK_TOLERANCE_S: true,
  JWT_JWKS_COOLDOWN_MS: true,
  SEALING_KEYS: true,
  INTEGRATIONS: true,
} as const;

export type ConsoleConfig = Omit<Config, keyof typeof NOT_OF_CONSOLE>;

/** The settings contain no key that encrypts or signs. @throws ConfigError */
export function parseConsoleConfig(env: Record<string, string | undefined>): ConsoleConfig {
  const faults: Faults = [];
  const settings = parse(environment.omit(NOT_OF_CONSOLE), env, '', faults);
  faults.push(...misspelt(env));
  if (settings) faults.push(...contradictions(settings));
  if (!settings || faults.length > 0) throw new ConfigError(faults);
  const unfit = consoleProductionFaults(settings);
  if (unfit.length > 0) throw new ConfigError(unfit);
  return Object.freeze(settings);
}

export const consoleUrl = ({ CONSOLE_URL, CONSOLE_PORT }: Pick<Config, 'CONSOLE_PORT' | 'CONSOLE_URL'>) =>
  CONSOLE_URL ?? `http://localhost:${CONSOLE_PORT}`;

/**
 * Migrations hold a lock of a PostgreSQL session, so they cannot use a pooler in transaction mode.
 *
 * @throws ConfigError
 */
export function parseMigrationUrl(env: Record<string, string | undefined>): string {
  const faults: Faults = [];
  const wanted = { DATABASE_URL: true, DATABASE_POOLER: true, MIGRATION_DATABASE_URL: true } as const;
  const settings = parse(environment.pick(wanted).partial({ DATABASE_URL: true }), env, '', faults);
  faults.push(...misspelt(env));
  if (!settings || faults.length > 0) throw new ConfigError(faults);
  const { DATABASE_URL, DATABASE_POOLER, MIGRATION_DATABASE_URL } = settings;
  const url = MIGRATION_DATABASE_URL ?? (DATABASE_POOLER === 'none' ? DATABASE_URL : undefined);
  if (url !== undefined) return url;
  const pooled = DATABASE_POOLER === 'transaction';
  throw new ConfigError([
    pooled
      ? {
          variable: 'MIGRATION_DATABASE_URL',
          detail: 'is missing: migrations need a connection without the pooler',
        }
      : { variable: 'DATABASE_URL', detail: 'is missing' },
  ]);
}

function contradictions(settings: Omit<Environment, keyof typeof NOT_OF_CONSOLE>): Faults {
  const faults: Faults = [...halfOfOidc(settings), ...unusedShare(settings)];
  if (settings.LEASE_MS <= settings.CALL_TIMEOUT_MS + settings.CLAIM_MAX_AGE_MS) {
    faults.push({
      variable: 'LEASE_MS',
      detail:
        'is not longer than CALL_TIMEOUT_MS and CLAIM_MAX_AGE_MS together: ' +
        'a lease could expire during a call',
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

/** If one of the three settings were missing, the service would accept tokens of other issuers. */
function halfOfJwt(settings: Environment): Faults {
  const missing = OF_JWT.filter((variable) => settings[variable] === undefined);
  const faults: Faults = missing
    .filter(() => missing.length < OF_JWT.length)
    .map((variable) => ({
      variable,
      detail: `is missing: set all of ${OF_JWT.join(', ')}, or none of them`,
    }));
  // Without TLS, an attacker could replace the keys during their transfer, and then sign any token.
  const { NODE_ENV, JWT_JWKS_URL } = settings;
  if (NODE_ENV === 'production' && JWT_JWKS_URL && new URL(JWT_JWKS_URL).protocol === 'http:') {
    faults.push({ variable: 'JWT_JWKS_URL', detail: 'is not https://, which production requires' });
  }
  return faults;
}
