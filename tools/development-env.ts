import { createECDH } from 'node:crypto';
import { publicKeyOf, type DevSecrets } from './dev-secrets.js';
import { Plain } from './console.js';
import type { Servers } from './servers.js';

const HOST = '127.0.0.1';
const AUTH_PROXY_CONFIG_ID = 'gangway-development';

export interface Ports {
  service: number;
  worker: number;
  sandbox: number;
  demo: number;
  console: number;
}

export interface DevelopmentEnv {
  /** For the service, the worker and the sandbox. */
  env: NodeJS.ProcessEnv;
  /** Like any caller, the demo gets no secret except an API key. */
  demoEnv: NodeJS.ProcessEnv;
  /** Has no provider's key, no sealing key and no API key. */
  consoleEnv: NodeJS.ProcessEnv;
  serviceUrl: string;
  workerUrl: string;
  sandboxUrl: string;
  /** Has the host name `localhost`, which is the relying party's id. */
  demoUrl: string;
  consoleUrl: string;
  apiKey: string;
  rpId: string;
  origin: string;
  /** Who keeps the session key, `server` or `client`, if the integration has this setting. */
  custody: string | undefined;
}

/** Empty variables count as unset in this tool and in the apps. */
function set(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/** All integrations have the same relying party. */
function integrationEnv(name: string, origin: string, own: Record<string, string>): Record<string, string> {
  const all = {
    RP_ID: 'localhost',
    RP_NAME: 'Gangway development',
    ORIGINS: origin,
    ...own,
  };
  return Object.fromEntries(
    Object.entries(all).map(([setting, value]) => [`INTEGRATION_${name}_${setting}`, value]),
  );
}

/** @returns the public key: 65 bytes, in hex. */
function uncompressed(privateKeyHex: string): string {
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(privateKeyHex, 'hex');
  return pair.getPublicKey('hex', 'uncompressed');
}

/**
 * Makes the environment of the apps under `npm start`. The user's variables override the development values,
 * except the addresses.
 *
 * @param integration whose provider the sandbox stands in for
 * @throws Plain if the integration has no development values, or if INTEGRATION_BYZANTINE_PRIVATE_KEY is not
 *   a private key
 */
export function developmentEnv(
  secrets: DevSecrets,
  servers: Pick<Servers, 'databaseUrl' | 'redisUrl'>,
  ports: Ports,
  own: NodeJS.ProcessEnv = process.env,
  integration = 'byzantine',
): DevelopmentEnv {
  const serviceUrl = `http://${HOST}:${ports.service}`;
  const sandboxUrl = `http://${HOST}:${ports.sandbox}`;
  const demoUrl = `http://localhost:${ports.demo}`;
  const consoleUrl = `http://localhost:${ports.console}`;
  const turnkey = {
    ORGANIZATION_ID: secrets.turnkeyOrganizationId,
    SIGNER_PUBLIC_KEY: uncompressed(secrets.turnkeySignerPrivateKey),
    NOTARIZER_PUBLIC_KEY: uncompressed(secrets.turnkeyNotarizerPrivateKey),
  };
  const settings: Record<string, string> = {
    API_KEY: secrets.apiKey,
    SEALING_KEYS: secrets.sealingKeys,
    HASH_KEY: secrets.hashKey,
    INTEGRATIONS: integration,
    ...integrationEnv('BYZANTINE', demoUrl, { PROVIDER: 'byzantine', BASE_URL: sandboxUrl }),
    INTEGRATION_BYZANTINE_PRIVATE_KEY: secrets.integratorPrivateKey,
    ...integrationEnv('TURNKEY', demoUrl, { PROVIDER: 'turnkey', BASE_URL: sandboxUrl, ...turnkey }),
    INTEGRATION_TURNKEY_PRIVATE_KEY: secrets.turnkeyApiPrivateKey,
    INTEGRATION_TURNKEY_APP_NAME: 'Gangway development',
    ...integrationEnv('TURNKEY_AUTH_PROXY', demoUrl, {
      PROVIDER: 'turnkey-auth-proxy',
      BASE_URL: sandboxUrl,
      ...turnkey,
      AUTH_PROXY_URL: sandboxUrl,
      AUTH_PROXY_CONFIG_ID: AUTH_PROXY_CONFIG_ID,
    }),
    // No load balancer must notice the stop.
    DRAIN_NOTICE_MS: '0',
    ...(set(own) as Record<string, string>),
  };
  const publicKey = publicKeyOf(settings['INTEGRATION_BYZANTINE_PRIVATE_KEY']!);
  if (publicKey === undefined) {
    throw new Plain('INTEGRATION_BYZANTINE_PRIVATE_KEY: npm start needs 64 hex digits of a P-256 key.');
  }
  const prefix = `INTEGRATION_${integration.toUpperCase().replaceAll('-', '_')}_`;
  const origins = settings[`${prefix}ORIGINS`]?.split(',');
  if (!origins) throw new Plain(`tools/development-env.ts has no variables ${prefix}…: add them.`);
  // The demo's port may change, so add the demo's origin to the user's own origins too.
  if (settings[`${prefix}RP_ID`] === 'localhost' && !origins.includes(demoUrl)) origins.push(demoUrl);
  const env = {
    ...settings,
    [`${prefix}ORIGINS`]: origins.join(','),
    HOST,
    PORT: String(ports.service),
    WORKER_PORT: String(ports.worker),
    CONSOLE_PORT: String(ports.console),
    CONSOLE_URL: consoleUrl,
    DATABASE_URL: servers.databaseUrl,
    REDIS_URL: servers.redisUrl,
    SANDBOX_HOST: HOST,
    SANDBOX_PORT: String(ports.sandbox),
    SANDBOX_PUBKEYS: publicKey,
    SANDBOX_TURNKEY_ORGANIZATION: secrets.turnkeyOrganizationId,
    SANDBOX_TURNKEY_API_KEYS: publicKeyOf(secrets.turnkeyApiPrivateKey)!.slice(2),
    SANDBOX_TURNKEY_SIGNER_KEY: secrets.turnkeySignerPrivateKey,
    SANDBOX_TURNKEY_NOTARIZER_KEY: secrets.turnkeyNotarizerPrivateKey,
    SANDBOX_TURNKEY_AUTH_PROXY_CONFIG: AUTH_PROXY_CONFIG_ID,
  };
  const demoEnv = {
    DEMO_PORT: String(ports.demo),
    GANGWAY_URL: serviceUrl,
    GANGWAY_API_KEY: settings['API_KEY']!,
    GANGWAY_INTEGRATION: integration,
    SANDBOX_URL: sandboxUrl,
  };
  const consoleEnv = Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(?:INTEGRATION|SANDBOX_|API_KEY$|SEALING_KEYS$)/.test(name)),
  );
  return {
    env,
    demoEnv,
    consoleEnv,
    serviceUrl,
    workerUrl: `http://${HOST}:${ports.worker}`,
    sandboxUrl,
    demoUrl,
    consoleUrl,
    apiKey: settings['API_KEY']!,
    rpId: settings[`${prefix}RP_ID`]!,
    custody: settings[`${prefix}CUSTODY`],
    origin: origins[0] ?? '',
  };
}
