import { SettingsService } from '@simplewebauthn/server';

/** Formats whose certificates must lead to the root of a vendor. */
export const ROOTED = ['android-key', 'android-safetynet', 'apple'] as const;
export type RootedFormat = (typeof ROOTED)[number];

/**
 * "Key Attestation CA1": Google's root since February 2026, in addition to the library's roots. From
 * developer.android.com/privacy-and-security/security-key-attestation.
 */
export const GOOGLE_ROOT_OF_2026 = `-----BEGIN CERTIFICATE-----
MIICIjCCAaigAwIBAgIRAISp0Cl7DrWK5/8OgN52BgUwCgYIKoZIzj0EAwMwUjEc
MBoGA1UEAwwTS2V5IEF0dGVzdGF0aW9uIENBMTEQMA4GA1UECwwHQW5kcm9pZDET
MBEGA1UECgwKR29vZ2xlIExMQzELMAkGA1UEBhMCVVMwHhcNMjUwNzE3MjIzMjE4
WhcNMzUwNzE1MjIzMjE4WjBSMRwwGgYDVQQDDBNLZXkgQXR0ZXN0YXRpb24gQ0Ex
MRAwDgYDVQQLDAdBbmRyb2lkMRMwEQYDVQQKDApHb29nbGUgTExDMQswCQYDVQQG
EwJVUzB2MBAGByqGSM49AgEGBSuBBAAiA2IABCPaI3FO3z5bBQo8cuiEas4HjqCt
G/mLFfRT0MsIssPBEEU5Cfbt6sH5yOAxqEi5QagpU1yX4HwnGb7OtBYpDTB57uH5
Eczm34A5FNijV3s0/f0UPl7zbJcTx6xwqMIRq6NCMEAwDwYDVR0TAQH/BAUwAwEB
/zAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFFIyuyz7RkOb3NaBqQ5lZuA0QepA
MAoGCCqGSM49BAMDA2gAMGUCMETfjPO/HwqReR2CS7p0ZWoD/LHs6hDi422opifH
EUaYLxwGlT9SLdjkVpz0UUOR5wIxAIoGyxGKRHVTpqpGRFiJtQEOOTp/+s1GcxeY
uR2zh/80lQyu9vAFCj6E4AXc+osmRg==
-----END CERTIFICATE-----
`;

const asDer = (pem: string) => new Uint8Array(Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64'));

SettingsService.setRootCertificates({
  identifier: 'android-key',
  // In DER, because PEM texts of the same root may be formatted differently.
  certificates: [...rootsOf('android-key'), GOOGLE_ROOT_OF_2026].map(asDer),
});

/** PEM, from @simplewebauthn/server (Google, Apple or GlobalSign), and Google's root of 2026. */
export function rootsOf(format: RootedFormat): string[] {
  return SettingsService.getRootCertificates({ identifier: format });
}
