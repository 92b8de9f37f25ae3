import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { Queues } from '#libs/jobs';
import { aCaller, until } from '#libs/testing';
import { Expiry } from './expiry.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IntegrationReports } from './integration-reports.js';
import type { State } from './machine.js';
import { OnboardingLists } from './onboarding-lists.js';
import { Reseal } from './reseal.js';
import { Sweeper } from './sweeper.js';

/** Enough that reading them all is dearer than an index, few enough to be there in a moment. */
const ROWS = 6_000;

let onboardings: Onboardings;
beforeAll(async () => {
  onboardings = await openOnboardings();
  const { dataSource, module } = onboardings;
  await until('Redis is ready', () => module.get(Queues).isReady());
  // A third has ended, a third waits for its user, a third for a retry; nothing is due.
  await dataSource.query(`
    INSERT INTO onboardings (id, integration, provider, subject, subject_key, state, step, otp_sent_at,
      otp_expires_at, next_attempt_at, idle_ends_at, life_ends_at)
    SELECT gen_random_uuid(), 'byzantine', 'byzantine', '{}', 'scans-' || n,
      (ARRAY['completed', 'otp_sent', 'otp_submitted'])[n % 3 + 1], CASE WHEN n % 3 = 2 THEN 'verify-otp' END, t,
      t + interval '5 minutes', CASE WHEN n % 3 = 2 THEN t + n * interval '1 second' END,
      t + interval '30 minutes', t + interval '1 day'
    FROM generate_series(1, ${ROWS}) n, clock_timestamp() t`);
  await dataSource.query(`
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, created_at)
    SELECT 'a', 'b', 'scans-' || n, 'c', clock_timestamp() - n * interval '1 second'
    FROM generate_series(1, ${ROWS}) n`);
  await dataSource.query('ANALYZE onboardings, idempotency_keys');
});
afterAll(async () => {
  await onboardings.dataSource.query(`DELETE FROM onboardings WHERE subject_key LIKE 'scans-%'`);
  await onboardings.dataSource.query(`DELETE FROM idempotency_keys WHERE key LIKE 'scans-%'`);
  await onboardings.close();
});

interface Plan {
  'Node Type': string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Plans?: Plan[];
}

/** Every node of the plan that a statement has with these values. */
async function nodesOf([text, values]: Sent): Promise<Plan[]> {
  const [row] = await onboardings.dataSource.query(`EXPLAIN (FORMAT JSON) ${text}`, values);
  const flat = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(flat)];
  return flat(row['QUERY PLAN'][0].Plan);
}

type Sent = [text: string, values: unknown[]];

/** The first statement that this sends by name. What processes tell each other meanwhile is none of it. */
async function preparedBy(work: () => Promise<unknown>): Promise<Sent> {
  const run = jest.spyOn(onboardings.module.get(PreparedStatements), 'run');
  try {
    await work();
    const [statement, values] = run.mock.calls.find(([{ text }]) => !text.includes('integration_views'))!;
    return [statement.text, values];
  } finally {
    run.mockRestore();
  }
}

/** The last statement that this sends through TypeORM. */
async function queriedBy(work: () => Promise<unknown>): Promise<Sent> {
  const log = jest.spyOn(onboardings.dataSource.logger, 'logQuery');
  try {
    await work();
    const [text, values] = log.mock.calls.at(-1)!;
    return [text, values as unknown[]];
  } finally {
    log.mockRestore();
  }
}

describe('among many rows that are not due', () => {
  it.each([
    ['expiry', 'onboardings_deadline', 'deadline_at <=', () => onboardings.module.get(Expiry).run()],
    [
      'the sweeper',
      'onboardings_due',
      'LEAST(lease_until, next_attempt_at) <=',
      () => onboardings.module.get(Sweeper).run(),
    ],
    [
      'retention',
      'idempotency_keys_created',
      'created_at <',
      () => onboardings.module.get(IdempotencyKeys).forget(),
    ],
  ])('%s finds by %s what is due, and reads nothing else for it', async (_, index, condition, work) => {
    const nodes = await nodesOf(await preparedBy(work));
    const scan = nodes.find((node) => node['Index Name'] === index);
    expect(scan?.['Index Cond']).toContain(condition);
  });
});

describe('the count of what waits for an operator', () => {
  it('reads no other onboardings', async () => {
    const nodes = await nodesOf(
      await preparedBy(() => onboardings.module.get(IntegrationReports).count(60_000)),
    );
    const indexes = nodes.map((node) => node['Index Name']);
    expect(indexes).toEqual(expect.arrayContaining(['onboardings_parked', 'onboardings_by_state']));
  });
});

describe('what the version before left in the clear', () => {
  it.each(['otp_budgets', 'credentials'])('is not looked for in all of %s', async (table) => {
    const { dataSource, module } = onboardings;
    await dataSource.query(
      table === 'credentials'
        ? `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
           SELECT integration, subject_key, 'c', id FROM onboardings WHERE subject_key LIKE 'scans-%'`
        : `INSERT INTO otp_budgets (integration, subject_key)
           SELECT integration, subject_key FROM onboardings WHERE subject_key LIKE 'scans-%'`,
    );
    await dataSource.query(`ANALYZE ${table}`);
    const run = jest.spyOn(module.get(PreparedStatements), 'run');
    await module.get(Reseal).run();
    const [statement, values] = run.mock.calls.find(([{ text }]) => text.includes(`FROM ${table}\n`))!;
    run.mockRestore();
    const nodes = await nodesOf([statement.text, values]);
    expect(nodes.map((node) => node['Index Name'])).toContain(`${table}_in_clear`);
    await dataSource.query(`DELETE FROM ${table} WHERE subject_key LIKE 'scans-%'`);
  });
});

describe('a list by state', () => {
  const plan = async (state: State) =>
    nodesOf(
      await queriedBy(() => onboardings.module.get(OnboardingLists).list({ state, limit: 20 }, aCaller())),
    );

  it.each(['completed', 'otp_sent'] as const)(
    'reads no other onboardings than those in "%s"',
    async (state) => {
      const scan = (await plan(state)).find((node) => node['Index Name'] === 'onboardings_by_state');
      expect(scan?.['Index Cond']).toContain(`state = '${state}'`);
    },
  );

  it('reads no more than a page of what has ended', async () => {
    expect((await plan('completed')).map((node) => node['Node Type'])).not.toContain('Sort');
  });
});
