import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { IntegrationReports, type OwnTrouble, type OwnView } from './integration-reports.js';

/** The name of an integration that only the test reports. */
const integration = 'reported';

let onboardings: Onboardings;
let reports: IntegrationReports;
beforeAll(async () => {
  onboardings = await openOnboardings();
  reports = onboardings.module.get(IntegrationReports);
});
afterAll(() => onboardings.close());
beforeEach(() =>
  onboardings.dataSource.query(
    `DELETE FROM integration_views WHERE integration = 'reported';
    DELETE FROM integration_troubles WHERE integration = 'reported'`,
  ),
);

const view = (more: Partial<OwnView> = {}): OwnView => ({
  integration,
  breaker: 'open',
  breakerAgeMs: 5_000,
  refusedAgeMs: null,
  refusedStatus: null,
  skewMs: 0,
  signer: null,
  key: null,
  ...more,
});
const trouble = (more: Partial<OwnTrouble> = {}): OwnTrouble => ({
  integration,
  what: 'init-otp',
  failures: 2,
  failure: 'unavailable',
  status: 503,
  sinceAgeMs: 4_000,
  lastAgeMs: 1_000,
  goodForMs: 90_000,
  ...more,
});
const of = <T extends { integration: string }>(all: T[]) =>
  all.filter((each) => each.integration === integration);
const troubles = async () => of((await reports.read()).troubles);

describe('the reports of processes about an integration', () => {
  it('keep the start of a problem as it was first reported', async () => {
    await reports.publish('worker-a', [view()]);
    const { views, now } = await reports.read();
    const [first] = of(views);
    expect(first).toMatchObject({ process: 'worker-a', breaker: 'open', refusedSince: null });
    expect(now - first!.breakerSince!).toBeGreaterThanOrEqual(5_000);
    await reports.publish('worker-a', [view({ breaker: 'half_open', breakerAgeMs: 1 })]);
    expect(of((await reports.read()).views)).toEqual([{ ...first, breaker: 'half_open' }]);
    await reports.publish('worker-a', [view({ breaker: 'closed', breakerAgeMs: null })]);
    expect(of((await reports.read()).views)).toMatchObject([{ breakerSince: null }]);
  });

  it('expire after their process ends, and another process deletes them', async () => {
    await reports.publish('worker-b', [view()]);
    await onboardings.dataSource.query(
      `UPDATE integration_views SET seen_at = seen_at - interval '11 seconds' WHERE process = 'worker-b'`,
    );
    expect(of((await reports.read()).views)).toEqual([]);
    await onboardings.dataSource.query(
      `UPDATE integration_views SET seen_at = seen_at - interval '1 minute' WHERE process = 'worker-b'`,
    );
    await reports.publish('worker-c', [view()]);
    const left = `SELECT process FROM integration_views WHERE integration = 'reported'`;
    expect(await onboardings.dataSource.query(left)).toEqual([{ process: 'worker-c' }]);
    await reports.withdraw('worker-c');
    expect(await onboardings.dataSource.query(left)).toEqual([]);
  });
});

describe('rows that another process has locked', () => {
  const locked = async (table: string, work: () => Promise<void>) => {
    const other = onboardings.dataSource.createQueryRunner();
    await other.startTransaction();
    try {
      await other.query(`SELECT 1 FROM ${table} WHERE integration = 'reported' FOR UPDATE`);
      await work();
    } finally {
      await other.rollbackTransaction();
      await other.release();
    }
  };

  it('do not block the report of another process', async () => {
    await reports.publish('worker-d', [view()]);
    await onboardings.dataSource.query(
      `UPDATE integration_views SET seen_at = seen_at - interval '2 minutes' WHERE process = 'worker-d'`,
    );
    await locked('integration_views', () => reports.publish('worker-e', [view()]));
    expect(of((await reports.read()).views).map(({ process }) => process)).toEqual(['worker-e']);
  });

  it('do not block the deletion of failures that are over or old', async () => {
    await reports.report([trouble({ lastAgeMs: 90_000_000 })]);
    const another = trouble({ integration: 'another' });
    await locked('integration_troubles', async () => {
      await reports.mended([{ integration, what: 'init-otp', age: 0 }]);
      await reports.report([another]);
    });
    expect(await troubles()).toHaveLength(1);
    await reports.mended([
      { integration, what: 'init-otp', age: 0 },
      { integration: 'another', what: 'init-otp', age: 0 },
    ]);
    expect(await troubles()).toEqual([]);
  });
});

describe('reported failures of calls', () => {
  it('are added up over all processes, and show the latest failure', async () => {
    await reports.report([trouble()]);
    await reports.report([trouble({ failures: 3, status: 500, sinceAgeMs: 9_000, lastAgeMs: 8_000 })]);
    const { now } = await reports.read();
    const [found] = await troubles();
    expect(found).toMatchObject({ what: 'init-otp', failures: 5, failure: 'unavailable', status: 503 });
    expect(now - found!.since).toBeGreaterThanOrEqual(9_000);
    expect(now - found!.lastAt).toBeLessThan(8_000);
    expect(found!.goodUntil).toBeGreaterThan(now);
  });

  it('never expire if only a successful call can end them', async () => {
    await reports.report([trouble({ what: 'access', goodForMs: null })]);
    expect(await troubles()).toMatchObject([{ what: 'access', goodUntil: Infinity }]);
  });

  it('are deleted only after a success that is later than the last failure', async () => {
    await reports.report([trouble(), trouble({ what: 'access' })]);
    await reports.mended([{ integration, what: 'init-otp', age: 60_000 }]);
    expect(await troubles()).toHaveLength(2);
    await reports.mended([{ integration, what: 'init-otp', age: 0 }]);
    expect(await troubles()).toMatchObject([{ what: 'access' }]);
  });
});
