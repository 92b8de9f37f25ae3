import { X509Certificate } from 'node:crypto';
import { SettingsService } from '@simplewebauthn/server';
import { ROOT } from './attestations.js';

const ROOTED = ['android-key', 'android-safetynet', 'apple'] as const;

/** Replaces the vendors' roots that this process trusts. @returns the undo function. */
export function trustRoot(pem = ROOT.pem): () => void {
  const before = ROOTED.map((identifier) => ({
    identifier,
    certificates: SettingsService.getRootCertificates({ identifier }),
  }));
  for (const identifier of ROOTED) {
    SettingsService.setRootCertificates({
      identifier,
      certificates: [new Uint8Array(new X509Certificate(pem).raw)],
    });
  }
  return () => before.forEach((roots) => SettingsService.setRootCertificates(roots));
}
