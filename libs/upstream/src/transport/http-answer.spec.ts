import { describe, expect, it } from '@jest/globals';
import { commonFailure, failureOf, parseJson, retryAfter } from './http-answer.js';
import type { HttpAnswer } from './http-client.js';

const answer = (status: number, headers: HttpAnswer['headers'] = {}): HttpAnswer => ({
  status,
  headers,
  text: '',
  evidence: { bytesSent: true, headersSeen: true, status, durationMs: 7 },
  sentAt: { wallMs: 0, monotonicMs: 0 },
  headAt: { wallMs: 0, monotonicMs: 7 },
});

describe('commonFailure (the failure that a status shows at any provider)', () => {
  it.each([
    [500, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
    [599, 'unavailable'],
    [429, 'throttled'],
    [408, 'no_answer'],
    [401, 'misconfigured'],
    [403, 'misconfigured'],
    [301, 'misconfigured'],
    [302, 'misconfigured'],
    [304, 'misconfigured'],
    [307, 'misconfigured'],
    [308, 'misconfigured'],
  ])('classifies %d as %s', (status, failure) => {
    const error = commonFailure(answer(status));
    expect(error).toMatchObject({ failure, evidence: { status, bytesSent: true, durationMs: 7 } });
    expect(error!.retryAfterMs).toBeUndefined();
  });

  it.each([200, 201, 204, 400, 404, 409, 418, 422, 451])(
    'returns null for %d, because the provider’s client must read the text',
    (status) => {
      expect(commonFailure(answer(status))).toBeNull();
    },
  );

  it('classifies a 503 with Retry-After as throttled, and any other 5xx as unavailable', () => {
    const told = { 'retry-after': '7' };
    expect(commonFailure(answer(503, told))).toMatchObject({ failure: 'throttled', retryAfterMs: 7000 });
    expect(commonFailure(answer(500, told))).toMatchObject({ failure: 'unavailable', retryAfterMs: 7000 });
    expect(commonFailure(answer(503, { 'retry-after': 'soon' }))).toMatchObject({ failure: 'unavailable' });
  });
});

describe('retryAfter (the wait in the header Retry-After)', () => {
  const NOW = Date.parse('2026-11-20T10:00:00.000Z');
  it.each<[string | string[] | undefined, number | null]>([
    ['120', 120_000],
    ['0', 0],
    [' 3 ', 3_000],
    [['5', '9'], 9_000],
    ['9, 5', 9_000],
    [['soon', '5'], 5_000],
    ['Friday, 20-Nov-26 10:00:30 GMT', 30_000],
    ['Fri Nov 20 10:00:30 2026', 30_000],
    [['3', 'Fri, 20 Nov 2026 10:00:30 GMT'], 30_000],
    ['9'.repeat(400), Infinity],
    [[], null],
    ['Fri, 20 Nov 2026 10:00:30 GMT', 30_000],
    ['Fri, 20 Nov 2026 09:00:00 GMT', 0],
    ['later', null],
    ['', null],
    [undefined, null],
  ])('reads %p as %p ms', (header, expected) => {
    expect(retryAfter({ headers: { 'retry-after': header } }, NOW)).toBe(expected);
  });

  it.each(['-1', '1.5', '1e3', '10 s', '5,', 'Fri', 'Fri, 20 Nov 2026 10:00:30 +0100'])(
    'ignores %p, which is neither a number of seconds nor a date',
    (header) => {
      expect(retryAfter({ headers: { 'retry-after': header } }, NOW)).toBeNull();
    },
  );
});

describe('failureOf', () => {
  it('returns an error with the reason and with facts about the answer, such as its status', () => {
    expect(
      failureOf(answer(400), 'rejected', 'upstream answered 400: otp_invalid', 'otp_invalid'),
    ).toMatchObject({
      failure: 'rejected',
      reason: 'otp_invalid',
      message: 'upstream answered 400: otp_invalid',
      evidence: { status: 400 },
    });
  });
});

describe('parseJson', () => {
  it.each([
    ['{"a":1}', { a: 1 }],
    ['"text"', 'text'],
    ['{"a":', undefined],
    ['<html>', undefined],
    ['', undefined],
  ])('reads %p as %p', (text, expected) => {
    expect(parseJson(text)).toEqual(expected);
  });
});
