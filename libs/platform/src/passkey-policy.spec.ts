import { describe, expect, it } from '@jest/globals';
import { TEST_ENV } from '#libs/testing';
import { PROVIDERS } from '#libs/upstream';
import { ConfigError, parseConfig } from './config.js';
import type { PasskeyPolicy } from './passkey-policy.js';

const IPHONE = 'dd4ec289-e01d-41c9-bb89-70fa845d4bf2';
const KEY = 'ee882879-721c-4913-9775-3dfcce97072a';
const ANDROID = `android:apk-key-hash:${Buffer.alloc(32, 7).toString('base64url')}`;
const PREFIX = 'INTEGRATION_ACME_';

const good = {
  ...TEST_ENV,
  INTEGRATIONS: 'acme',
  [`${PREFIX}PROVIDER`]: 'byzantine',
  [`${PREFIX}BASE_URL`]: 'http://127.0.0.1:4000',
  [`${PREFIX}PRIVATE_KEY`]: '01'.repeat(32),
  [`${PREFIX}RP_ID`]: 'example.com',
  [`${PREFIX}RP_NAME`]: 'Acme',
  [`${PREFIX}ORIGINS`]: 'https://example.com',
};

const prefixed = (own: Record<string, string>) =>
  Object.fromEntries(Object.entries(own).map(([name, value]) => [PREFIX + name, value]));
const policyOf = (own: Record<string, string>): PasskeyPolicy =>
  parseConfig({ ...good, ...prefixed(own) }, PROVIDERS).INTEGRATIONS[0]!.passkeys;

describe('the passkey policy of an integration', () => {
  it('has a default for everything except the relying party', () => {
    expect(policyOf({})).toEqual({
      rpId: 'example.com',
      rpName: 'Acme',
      origins: ['https://example.com'],
      userVerification: 'required',
      residentKey: 'preferred',
      attestation: 'none',
      algorithms: [-7, -257],
      aaguidAllow: [],
      aaguidDeny: [],
      maxAuthenticators: 10,
    });
  });

  it('has the values of the variables, with the algorithms in their order', () => {
    expect(
      policyOf({
        ORIGINS: 'https://app.example.com, https://example.com:8443',
        USER_VERIFICATION: 'discouraged',
        RESIDENT_KEY: 'required',
        ATTESTATION: 'direct',
        ALGORITHMS: 'RS256, ES256',
        AAGUID_ALLOW: ` ${IPHONE.toUpperCase()}`,
        AAGUID_DENY: `${KEY},00000000-0000-0000-0000-000000000000`,
        MAX_AUTHENTICATORS: '1',
      }),
    ).toMatchObject({
      origins: ['https://app.example.com', 'https://example.com:8443'],
      userVerification: 'discouraged',
      residentKey: 'required',
      attestation: 'direct',
      algorithms: [-257, -7],
      aaguidAllow: [IPHONE],
      aaguidDeny: [KEY, '00000000-0000-0000-0000-000000000000'],
      maxAuthenticators: 1,
    });
    expect(policyOf({ ALGORITHMS: 'ES256' }).algorithms).toEqual([-7]);
  });

  it('accepts an Android app, and http only for localhost', () => {
    expect(policyOf({ ORIGINS: `https://example.com,${ANDROID}` }).origins).toEqual([
      'https://example.com',
      ANDROID,
    ]);
    const origins = ['http://localhost', 'http://app.localhost:3000', 'https://localhost:8443'];
    expect(policyOf({ RP_ID: 'localhost', ORIGINS: origins.join(',') }).origins).toEqual(origins);
  });

  const noAddress = 'is an IP address, which passkeys do not allow: give a domain name, or localhost';
  const noOrigins =
    'is not a comma separated list of web origins such as https://app.example.com (no path, no slash at ' +
    'the end), or of android:apk-key-hash: with the 43 characters of a SHA-256 in base64url';
  const insecure =
    'has an origin that is not https, which browsers require for passkeys: only localhost may be http';
  const foreign = `has 1 of 3 origins whose host is neither ${PREFIX}RP_ID nor a subdomain of it`;
  const noAlgorithms = 'is not a comma separated list of ES256 and RS256: the providers accept no other';
  const noAaguids = 'is not a comma separated list of AAGUIDs, which are written as UUIDs';
  const ADDRESSES = ['127.0.0.1', '127.1', '2130706433', '0x7f.0.0.1'];
  const WRONG_ORIGINS = [
    'app.example.com',
    'https://example.com/',
    'https://example.com:443',
    'https://EXAMPLE.com',
    ANDROID.slice(0, -1),
    `${ANDROID}A`,
    `${ANDROID.slice(0, -1)}B`,
    `${ANDROID}=`,
    'ios:bundle-id:x',
    `https://example.com,${ANDROID}/`,
  ];
  const INSECURE_ORIGINS = [
    'http://example.com',
    'ftp://example.com',
    'wss://example.com',
    'http://127.0.0.1',
    'http://notlocalhost',
    'http://localhost.example.com',
  ];
  it.each<[variable: string, value: string, detail: string, more?: Record<string, string>]>([
    ['RP_ID', 'https://x', 'is not a domain name'],
    ...ADDRESSES.map((host) => ['RP_ID', host, noAddress] as [string, string, string]),
    ...WRONG_ORIGINS.map((origin) => ['ORIGINS', origin, noOrigins] as [string, string, string]),
    ...INSECURE_ORIGINS.map(
      (origin) => ['ORIGINS', `https://example.com,${origin}`, insecure] as [string, string, string],
    ),
    ['ORIGINS', 'https://example.com, https://example.com', 'names an origin twice'],
    ['ORIGINS', `${ANDROID},https://example.com,${ANDROID}`, 'names an origin twice'],
    ['ORIGINS', `https://example.com,https://example.org,${ANDROID}`, foreign],
    ['USER_VERIFICATION', 'yes', 'is not one of: required, preferred, discouraged'],
    ['RESIDENT_KEY', 'true', 'is not one of: required, preferred, discouraged'],
    ['ATTESTATION', 'Direct', 'is not one of: none, indirect, direct, enterprise'],
    ['ALGORITHMS', 'ES256,EdDSA', noAlgorithms],
    ['ALGORITHMS', 'ES256,', noAlgorithms],
    ['ALGORITHMS', 'constructor', noAlgorithms],
    ['ALGORITHMS', 'ES256,ES256', 'names an algorithm twice'],
    ['AAGUID_DENY', 'yubikey', noAaguids],
    ['AAGUID_DENY', `${KEY};${IPHONE}`, noAaguids],
    ['AAGUID_DENY', `${KEY},${KEY.toUpperCase()}`, 'names an AAGUID twice'],
    ['AAGUID_ALLOW', 'any', noAaguids, { ATTESTATION: 'direct' }],
    ['MAX_AUTHENTICATORS', '0', 'is less than 1'],
    ['MAX_AUTHENTICATORS', '11', 'is more than 10'],
    [
      'AAGUID_DENY',
      `${KEY},${IPHONE}`,
      `has ${IPHONE}, which ${PREFIX}AAGUID_ALLOW has too`,
      { ATTESTATION: 'direct', AAGUID_ALLOW: IPHONE },
    ],
    [
      'ATTESTATION',
      'none',
      `is "none", but ${PREFIX}AAGUID_ALLOW needs an attestation: it would refuse all passkeys`,
      { AAGUID_ALLOW: IPHONE },
    ],
  ])('refuses %s=%s at boot, with the error: %s', (variable, value, detail, more = {}) => {
    const faults: unknown[] = [];
    try {
      policyOf({ ...more, [variable]: value });
    } catch (error) {
      if (error instanceof ConfigError) faults.push(...error.faults);
    }
    expect(faults).toEqual([{ variable: PREFIX + variable, detail }]);
  });
});
