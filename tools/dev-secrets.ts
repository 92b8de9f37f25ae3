import { createECDH, randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Plain } from './console.js';
import { STATE } from './checkout.js';

/** The secrets of one checkout's development servers, made once. */
export interface DevSecrets {
  apiKey: string;
  /** `id:base64` of 32 bytes. */
  sealingKeys: string;
  /** base64 of 32 bytes. */
  hashKey: string;
  /** P-256, 64 hex digits. */
  integratorPrivateKey: string;
  /** P-256, 64 hex digits each: the API key of the sandbox's Turnkey, and the keys of its two enclaves. */
  turnkeyApiPrivateKey: string;
  turnkeySignerPrivateKey: string;
  turnkeyNotarizerPrivateKey: string;
  turnkeyOrganizationId: string;
  /** Of both embedded servers. */
  databasePassword: string;
}

export const DEV_SECRETS = join(STATE, 'dev.json');

/**
 * Reads the development secrets, and makes the missing ones. Only the owner may read the file.
 *
 * @throws Plain if the file is not JSON
 */
export function loadDevSecrets(file = DEV_SECRETS): DevSecrets {
  const kept = readKept(file);
  const secrets: DevSecrets = {
    apiKey: `gw_dev_${randomBytes(24).toString('base64url')}`,
    sealingKeys: `dev:${randomBytes(32).toString('base64')}`,
    hashKey: randomBytes(32).toString('base64'),
    integratorPrivateKey: newP256PrivateKey(),
    turnkeyApiPrivateKey: newP256PrivateKey(),
    turnkeySignerPrivateKey: newP256PrivateKey(),
    turnkeyNotarizerPrivateKey: newP256PrivateKey(),
    turnkeyOrganizationId: randomUUID(),
    databasePassword: randomBytes(18).toString('hex'),
    ...kept,
  };
  if (Object.keys(secrets).every((name) => name in kept)) return secrets;
  mkdirSync(dirname(file), { recursive: true });
  // Write another file and rename it, so that no command reads a half-written file.
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(aside, file);
  return secrets;
}

function readKept(file: string): Partial<DevSecrets> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  try {
    return JSON.parse(text) as Partial<DevSecrets>;
  } catch {
    // Keep the file, because the data in this folder cannot be decrypted without its secrets.
    throw new Plain(`${file} is not JSON. Correct it, or delete it and run: npm run reset`);
  }
}

function newP256PrivateKey(): string {
  const pair = createECDH('prime256v1');
  pair.generateKeys();
  return pair.getPrivateKey('hex').padStart(64, '0');
}

/**
 * @param privateKey hex, with or without `0x`
 * @returns the public key as in `X-Pubkey`: `0x` and the compressed point in hex (SEC 1 §2.3.3). Undefined if
 *   the text is not a private key; the service reports this error itself.
 */
export function publicKeyOf(privateKey: string): string | undefined {
  const pair = createECDH('prime256v1');
  try {
    pair.setPrivateKey(privateKey.replace(/^0x/, ''), 'hex');
  } catch {
    return undefined;
  }
  return `0x${pair.getPublicKey('hex', 'compressed')}`;
}
