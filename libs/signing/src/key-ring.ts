import { nobleEngine } from './noble-engine.js';
import { opensslEngine } from './openssl-engine.js';
import { parsePrivateKey, type KeyMaterial, type P256PrivateKey } from './private-key.js';
import type { EngineKey, SignatureEncoding, SigningEngine } from './signing-engine.js';

/** A key that signs. It never gives up its private half. */
export interface SigningKey {
  readonly name: string;
  /** SEC1 compressed P-256 public key: 66 lowercase hex digits, no `0x`. */
  readonly publicKeyCompressedHex: string;
  /** ECDSA with SHA-256 over the exact bytes given; DER unless `raw` (r‖s, 64 bytes) is asked for. */
  sign(message: Uint8Array, encoding?: SignatureEncoding): Uint8Array;
}

export type SigningEngineName = SigningEngine['name'];

export const SIGNING_ENGINES = ['openssl', 'noble'] as const satisfies readonly SigningEngineName[];

/** One key to load: the name code asks for it by, the key, and the variable or file it came from. */
export interface KeyEntry {
  name: string;
  material: KeyMaterial;
  source: string;
}

export interface KeyRingOptions {
  engine: SigningEngineName;
  keys: readonly KeyEntry[];
}

/** The signing keys of this process by name, each proven at boot. */
export class KeyRing {
  readonly #keys: ReadonlyMap<string, SigningKey>;

  constructor(keys: readonly SigningKey[]) {
    this.#keys = new Map(keys.map((key) => [key.name, key]));
  }

  /** @throws Error naming the keys there are, if there is none of that name. */
  key(name: string): SigningKey {
    const key = this.#keys.get(name);
    if (!key) {
      throw new Error(
        `no signing key named "${name}"; there are: ${[...this.#keys.keys()].join(', ') || 'none'}`,
      );
    }
    return key;
  }
}

const ENGINES: Record<SigningEngineName, SigningEngine> = { openssl: opensslEngine, noble: nobleEngine };

/**
 * Parses every key, has the two engines check each other on it, and keeps it loaded in the engine asked for.
 *
 * @throws InvalidKeyError for a bad key; Error for a name used twice or for engines that disagree. All of them
 * are meant to stop the boot.
 */
export function openKeyRing({ engine, keys }: KeyRingOptions): KeyRing {
  const names = keys.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`two signing keys are named "${twice}"`);
  return new KeyRing(keys.map((entry) => openKey(entry, engine)));
}

function openKey({ name, material, source }: KeyEntry, engine: SigningEngineName): SigningKey {
  const key = parsePrivateKey(material, source);
  assertEnginesAgree({ openssl: ENGINES.openssl.load(key), noble: ENGINES.noble.load(key) }, key, source);
  return loadSigningKey(name, key, engine);
}

/** Keeps a key loaded in the engine asked for. Nothing is proven here. */
export function loadSigningKey(name: string, key: P256PrivateKey, engine: SigningEngineName): SigningKey {
  const loaded = ENGINES[engine].load(key);
  return {
    name,
    publicKeyCompressedHex: Buffer.from(key.publicKey).toString('hex'),
    sign: (message, encoding = 'der') => loaded.sign(message, encoding),
  };
}

/**
 * Has each engine verify what the other signs, so that a broken build of either is met at boot and not as an
 * upstream's 401 hours later.
 *
 * @throws Error naming the key's source and the engine whose signature was refused.
 */
export function assertEnginesAgree(
  engines: Record<SigningEngineName, EngineKey>,
  key: P256PrivateKey,
  source: string,
): void {
  const probe = Buffer.concat([Buffer.from('gangway signing check '), key.publicKey]);
  for (const signer of SIGNING_ENGINES) {
    const checker = signer === 'openssl' ? 'noble' : 'openssl';
    for (const encoding of ['der', 'raw'] as const) {
      if (!engines[checker].verify(probe, engines[signer].sign(probe, encoding), encoding)) {
        throw new Error(
          `the signing engines disagree on the key of ${source}: ` +
            `${checker} refuses what ${signer} signed (${encoding})`,
        );
      }
    }
  }
}
