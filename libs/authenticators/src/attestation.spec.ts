import { X509Certificate, createHash } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { encode } from 'cborg';
import { aPasskeyPolicy } from '#libs/testing';
import { DROID_CA2, IPHONE, PIXEL, type RealAttestation } from '../../../test/passkeys/real-attestations.js';
import { readAttestationObject } from './attestation.js';
import { completeChain } from './certificate-chain.js';
import { endOf as ceremonyOf } from './fixtures/ceremony.js';
import { GOOGLE_ROOT_OF_2026, rootsOf } from './trusted-roots.js';

/** The AAGUID of a real device whose passkey is checked at a given time, or the code of the failed check. */
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
  const policy = aPasskeyPolicy({ rpId, origins: [origin] });
  const end = await ceremonyOf(response, policy, new Set([challenge]));
  return typeof end === 'string' ? end : end.aaguid;
}

afterEach(() => {
  jest.useRealTimers();
});

describe('the passkey of a real device, with certificates of the vendor', () => {
  it.each<[string, RealAttestation, string]>([
    ['an iPhone', IPHONE, '00000000-0000-0000-0000-000000000000'],
    ['a Pixel', PIXEL, 'b93fd961-f2e6-462f-b122-82002247de78'],
  ])('is accepted only while the certificates are valid: %s', async (_, device, model) => {
    expect(await endOf(device, device.at)).toBe(model);
    for (const year of ['2019', '2030']) {
      expect(await endOf(device, new Date(`${year}-01-01T00:00:00Z`))).toBe('attestation_not_trusted');
    }
  });
});

describe('Google’s Android root of 2016, which Google renewed with the same key', () => {
  const { format, statement, authData } = readAttestationObject(PIXEL.response.response.attestationObject);
  const x5c = statement.get('x5c') as Uint8Array[];
  const pems = rootsOf('android-key');
  const roots = pems.map((pem) => new X509Certificate(pem));

  const leads = (...given: Parameters<typeof completeChain>) => completeChain(...given) !== null;

  it('may end a chain even after it has expired, because a newer version of it is valid', () => {
    const [first] = roots;
    const later = new Date('2027-01-01T00:00:00Z');
    expect(first!.validToDate.getTime()).toBeLessThan(later.getTime());
    const issuer = x5c.at(-2)!; // a certificate of Google, valid until 2037
    expect(leads([issuer, first!.raw], pems, later)).toBe(true);
    expect(leads([issuer, first!.raw], [pems[0]!], later)).toBe(false);
    expect(leads([x5c[0]!, ...x5c.slice(1, -1), first!.raw], pems, later)).toBe(false);
  });

  const ofOneKey = roots.filter(({ publicKey }) => publicKey.equals(roots[0]!.publicKey));
  it.each(ofOneKey.map((root): [string, X509Certificate] => [root.validFrom, root]))(
    'is accepted at the end of a chain in each of its versions: valid from %s',
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

describe('Google’s root of 2026, which has a new key', () => {
  const roots = rootsOf('android-key');
  const root = new X509Certificate(GOOGLE_ROOT_OF_2026);
  const today = new Date('2026-11-28T00:00:00Z');

  it('is the certificate that Google publishes, and is self-signed', () => {
    const digest = createHash('sha256').update(root.raw).digest('hex');
    expect(digest).toBe('6d9db4ce6c5c0b293166d08986e05774a8776ceb525d9e4329520de12ba4bcc0');
    expect(root.verify(root.publicKey)).toBe(true);
  });

  it('completes a chain of certificates under this root, and no other root does', () => {
    expect(completeChain([DROID_CA2], roots, today)?.at(-1)).toEqual(root.raw);
    expect(completeChain([DROID_CA2, root.raw], roots, today)).toHaveLength(2);
    expect(completeChain([DROID_CA2], roots.slice(0, -1), today)).toBeNull();
    expect(completeChain([DROID_CA2], roots, new Date('2036-01-01T00:00:00Z'))).toBeNull();
  });
});

describe('a certificate chain without its root', () => {
  const { format, statement, authData } = readAttestationObject(PIXEL.response.response.attestationObject);

  it('is accepted if the root is known, because phones omit the root since April 2026', async () => {
    const x5c = (statement.get('x5c') as Uint8Array[]).slice(0, -1);
    const object = encode({ fmt: format, attStmt: new Map(statement).set('x5c', x5c), authData });
    const attestationObject = Buffer.from(object).toString('base64url');
    const response = { ...PIXEL.response, response: { ...PIXEL.response.response, attestationObject } };
    expect(await endOf({ ...PIXEL, response }, PIXEL.at)).toBe('b93fd961-f2e6-462f-b122-82002247de78');
  });
});
