import { expect, it } from '@jest/globals';
import { computeActivityFingerprint } from '@turnkey/crypto';
import fc from 'fast-check';
import { turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { activityFingerprint } from './activity-fingerprint.js';

const { body, bodySha256Hex, activityFingerprint: expected } = turnkeyVectors.stamp;

it('the activity fingerprint matches the test vector', () => {
  expect(activityFingerprint(body)).toBe(expected);
  expect(expected).toBe(`sha256:${bodySha256Hex}`);
});

it('the activity fingerprint changes with one more space or another order of members', () => {
  const bodies = [body, `${body} `, '{"a":1,"b":2}', '{"b":2,"a":1}', ''];
  expect(new Set(bodies.map(activityFingerprint)).size).toBe(bodies.length);
});

it('the activity fingerprint equals that of @turnkey/crypto for any body', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' })), (any) => {
      expect(activityFingerprint(any)).toBe(computeActivityFingerprint(any));
    }),
  );
});
