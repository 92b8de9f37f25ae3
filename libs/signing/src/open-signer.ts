import type { Secret } from '#libs/kernel';
import type { KmsKey } from './kms/kms-signer.js';
import { parsePrivateKey } from './private-key.js';
import type { RequestSigner } from './request-signer.js';
import { checkSignatures } from './self-check.js';

/** Where a key is stored. `source` is the variable or file that names it in error messages. */
export type KeySource = { source: string } & ({ privateKey: Secret } | { kms: KmsKey });

/**
 * Opens a key at boot, and checks the signatures of a local key.
 *
 * @throws InvalidKeyError or RemoteKeyError for a bad key, Error for bad signatures. The boot should stop.
 */
export async function openSigner(key: KeySource): Promise<RequestSigner> {
  if ('kms' in key) {
    // The SDK costs some 100 ms at start, and memory.
    const { openKmsSigner } = await import('./kms/kms-signer.js');
    return openKmsSigner(key.kms, key.source);
  }
  const opened = parsePrivateKey(key.privateKey, key.source);
  checkSignatures(opened, key.source);
  return opened;
}
