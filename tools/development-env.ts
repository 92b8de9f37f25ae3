import { publicKeyOf, type DevSecrets } from './dev-secrets.js';
import { Plain } from './console.js';
import type { Servers } from './servers.js';

const HOST = '127.0.0.1';

export interface DevelopmentEnv {
  /** For all three apps. */
  env: NodeJS.ProcessEnv;
  serviceUrl: string;
  workerUrl: string;
  sandboxUrl: string;
  apiKey: string;
  opsUser: string;
  opsPassword: string;
  rpId: string;
  origin: string;
}

/** An empty variable means an unset one, here as in the apps. */
function set(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/**
 * The environment that the apps get under `npm start`: this process's own wins over the development values, so
 * that any setting can be tried, except for the addresses that were just decided.
 *
 * @throws Plain if INTEGRATION_BYZANTINE_PRIVATE_KEY is set to something the sandbox could not know
 */
export function developmentEnv(
  secrets: DevSecrets,
  servers: Pick<Servers, 'databaseUrl' | 'redisUrl'>,
  ports: { service: number; worker: number; sandbox: number },
  own: NodeJS.ProcessEnv = process.env,
): DevelopmentEnv {
  const sandboxUrl = `http://${HOST}:${ports.sandbox}`;
  const settings = {
    API_KEY: secrets.apiKey,
    SEALING_KEYS: secrets.sealingKeys,
    OPS_USER: 'ops',
    OPS_PASSWORD: secrets.opsPassword,
    INTEGRATIONS: 'byzantine',
    INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
    INTEGRATION_BYZANTINE_BASE_URL: sandboxUrl,
    INTEGRATION_BYZANTINE_PRIVATE_KEY: secrets.integratorPrivateKey,
    INTEGRATION_BYZANTINE_RP_ID: 'localhost',
    INTEGRATION_BYZANTINE_RP_NAME: 'Gangway development',
    INTEGRATION_BYZANTINE_ORIGINS: 'http://localhost:3100',
    // Nobody balances load here: Ctrl-C need not wait for somebody to notice.
    DRAIN_NOTICE_MS: '0',
    ...set(own),
  };
  const publicKey = publicKeyOf(settings.INTEGRATION_BYZANTINE_PRIVATE_KEY);
  if (publicKey === undefined) {
    throw new Plain('INTEGRATION_BYZANTINE_PRIVATE_KEY: npm start wants it as 64 hex digits of a P-256 key.');
  }
  const env = {
    ...settings,
    HOST,
    PORT: String(ports.service),
    WORKER_PORT: String(ports.worker),
    DATABASE_URL: servers.databaseUrl,
    REDIS_URL: servers.redisUrl,
    SANDBOX_HOST: HOST,
    SANDBOX_PORT: String(ports.sandbox),
    SANDBOX_PUBKEYS: publicKey,
  };
  return {
    env,
    serviceUrl: `http://${HOST}:${ports.service}`,
    workerUrl: `http://${HOST}:${ports.worker}`,
    sandboxUrl,
    apiKey: settings.API_KEY,
    opsUser: settings.OPS_USER,
    opsPassword: settings.OPS_PASSWORD,
    rpId: settings.INTEGRATION_BYZANTINE_RP_ID,
    origin: settings.INTEGRATION_BYZANTINE_ORIGINS.split(',')[0] ?? '',
  };
}
