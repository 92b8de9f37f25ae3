import type { Secret } from '#libs/kernel';
import type { KmsKey } from './kms/kms-signer.js';
import { parsePrivateKey } from './private-key.js';
import type { RequestSigner } from './request-signer.js';
import { checkSignatures } from './self-check.js';

/** Where a key is, and the variable or file that says so, for error messages. */
export type KeySource = { source: string } & ({ privateKey: Secret } | { kms: KmsKey });

/**
 * Opens a key at boot: a local one is parsed and its signatures are checked; KMS is asked for the public key of a
 * remote one.
 *
 * @throws InvalidKeyError or RemoteKeyError for a bad key, Error for bad signatures. Each is meant to stop the boot.
 */
export async function openSigner(key: KeySource): Promise<RequestSigner> {
  if ('kms' in key) {
    // Loaded for those who need it: the SDK costs a start some 100 ms, and memory for good.
    const { openKmsSigner } = await import('./kms/kms-signer.js');
    return openKmsSigner(key.kms, key.source);
  }
  const opened = parsePrivateKey(key.privateKey, key.source);
  checkSignatures(opened, key.source);
  return opened;
}
