import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { packed, unpacked } from './packed-answer.js';

const answers = fc.record({
  status: fc.integer({ min: 200, max: 499 }),
  headers: fc.dictionary(fc.stringMatching(/^[a-z-]{1,20}$/), fc.string({ unit: 'grapheme' })),
  body: fc.string({ unit: 'grapheme', maxLength: 2_000 }),
});

describe('a packed answer', () => {
  it('unpacks to the same bytes', () => {
    fc.assert(fc.property(answers, (answer) => expect(unpacked(packed(answer))).toEqual(answer)));
  });

  it('of a start has at most a third of its original length', () => {
    const at = '2027-03-09T11:22:33.456Z';
    const body = JSON.stringify({
      id: '0198a7f2-6c1e-7d3b-9f40-2b1c3d4e5f60',
      caller: 'shop',
      integration: 'byzantine',
      provider: 'byzantine',
      subject: {
        accountId: 'a1b2c3d4-0000-4000-8000-9f8e7d6c5b4a',
        userId: '77aa88bb-1234-4abc-9def-0123456789ab',
      },
      externalRef: null,
      metadata: {},
      state: 'otp_sent',
      reason: null,
      version: 2,
      nextAction: { type: 'submit_otp', before: at },
      otp: {
        sends: 1,
        sentAt: at,
        expiresAt: at,
        attemptsLeft: 3,
        resendAvailableAt: at,
        targetBundle: null,
      },
      session: null,
      deviceSigning: null,
      authenticators: [],
      lastResult: null,
      unresolved: null,
      parked: null,
      failure: null,
      createdAt: at,
      updatedAt: at,
      erasedAt: null,
      expiresAt: at,
    });
    const headers = { 'content-type': 'application/json; charset=utf-8', etag: '"2"' };
    expect(packed({ status: 201, headers, body }).length).toBeLessThan(body.length / 3);
  });

  it('with an unknown dictionary is refused', () => {
    expect(() => unpacked(Buffer.of(9, 1, 2))).toThrow('no dictionary 9');
    expect(() => unpacked(Buffer.alloc(0))).toThrow('no dictionary');
  });
});
