import type { Secret } from '#libs/kernel';
import type { KmsKey } from './kms/kms-signer.js';
import { parsePrivateKey } from './private-key.js';
import type { RequestSigner } from './request-signer.js';
import { checkSignatures } from './self-check.js';

/** The place of a key, and the variable or file that names it, for error messages. */
export type KeySource = { source: string } & ({ privateKey: Secret } | { kms: KmsKey });

/**
 * Opens a key at boot. It parses a local key and checks its signatures. For a remote key, it asks KMS for
 * the public key.
 *
 * @throws InvalidKeyError or RemoteKeyError for a bad key, Error for bad signatures. Each should stop the
 *   boot.
 */
export async function openSigner(key: KeySource): Promise<RequestSigner> {
  if ('kms' in key) {
    // Loaded only if needed: the SDK costs a start some 100 ms, and permanent memory.
    const { openKmsSigner } = await import('./kms/kms-signer.js');
    return openKmsSigner(key.kms, key.source);
  }
  const opened = parsePrivateKey(key.privateKey, key.source);
  checkSignatures(opened, key.source);
  return opened;
}
