import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { SettingsService } from '@simplewebauthn/server';
import { encode } from 'cborg';
import { aPasskeyPolicy } from '#libs/testing';
import { IPHONE, PIXEL, type RealAttestation } from '../../../test/passkeys/real-attestations.js';
import { readAttestationObject } from './attestation.js';
import { PreflightError } from './attestation-error.js';
import { leadsToRoot } from './certificate-chain.js';
import { preflight } from './preflight.js';

/** What came of a real device's passkey, had it come at that time: its model, or the check that it failed. */
async function endOf({ rpId, origin, challenge, response }: RealAttestation, at: Date): Promise<string> {
  const rest = [
    'hrtime',
    'nextTick',
    'performance',
    'queueMicrotask',
    'setImmediate',
    'setInterval',
    'setTimeout',
  ] as const;
  jest.useFakeTimers({ now: at, doNotFake: [...rest] });
  try {
    return (await preflight(response, aPasskeyPolicy({ rpId, origins: [origin] }), new Set([challenge])))
      .aaguid;
  } catch (error) {
    if (error instanceof PreflightError) return error.code;
    throw error;
  }
}

afterEach(() => {
  jest.useRealTimers();
});

describe('a real device, whose certificates lead to the root of its vendor', () => {
  it.each<[string, RealAttestation, string]>([
    ['an iPhone', IPHONE, '00000000-0000-0000-0000-000000000000'],
    ['a Pixel', PIXEL, 'b93fd961-f2e6-462f-b122-82002247de78'],
  ])('%s passes while they are good, and neither before nor after', async (_, device, model) => {
    expect(await endOf(device, device.at)).toBe(model);
    for (const year of ['2019', '2030']) {
      expect(await endOf(device, new Date(`${year}-01-01T00:00:00Z`))).toBe('attestation_not_trusted');
    }
  });
});

describe('Google’s root, which was renewed with its key', () => {
  const { format, statement, authData } = readAttestationObject(PIXEL.response.response.attestationObject);
  const x5c = statement.get('x5c') as Uint8Array[];
  const pems = SettingsService.getRootCertificates({ identifier: 'android-key' });
  const roots = pems.map((pem) => new X509Certificate(pem));

  it('ended for the one of 2016, and not for the devices that carry it', () => {
    const [first] = roots;
    const later = new Date('2027-01-01T00:00:00Z');
    expect(first!.validToDate.getTime()).toBeLessThan(later.getTime());
    const issuer = x5c.at(-2)!; // of Google’s own, until 2037
    expect(leadsToRoot([issuer, first!.raw], pems, later)).toBe(true);
    expect(leadsToRoot([issuer, first!.raw], [pems[0]!], later)).toBe(false);
    expect(leadsToRoot([x5c[0]!, ...x5c.slice(1, -1), first!.raw], pems, later)).toBe(false);
  });

  it.each(roots.map((root): [string, X509Certificate] => [root.validFrom, root]))(
    'is taken from a device as it was made: %s',
    async (_, root) => {
      const chained = new Map(statement).set('x5c', [...x5c.slice(0, -1), root.raw]);
      const object = encode({ fmt: format, attStmt: chained, authData });
      const response = {
        ...PIXEL.response.response,
        attestationObject: Buffer.from(object).toString('base64url'),
      };
      const device = { ...PIXEL, response: { ...PIXEL.response, response } };
      expect(await endOf(device, PIXEL.at)).toBe('b93fd961-f2e6-462f-b122-82002247de78');
    },
  );
});
