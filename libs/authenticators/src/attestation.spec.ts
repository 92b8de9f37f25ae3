import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { PasskeyPolicy } from '#libs/platform';
import { IPHONE, PIXEL, type RealAttestation } from '../../../test/passkeys/real-attestations.js';
import { PreflightError } from './attestation-error.js';
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
  const policy: PasskeyPolicy = {
    rpId,
    rpName: '',
    origins: [origin],
    userVerification: 'required',
    residentKey: 'preferred',
    attestation: 'direct',
    algorithms: [-7],
    aaguidAllow: [],
    aaguidDeny: [],
    maxAuthenticators: 10,
  };
  try {
    return (await preflight(response, policy, new Set([challenge]))).aaguid;
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
