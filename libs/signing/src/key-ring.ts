import type { OnApplicationShutdown } from '@nestjs/common';
import { nobleEngine } from './noble-engine.js';
import { opensslEngine } from './openssl-engine.js';
import { parsePrivateKey, type KeyMaterial, type P256PrivateKey } from './private-key.js';
import type { KmsKey } from './kms/kms-signer.js';
import { localSigner, type RequestSigner } from './request-signer.js';
import type { EngineKey, SignatureEncoding, SigningEngine } from './signing-engine.js';

/** A key of this process that signs. It never gives up its private half. */
export interface SigningKey {
  readonly name: string;
  /** SEC1 compressed P-256 public key: 66 lowercase hex digits, no `0x`. */
  readonly publicKeyCompressedHex: string;
  /** ECDSA with SHA-256 over the exact bytes given; DER unless `raw` (r‖s, 64 bytes) is asked for. */
  sign(message: Uint8Array, encoding?: SignatureEncoding): Uint8Array;
}

export type SigningEngineName = SigningEngine['name'];

export const SIGNING_ENGINES = ['openssl', 'noble'] as const satisfies readonly SigningEngineName[];

/** One key of this process: the name code asks for it by, the key, and the variable or file it came from. */
export interface LocalKeyEntry {
  name: string;
  material: KeyMaterial;
  source: string;
}

/** One key at AWS KMS, and the variable that names it. */
export interface RemoteKeyEntry {
  name: string;
  kms: KmsKey;
  source: string;
}

export type KeyEntry = LocalKeyEntry | RemoteKeyEntry;

export interface KeyRingOptions {
  engine: SigningEngineName;
  keys: readonly KeyEntry[];
}

/** The signing keys by name, each proven at boot. Nest closes the remote ones' connections at shutdown. */
export class KeyRing implements OnApplicationShutdown {
  readonly #keys: ReadonlyMap<string, RequestSigner>;

  constructor(keys: readonly RequestSigner[]) {
    this.#keys = new Map(keys.map((key) => [key.name, key]));
  }

  onApplicationShutdown(): void {
    for (const key of this.#keys.values()) key.close?.();
  }

  /** @throws Error naming the keys there are, if there is none of that name. */
  key(name: string): RequestSigner {
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
 * Opens every key: a local one is parsed, checked by the two engines on each other, and kept loaded in the engine asked
 * for; of a remote one, the public key is asked for.
 *
 * @throws InvalidKeyError or RemoteKeyError for a bad key; Error for a name used twice or for engines that
 * disagree. All of them are meant to stop the boot.
 */
export async function openKeyRing({ engine, keys }: KeyRingOptions): Promise<KeyRing> {
  const names = keys.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`two signing keys are named "${twice}"`);
  return new KeyRing(await Promise.all(keys.map((entry) => openKey(entry, engine))));
}

async function openKey(entry: KeyEntry, engine: SigningEngineName): Promise<RequestSigner> {
  if (!('kms' in entry)) return localSigner(openSigningKey(entry, engine));
  // Loaded for those who need it: the SDK costs a start some 100 ms, and memory for good.
  const { openKmsSigner } = await import('./kms/kms-signer.js');
  return openKmsSigner(entry.name, entry.kms, entry.source);
}

/** @throws InvalidKeyError for a bad key; Error where the engines disagree on it. */
export function openSigningKey(
  { name, material, source }: LocalKeyEntry,
  engine: SigningEngineName,
): SigningKey {
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
