import { describe, expect, it } from '@jest/globals';
import type { JournalEntry } from '../src/control/journal.js';
import { seriesOf } from './series.js';

let seq = 0;
const request = (answer: JournalEntry['answer'], ids: Partial<JournalEntry> = {}): JournalEntry => ({
  seq: (seq += 1),
  at: '2026-11-20T10:00:00.000Z',
  route: 'init-otp',
  method: 'POST',
  userId: 'ana',
  accountId: 'acme',
  otpId: null,
  headers: { pubkey: null, timestampSkewMs: null, signatureOk: true, requestId: null },
  effect: null,
  answeredAt: null,
  fault: null,
  ...ids,
  answer,
});

/** Takes requests oldest first. @returns the answers by step, in the order of the page. */
const stepsOf = (...requests: JournalEntry[]) =>
  seriesOf(requests.toReversed()).map(({ tries }) => tries.map(({ answer }) => answer));

describe('a step in the sandbox’s journal', () => {
  it.each([503, 500, 429, 408, 'cut', 'client_gone', null] as const)(
    'also contains the request that follows the answer %s',
    (answer) => {
      expect(stepsOf(request(answer), request(200))).toEqual([[answer, 200]]);
    },
  );

  it.each([200, 400, 404])(
    'ends with the answer %s: the next request begins a new step, which is shown first',
    (answer) => {
      expect(stepsOf(request(503), request(answer), request(503))).toEqual([[503], [503, answer]]);
    },
  );

  it.each([
    { userId: 'ben' },
    { accountId: 'other' },
    { route: 'otp-auth' },
    { otpId: 'code' },
    { organizationId: 'org' },
    { contact: 'ben@example.com' },
  ])('does not contain a request with a different value: %j', (other) => {
    expect(stepsOf(request(503), request(503, other), request(200))).toEqual([[503], [503, 200]]);
  });

  it('keeps its key after a retry', () => {
    const [first, second] = [request(503), request(200)];
    expect(seriesOf([second, first])[0]!.key).toBe(seriesOf([first])[0]!.key);
  });
});
