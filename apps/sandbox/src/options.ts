import { parseArgs } from 'node:util';
import { parseIntegratorKey } from './byzantine/integrator-keys.js';
import { COMPRESSED_POINT, importCompressedPoint, p256FromScalar } from './p256.js';
import type { SandboxOptions } from './sandbox.js';

/** The message names the flag or variable with the bad value. */
export class OptionError extends Error {}

export const USAGE = `Usage: sandbox [options]

  --host <address>         SANDBOX_HOST                where to listen (127.0.0.1)
  --port <number>          SANDBOX_PORT                where to listen (4000; 0: any free port)
  --pubkey <key>           SANDBOX_PUBKEYS             0x…[:read_only|:read_write][:label]; repeatable, or
                                                       separated by commas (a new key pair, printed)
  --accept-any-subject     SANDBOX_ACCEPT_ANY_SUBJECT  accept accounts and users that were not registered
  --code-life-ms <ms>      SANDBOX_CODE_LIFE_MS        life of a code (300000)
  --session-life-ms <ms>   SANDBOX_SESSION_LIFE_MS     life of a session (900000)
  --rp-id <id>             SANDBOX_RP_ID               refuse attestations for another relying party
  --origins <list>         SANDBOX_ORIGINS             refuse attestations from other origins; separated by
                                                       commas

Turnkey: each flag has its variable, e.g. SANDBOX_TURNKEY_ORGANIZATION; keys are hex without 0x.

  --turnkey-organization <id>        the parent organization (a new UUID)
  --turnkey-api-keys <list>          compressed public keys of the parent (a new key pair, printed)
  --turnkey-signer-key <key>         private key that signs OTP bundles and verification tokens (a new one)
  --turnkey-notarizer-key <key>      private key that signs sessions (a new one)
  --turnkey-auth-proxy-config <id>   required value of X-Auth-Proxy-Config-Id (a new UUID)
  --turnkey-origins <list>           origins that the Auth Proxy accepts, by CORS and by its own check (any);
                                     with a list, a request without Origin is refused
  --turnkey-captcha                  the Auth Proxy asks for an X-Captcha-Token

  --help, -h

Defaults are in parentheses. A flag wins over its variable.`;

const FLAGS = {
  host: { type: 'string' },
  port: { type: 'string' },
  pubkey: { type: 'string', multiple: true },
  'accept-any-subject': { type: 'boolean' },
  'code-life-ms': { type: 'string' },
  'session-life-ms': { type: 'string' },
  'rp-id': { type: 'string' },
  origins: { type: 'string' },
  'turnkey-organization': { type: 'string' },
  'turnkey-api-keys': { type: 'string' },
  'turnkey-signer-key': { type: 'string' },
  'turnkey-notarizer-key': { type: 'string' },
  'turnkey-auth-proxy-config': { type: 'string' },
  'turnkey-origins': { type: 'string' },
  'turnkey-captcha': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/**
 * A flag overrides the variable of the same option.
 *
 * @param argv the arguments after the script's name
 * @throws OptionError
 */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): SandboxOptions | 'help' {
  const flags = readFlags(argv);
  if (flags.help) return 'help';

  const setting = (flag: TextFlag): Setting => {
    const variable = `SANDBOX_${flag.replaceAll('-', '_').toUpperCase()}`;
    return flags[flag] !== undefined
      ? { name: `--${flag}`, value: flags[flag] }
      : { name: variable, value: env[variable] || undefined };
  };

  return {
    host: setting('host').value ?? '127.0.0.1',
    port: integer(setting('port'), 0, 65_535) ?? 4000,
    pubkeys: flags.pubkey
      ? keys('--pubkey', flags.pubkey.join(','))
      : keys('SANDBOX_PUBKEYS', env['SANDBOX_PUBKEYS'] ?? ''),
    acceptAnySubject: flags['accept-any-subject'] ?? flag('SANDBOX_ACCEPT_ANY_SUBJECT', env),
    codeLifeMs: integer(setting('code-life-ms'), 1),
    sessionLifeMs: integer(setting('session-life-ms'), 1),
    rpId: setting('rp-id').value,
    origins: origins(setting('origins')),
    turnkey: {
      organizationId: organizationId(setting('turnkey-organization')),
      apiPublicKeys: points(setting('turnkey-api-keys')),
      signerPrivateKey: scalar(setting('turnkey-signer-key')),
      notarizerPrivateKey: scalar(setting('turnkey-notarizer-key')),
      authProxyConfigId: setting('turnkey-auth-proxy-config').value,
      allowedOrigins: origins(setting('turnkey-origins')),
      captcha: flags['turnkey-captcha'] ?? flag('SANDBOX_TURNKEY_CAPTCHA', env),
    },
  };
}

type TextFlag = {
  [Name in keyof typeof FLAGS]: (typeof FLAGS)[Name] extends { type: 'string'; multiple: true }
    ? never
    : (typeof FLAGS)[Name]['type'] extends 'string'
      ? Name
      : never;
}[keyof typeof FLAGS];

interface Setting {
  name: string;
  value: string | undefined;
}

function readFlags(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new OptionError((error as Error).message);
  }
}

function integer({ name, value }: Setting, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (number >= min && number <= max) return number;
  throw new OptionError(`${name} must be a whole number from ${min} to ${max}, not "${value}"`);
}

function flag(name: string, env: NodeJS.ProcessEnv): boolean {
  const value = env[name] ?? '';
  if (['', '0', 'false'].includes(value)) return false;
  if (['1', 'true'].includes(value)) return true;
  throw new OptionError(`${name} must be true or false, not "${value}"`);
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function keys(name: string, value: string): string[] {
  const specs = list(value);
  try {
    for (const spec of specs) parseIntegratorKey(spec);
  } catch (error) {
    throw new OptionError(`${name}: ${(error as Error).message}`);
  }
  return specs;
}

function organizationId({ name, value }: Setting): string | undefined {
  if (value === undefined || /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(value)) return value;
  throw new OptionError(`${name}: "${value}" is not a UUID`);
}

function points({ name, value }: Setting): string[] {
  return list(value ?? '').map((key) => {
    if (!COMPRESSED_POINT.test(key)) {
      throw new OptionError(
        `${name}: "${key}" is not a public key: give a compressed P-256 point, 33 bytes of lower-case hex`,
      );
    }
    try {
      importCompressedPoint(key);
      return key;
    } catch (error) {
      throw new OptionError(`${name}: ${(error as Error).message}`);
    }
  });
}

/** The error does not repeat the private key. */
function scalar({ name, value }: Setting): string | undefined {
  if (value === undefined) return undefined;
  try {
    return p256FromScalar(value).privateKeyHex;
  } catch (error) {
    throw new OptionError(`${name}: ${(error as Error).message}`);
  }
}

function origins({ name, value }: Setting): string[] | undefined {
  if (value === undefined) return undefined;
  return list(value).map((origin) => {
    if (URL.canParse(origin) && new URL(origin).origin === origin) return origin;
    throw new OptionError(`${name}: "${origin}" is not an origin: give scheme://host[:port]`);
  });
}
