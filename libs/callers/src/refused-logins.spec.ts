import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Audit, AuditEvent } from './audit.js';
import { RefusedLogins } from './refused-logins.js';

let rows: Pick<AuditEvent, 'address' | 'data'>[];
let refused: RefusedLogins;
beforeEach(() => {
  jest.useFakeTimers();
  rows = [];
  const record = ({ address, data }: AuditEvent) => {
    rows.push({ address, data });
    return Promise.resolve();
  };
  refused = new RefusedLogins({ record } as unknown as Audit);
});
afterEach(() => {
  jest.useRealTimers();
});

const flood = (addresses: number, times = 1) => {
  for (let n = 0; n < addresses * times; n++) refused.note(`192.0.2.${n % addresses}`, 'unknown');
};
const counted = () => rows.reduce((sum, { data }) => sum + (data['count'] as number), 0);

describe('refused logins', () => {
  it('are audited per address: the first one immediately, and the total after a minute', () => {
    flood(1, 7);
    expect(rows).toEqual([{ address: '192.0.2.0', data: { count: 1, reason: 'unknown' } }]);
    jest.advanceTimersByTime(60_000);
    expect(rows.slice(1)).toEqual([
      { address: '192.0.2.0', data: { count: 7, reason: 'unknown', withinMs: 60_000 } },
    ]);
  });

  it('from very many addresses cause at most 60 rows a minute, and one more row counts the rest', () => {
    flood(25_000);
    expect(rows).toHaveLength(60);
    jest.advanceTimersByTime(60_000);
    expect(rows.length).toBeLessThanOrEqual(60 + 1 + 60);
    jest.advanceTimersByTime(600_000);
    // Each refusal is counted in exactly one row.
    expect(counted()).toBe(25_000);
    expect(rows.length).toBeLessThanOrEqual(60 + 1 + 60 + 1);
  });

  it('are audited again in the next minute', () => {
    flood(100);
    jest.advanceTimersByTime(600_000);
    rows = [];
    refused.note('198.51.100.1', 'unknown');
    expect(rows).toMatchObject([{ address: '198.51.100.1' }]);
  });

  it('that have no row yet are counted in one row when the process stops', async () => {
    flood(500, 3);
    rows = [];
    await refused.onApplicationShutdown();
    expect(rows).toEqual([{ address: null, data: { count: 1_440 } }]);
    jest.advanceTimersByTime(600_000);
    expect(rows).toHaveLength(1);
  });
});
