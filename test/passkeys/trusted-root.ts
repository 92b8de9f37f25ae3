import { SettingsService } from '@simplewebauthn/server';
import { ROOT } from './attestations.js';

const ROOTED = ['android-key', 'android-safetynet', 'apple'] as const;

/** Has this process take the tests' own root for a vendor's. @returns what puts the vendors' back. */
export function trustRoot(): () => void {
  const before = ROOTED.map((identifier) => ({
    identifier,
    certificates: SettingsService.getRootCertificates({ identifier }),
  }));
  for (const identifier of ROOTED) {
    SettingsService.setRootCertificates({ identifier, certificates: [ROOT.pem] });
  }
  return () => before.forEach((roots) => SettingsService.setRootCertificates(roots));
}
