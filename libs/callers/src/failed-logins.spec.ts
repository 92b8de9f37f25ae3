import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Clock, ProblemError } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { testConfig } from '#libs/testing';
import { FailedLogins } from './failed-logins.js';
import type { LimitRedis } from './limit-redis.js';
import type { RefusedLogins } from './refused-logins.js';

const QUOTA = 3;

/** Without Redis, the process counts by itself. */
const redis = { link: { accepts: false, redis: {} } } as unknown as LimitRedis;

let nowMs: number;
let noted: [address: string, reason: string][];
let failures: FailedLogins;
beforeEach(() => {
  nowMs = 0;
  noted = [];
  failures = new FailedLogins(
    redis,
    new KeyedHash(Buffer.alloc(32, 9)),
    {
      note: (address: string, reason: string) => void noted.push([address, reason]),
    } as unknown as RefusedLogins,
    testConfig({ LOGIN_FAILURES_PER_MINUTE: String(QUOTA) }),
    { nowMs: () => nowMs, monotonicMs: () => nowMs } satisfies Clock,
  );
});

const problemOf = async (work: () => void | Promise<void>): Promise<ProblemError | null> => {
  try {
    await work();
    return null;
  } catch (error) {
    return error as ProblemError;
  }
};
const isBlocked = async (address: string) =>
  (await problemOf(() => failures.refuseIfBlocked(address))) !== null;
const fail = (address: string) => problemOf(() => failures.note(address, 'unknown'));

describe('invalid tokens', () => {
  it('block their address for the rest of the minute if there are too many', async () => {
    for (let n = 1; n < QUOTA; n++) {
      expect(await fail('192.0.2.1')).toBeNull();
      expect(await isBlocked('192.0.2.1')).toBe(false);
    }
    // The last token is still checked and refused as invalid.
    expect(await fail('192.0.2.1')).toBeNull();
    expect(await problemOf(() => failures.refuseIfBlocked('192.0.2.1'))).toMatchObject({
      code: 'rate_limited',
      status: 429,
      rateLimit: { policy: 'login', quota: QUOTA, windowS: 60 },
      retryAfterS: 60,
    });
    expect(await isBlocked('192.0.2.2')).toBe(false);
  });

  it('are refused with rate_limited if the quota is already used up', async () => {
    for (let n = 0; n < QUOTA; n++) await fail('192.0.2.3');
    expect(await fail('192.0.2.3')).toMatchObject({ code: 'rate_limited' });
  });

  it('are counted per network for IPv6, and per address in any spelling for IPv4', async () => {
    for (let n = 0; n < QUOTA; n++) await fail(`2001:db8:0:1::${n}`);
    expect(await isBlocked('2001:db8:0:1:ffff::1')).toBe(true);
    expect(await isBlocked('2001:db8:0:2::1')).toBe(false);
    for (let n = 0; n < QUOTA; n++) await fail(n % 2 ? '192.0.2.4' : '::ffff:192.0.2.4');
    expect(await isBlocked('192.0.2.4')).toBe(true);
  });

  it('block their address exactly until the window ends', async () => {
    for (let n = 0; n < QUOTA; n++) await fail('192.0.2.5');
    const { retryAfterS = 0 } = (await problemOf(() => failures.refuseIfBlocked('192.0.2.5')))!;
    nowMs = 50_000;
    const left = await problemOf(() => failures.refuseIfBlocked('192.0.2.5'));
    expect(left?.retryAfterS).toBe(retryAfterS - 50);
    nowMs = retryAfterS * 1_000;
    expect(await isBlocked('192.0.2.5')).toBe(false);
  });

  it('are audited, each with its reason', async () => {
    await fail('::ffff:192.0.2.6');
    expect(noted).toEqual([['192.0.2.6', 'unknown']]);
  });

  it('of a new address end the block of the oldest address if too many addresses are blocked', async () => {
    const address = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    const one = new FailedLogins(
      redis,
      new KeyedHash(Buffer.alloc(32, 9)),
      { note: () => undefined } as unknown as RefusedLogins,
      testConfig({ LOGIN_FAILURES_PER_MINUTE: '1' }),
      { nowMs: () => nowMs, monotonicMs: () => nowMs },
    );
    for (let n = 0; n <= 10_000; n++) await one.note(address(n), 'unknown');
    const blocked = async (n: number) => (await problemOf(() => one.refuseIfBlocked(address(n)))) !== null;
    expect([await blocked(0), await blocked(1), await blocked(10_000)]).toEqual([false, true, true]);
  });
});
