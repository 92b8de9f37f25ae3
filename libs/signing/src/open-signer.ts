import type { Secret } from '#libs/kernel';
import type { KmsKey } from './kms/kms-signer.js';
import { parsePrivateKey } from './private-key.js';
import type { RequestSigner } from './request-signer.js';
import { checkSignatures } from './self-check.js';

/** Where a key is stored, and the variable or file that names it in error messages. */
export type KeySource = { source: string } & ({ privateKey: Secret } | { kms: KmsKey });

/**
 * Opens a key at boot. It parses a local key and checks its signatures. For a remote key, it asks KMS for
 * the public key.
 *
 * @throws InvalidKeyError or RemoteKeyError for a bad key, Error for bad signatures. These errors should stop
 *   the boot.
 */
export async function openSigner(key: KeySource): Promise<RequestSigner> {
  if ('kms' in key) {
    // The SDK is loaded only if needed, because it takes some 100 ms at start and permanent memory.
    const { openKmsSigner } = await import('./kms/kms-signer.js');
    return openKmsSigner(key.kms, key.source);
  }
  const opened = parsePrivateKey(key.privateKey, key.source);
  checkSignatures(opened, key.source);
  return opened;
}
