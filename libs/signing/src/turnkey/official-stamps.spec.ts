/** Turnkey's own packages share no code with ours. Each side must accept the other's stamps. */
import { describe, expect, it } from '@jest/globals';
import { ApiKeyStamper } from '@turnkey/api-key-stamper';
import { verifyStampSignature } from '@turnkey/crypto';
import { TurnkeyClient } from '@turnkey/http';
import fc from 'fast-check';
import { deterministicTestKey, fromBase64url, testKey, turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { verifyTurnkeyStamp, stampTurnkeyRequest } from './api-key-stamp.js';

const { privateKeyHex, publicKeyCompressedHex } = turnkeyVectors.keys.turnkeyApi;

const anyBody = fc.oneof(
  { weight: 1, arbitrary: fc.constant('') },
  { weight: 6, arbitrary: fc.json() },
  { weight: 6, arbitrary: fc.string({ unit: 'grapheme' }) },
  { weight: 6, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }).map((text) => text.repeat(5000)),
  },
);

const acceptedByThem = (header: string, body: string): Promise<boolean> => {
  const { publicKey, signature } = fromBase64url<{ publicKey: string; signature: string }>(header);
  return verifyStampSignature(publicKey, signature, body);
};

it('Turnkey’s verifyStampSignature accepts our stamps of 1000 bodies', async () => {
  const key = testKey('turnkeyApi');
  await fc.assert(
    fc.asyncProperty(anyBody, async (body) => {
      const header = await stampTurnkeyRequest(key, body);
      expect(await acceptedByThem(header['X-Stamp'], body)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

it('Turnkey’s verifyStampSignature refuses our stamp for another body', async () => {
  const header = await stampTurnkeyRequest(testKey('turnkeyApi'), '{"a":1}');
  expect(await acceptedByThem(header['X-Stamp'], '{"a":2}')).toBe(false);
});

describe.each([
  ['node', 800],
  ['purejs', 200],
] as const)('Turnkey’s class ApiKeyStamper with its runtime %s', (runtimeOverride, numRuns) => {
  const stamper = new ApiKeyStamper({
    apiPublicKey: publicKeyCompressedHex,
    apiPrivateKey: privateKeyHex,
    runtimeOverride,
  });

  it(`makes ${numRuns} stamps, and verifyTurnkeyStamp accepts each only for its own body`, async () => {
    await fc.assert(
      fc.asyncProperty(anyBody, async (body) => {
        const stamp = await stamper.stamp(body);
        expect(stamp.stampHeaderName).toBe('X-Stamp');
        expect(verifyTurnkeyStamp(stamp.stampHeaderValue, body)).toEqual({
          'X-Stamp': stamp.stampHeaderValue,
        });
        expect(() => verifyTurnkeyStamp(stamp.stampHeaderValue, `${body} `)).toThrow(
          expect.objectContaining({ proof: 'API key stamp', reason: 'bad_signature' }),
        );
      }),
      { numRuns },
    );
  });

  it('signs a request of @turnkey/http, and verifyTurnkeyStamp returns its X-Stamp unchanged', async () => {
    const client = new TurnkeyClient({ baseUrl: 'https://upstream.invalid' }, stamper);
    const { stamp, body } = await client.stampGetWhoami({ organizationId: 'o-1' });
    expect(verifyTurnkeyStamp(stamp.stampHeaderValue, body)).toEqual({ 'X-Stamp': stamp.stampHeaderValue });
  });
});

describe('the X-Stamp that we make', () => {
  it('equals Turnkey’s byte for byte, if both sign with the nonce of RFC 6979', async () => {
    const purejs = new ApiKeyStamper({
      apiPublicKey: publicKeyCompressedHex,
      apiPrivateKey: privateKeyHex,
      runtimeOverride: 'purejs',
    });
    const key = deterministicTestKey('turnkeyApi');
    await fc.assert(
      fc.asyncProperty(anyBody, async (body) => {
        const { stampHeaderValue } = await purejs.stamp(body);
        expect(await stampTurnkeyRequest(key, body)).toEqual({ 'X-Stamp': stampHeaderValue });
      }),
      { numRuns: 50 },
    );
  });
});
