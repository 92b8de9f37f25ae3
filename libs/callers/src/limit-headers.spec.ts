import { describe, expect, it } from '@jest/globals';
import type { FastifyReply } from 'fastify';
import type { Count } from './counter.js';
import { stampLimits, throwIfOver } from './limit-headers.js';

const count = (more: Partial<Count> = {}): Count => ({
  policy: 'caller',
  quota: 100,
  remaining: 40,
  resetMs: 30_000,
  over: false,
  ...more,
});

function aReply(given: Record<string, string> = {}) {
  const headers = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]));
  const reply = {
    hasHeader: (name: string) => headers.has(name.toLowerCase()),
    getHeader: (name: string) => headers.get(name.toLowerCase()),
    header: (name: string, value: string) => void headers.set(name.toLowerCase(), value),
  } as unknown as FastifyReply;
  return { reply, read: () => [headers.get('ratelimit-policy'), headers.get('ratelimit')] };
}

describe('the rate limit headers', () => {
  it('have an item for each limit, with the remaining requests and the time until the reset', () => {
    const { reply, read } = aReply();
    stampLimits(reply, [count(), count({ policy: 'subject', quota: 60, remaining: 0, resetMs: 1_001 })]);
    expect(read()).toEqual([
      '"caller";q=100;w=60, "subject";q=60;w=60',
      '"caller";r=40;t=30, "subject";r=0;t=2',
    ]);
  });

  it('keep the item that a refusal has already set, and get the items of the other limits', () => {
    const { reply, read } = aReply({
      'RateLimit-Policy': '"caller";q=100;w=60',
      RateLimit: '"caller";r=0;t=9',
    });
    stampLimits(reply, [count(), count({ policy: 'subject' })]);
    expect(read()).toEqual([
      '"caller";q=100;w=60, "subject";q=100;w=60',
      '"caller";r=0;t=9, "subject";r=40;t=30',
    ]);
  });

  it.each([
    [0, 1],
    [1, 1],
    [999, 1],
    [1_000, 1],
    [1_001, 2],
    [60_000, 60],
  ])('round up to whole seconds, at least one: %d ms are %d s', (resetMs, seconds) => {
    const { reply, read } = aReply();
    stampLimits(reply, [count({ resetMs })]);
    expect(read()[1]).toBe(`"caller";r=40;t=${seconds}`);
  });
});

describe('a counted request', () => {
  it('is refused if it exceeds a limit, and must wait until all exceeded limits have reset', () => {
    const counts = [
      count({ over: true, resetMs: 2_000 }),
      count({ policy: 'subject', quota: 60, over: true, resetMs: 50_500 }),
      count({ policy: 'other', resetMs: 59_000 }),
    ];
    expect(() => throwIfOver(counts)).toThrow(
      expect.objectContaining({
        code: 'rate_limited',
        status: 429,
        message: 'More than 60 requests in 60 s for one subject.',
        retryAfterS: 51,
        retryable: true,
        rateLimit: { policy: 'subject', quota: 60, windowS: 60 },
      }),
    );
  });

  it.each([[[]], [[count(), count({ remaining: 0 })]]])('passes if no limit is exceeded: %j', (counts) => {
    expect(() => throwIfOver(counts)).not.toThrow();
  });
});
