import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, escapeIdentifier } from 'pg';
import { until } from '#libs/testing';
import { readyAt } from '../../support/health.js';
import { Story } from '../../support/story.js';

/** A managed database becomes read-only, as this one does, when its disk is nearly full. */
let story: Story;
let admin: Client;
beforeAll(async () => {
  story = await Story.begin();
  admin = new Client({ connectionString: story.databaseUrl });
  await admin.connect();
  await admin.query('SET default_transaction_read_only = off');
});
beforeEach(() => makeWritable());
afterAll(async () => {
  await makeWritable();
  await admin.end();
  await story.end();
});

const alter = (what: string) =>
  admin.query(`ALTER DATABASE ${escapeIdentifier(new URL(story.databaseUrl).pathname.slice(1))} ${what}`);

/** Cuts all connections, so that new ones are read-only. */
async function makeReadOnly(): Promise<void> {
  await alter('SET default_transaction_read_only = on');
  await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`);
}

/** Cuts no connection: open ones stay read-only. */
async function makeWritable(): Promise<void> {
  await alter('RESET default_transaction_read_only');
  if (process.env['GANGWAY_TEST_POOLER_PORT']) await reconnectPooler();
}

/** A pooler keeps its read-only connections until an operator reconnects it. */
async function reconnectPooler(): Promise<void> {
  const console = new URL(story.env['DATABASE_URL']!);
  console.pathname = '/pgbouncer';
  const client = new Client({ connectionString: console.href });
  await client.connect();
  await client.query('RECONNECT');
  await client.end();
  await until('the pooler leads to PostgreSQL again', async () => (await ready()).status === 200);
}

const ready = () => readyAt(story.serviceUrl);

describe('a PostgreSQL that accepts no writes', () => {
  it('makes each command answer 503 with Retry-After; reads work, and recovery is immediate', async () => {
    const { id, subject } = await story.sent();
    await makeReadOnly();
    await until('a read is answered', async () => (await story.get(id)).status === 200);
    const { accountId, userId } = story.newSubject();
    for (const answer of [
      await story.call('POST', '/v1/onboardings', { subject: { accountId, userId } }),
      await story.verify(id, story.code(subject)),
      await story.cancel(id),
    ]) {
      expect(answer).toMatchObject({
        status: 503,
        body: { code: 'not_ready', retryable: true, detail: 'The database takes no writes at the moment.' },
      });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    // The first health check may still use a cut connection.
    await until('the health says why', async () => {
      const { status, body } = await ready();
      const why = { status: 'down', detail: 'it takes no writes: default_transaction_read_only is on' };
      return status === 503 && isDeepStrictEqual(body.checks['postgresql'], why);
    });
    // So many reads open all connections of the service's pool. All are read-only.
    const reads = await Promise.all(Array.from({ length: 20 }, () => story.get(id)));
    expect(reads.map(({ status }) => status)).toEqual(reads.map(() => 200));

    await makeWritable();
    // The service does not reuse read-only connections.
    const { status, body } = await story.verify(id, story.code(subject));
    expect([status, body.state]).toEqual([200, 'otp_verified']);
    expect((await ready()).status).toBe(200);
    expect(story.calls(subject, 'otp-auth')).toBe(1);
    const types = await story.eventTypes(id);
    expect(types.filter((type) => type === 'otp_submitted')).toHaveLength(1);
  });

  it('loses no answer that the provider sends meanwhile', async () => {
    const { id, subject } = await story.sent();
    story.sandbox.control.addFault({ route: 'otp-auth', delayMs: 500, match: { userId: subject.userId } });
    const answer = story.verify(id, story.code(subject));
    await until('the call is under way', () => story.calls(subject, 'otp-auth') === 1);
    await makeReadOnly();
    await until('upstream has answered', () => story.journal(subject).at(-1)?.answer === 200);
    await makeWritable();
    expect(await answer).toMatchObject({ status: 200, body: { state: 'otp_verified' } });
    expect(story.calls(subject, 'otp-auth')).toBe(1);
    expect(await story.eventTypes(id)).not.toContain('outcome_lost');
  });
});
