import { createECDH, randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Plain } from './console.js';
import { STATE } from './checkout.js';

/** The secrets of one checkout's development servers. They are made once for each checkout. */
export interface DevSecrets {
  apiKey: string;
  /** `id:base64` of 32 bytes. */
  sealingKeys: string;
  /** base64 of 32 bytes. */
  hashKey: string;
  /** The integrator's P-256 private key, 64 hex digits. */
  integratorPrivateKey: string;
  /**
   * P-256 private keys of the sandbox's Turnkey, 64 hex digits each: the API key, and the keys of the two
   * enclaves.
   */
  turnkeyApiPrivateKey: string;
  turnkeySignerPrivateKey: string;
  turnkeyNotarizerPrivateKey: string;
  turnkeyOrganizationId: string;
  /** The password of both embedded servers. */
  databasePassword: string;
}

export const DEV_SECRETS = join(STATE, 'dev.json');

/**
 * Reads the development secrets, and makes the missing ones. Only the owner may read the file.
 *
 * @param file another file, for tests
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
  // Write another file and rename it, so that no other command reads a half-written file.
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
    // Keep the file, because the data in this folder cannot be decrypted without the secrets in it.
    throw new Plain(`${file} is not JSON. Correct it, or delete it and run: npm run reset`);
  }
}

function newP256PrivateKey(): string {
  const pair = createECDH('prime256v1');
  pair.generateKeys();
  return pair.getPrivateKey('hex').padStart(64, '0');
}

/**
 * Derives the public key for the sandbox from a private key. The result has the form of the header
 * `X-Pubkey`: `0x` and the compressed point in hex (SEC 1 §2.3.3).
 *
 * @param privateKey hex, with or without `0x`
 * @returns undefined if the text is not a private key; the service reports this error itself
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
