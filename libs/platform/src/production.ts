import { createHash, createPrivateKey, type JsonWebKey } from 'node:crypto';
import type { Config, ConsoleConfig } from './config.js';
import type { Faults } from './config-values.js';
import { plainLogins } from './console-settings.js';
import { plainUrls } from './integration-config.js';
import { passwordIn } from './server-urls.js';

/** SHA-256 of the private keys in docker-compose.yml, which are published with the code. */
const PUBLISHED_KEYS = new Set(['80363c419a9af803363c2fdc2007378ab87ad26aec6eca2df959c945c8e6b88b']);

const DEVELOPMENT = /\b(dev|development|test|tests|example|changeme)\b/i;

/** Whether a key is typed text, a repeated byte or a sequence. 32 random bytes never look like this. */
function isMadeUp(key: Buffer): boolean {
  const isText = key.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText || new Set(key).size < 12;
}

function isKnown(privateKey: string): boolean {
  const hex = scalarOf(privateKey.trim());
  if (hex === null) return false;
  return (
    PUBLISHED_KEYS.has(createHash('sha256').update(hex).digest('hex')) || isMadeUp(Buffer.from(hex, 'hex'))
  );
}

/**
 * A private key in any allowed notation, as 64 hex digits. Null for other texts, which another check refuses.
 */
function scalarOf(text: string): string | null {
  if (/^(0x)?[0-9a-f]{64}$/i.test(text)) return text.slice(-64).toLowerCase();
  try {
    const key = text.startsWith('{')
      ? createPrivateKey({ key: JSON.parse(text) as JsonWebKey, format: 'jwk' })
      : createPrivateKey(text);
    return Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url').toString('hex');
  } catch {
    return null;
  }
}

const words = (value: string) => value.replaceAll('_', '-');

export function consoleProductionFaults(config: ConsoleConfig): Faults {
  if (config.NODE_ENV !== 'production') return [];
  return [...sharedFaults(config), ...plainLogins(config)];
}

export function productionFaults(config: Config): Faults {
  if (config.NODE_ENV !== 'production') return [];
  const faults: Faults = [...config.INTEGRATIONS.flatMap(plainUrls), ...sharedFaults(config)];
  const refuse = (variable: string, detail: string) => faults.push({ variable, detail });
  if (config.API_KEY && DEVELOPMENT.test(words(config.API_KEY.reveal()))) {
    refuse('API_KEY', 'is a development key: make keys with "gangway keys create", and leave API_KEY unset');
  }
  for (const { id, key } of config.SEALING_KEYS) {
    if (DEVELOPMENT.test(id)) refuse('SEALING_KEYS', `has key "${id}", a development key by its name`);
    else if (isMadeUp(key)) refuse('SEALING_KEYS', `has key "${id}", whose bytes are not random`);
  }
  for (const integration of config.INTEGRATIONS) {
    for (const key of integration.keys) {
      if ('privateKey' in key && isKnown(key.privateKey.reveal())) {
        refuse(key.source, 'is published, or its bytes are not random: make a new key');
      }
    }
  }
  return faults;
}

function sharedFaults(config: ConsoleConfig): Faults {
  const faults: Faults = [];
  const refuse = (variable: string, detail: string) => faults.push({ variable, detail });
  if (isMadeUp(config.HASH_KEY)) refuse('HASH_KEY', 'has bytes that are not random');
  const password = config.OPS_PASSWORD?.reveal();
  if (password !== undefined) {
    if (DEVELOPMENT.test(words(password))) refuse('OPS_PASSWORD', 'is a development password');
    else if (isGuessable(password)) refuse('OPS_PASSWORD', 'is easy to guess: use a random one');
  }
  for (const variable of ['DATABASE_URL', 'REDIS_URL'] as const) {
    if (DEVELOPMENT.test(words(passwordIn(config[variable])))) refuse(variable, 'has a development password');
  }
  return faults;
}

function isGuessable(password: string): boolean {
  const rest = password.toLowerCase().replaceAll(/gangway|password|console|emergency|admin|welcome/g, '');
  return new Set(rest).size < 8;
}
