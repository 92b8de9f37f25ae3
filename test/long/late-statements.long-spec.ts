import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { until } from '#libs/testing';
import { SITUATIONS, type Brought, type Situation } from '../support/situations.js';
import { Story, type Answer } from '../support/story.js';
import { behindPgBouncer, describeWithPgBouncer } from '../support/pgbouncer.js';
import type { TcpProxy } from '../support/tcp-proxy.js';

jest.setTimeout(60_000);

type Headers = Record<string, string>;

/** A command, the state that it needs, and the SQL that the pooler holds back. */
interface Late {
  from: Situation | 'nothing' | 'cancelled';
  /** @returns a function that sends the command. */
  prepare(brought: Brought): Promise<(headers: Headers) => Promise<Answer>>;
  write: RegExp;
  /** The status when the same command is sent again. */
  again: number;
}

const CHANGE = /UPDATE onboardings o SET/;

let story: Story;
let proxy: TcpProxy;
/** Occupies the pooler's only connection to PostgreSQL. */
let holder: Client;
/** A client of the pooler's admin console. */
let pooler: Client;
let stopped: Promise<void>;
let stop: () => void;

const COMMANDS: Record<string, Late> = {
  'a start': {
    from: 'nothing',
    prepare:
      async ({ subject }) =>
      (headers) =>
        story.start(subject, {}, headers),
    write: /INSERT INTO onboardings AS o/,
    again: 201,
  },
  'a start that supersedes': {
    from: 'otp_sent',
    prepare: async ({ id, subject }) => {
      await story.cooledDown(id);
      return (headers) => story.start(subject, { supersede: true }, headers);
    },
    write: /superseded AS/,
    again: 201,
  },
  'a resend': {
    from: 'otp_sent',
    prepare: async ({ id }) => {
      await story.cooledDown(id);
      return (headers) => story.resend(id, headers);
    },
    write: CHANGE,
    again: 200,
  },
  'a verify': {
    from: 'otp_sent',
    prepare:
      async ({ id, subject }) =>
      (headers) =>
        story.verify(id, story.code(subject), headers),
    write: CHANGE,
    again: 200,
  },
  'a new challenge': {
    from: 'otp_verified',
    prepare:
      async ({ id }) =>
      (headers) =>
        story.call('POST', `/v1/onboardings/${id}/authenticators/options`, { userName: 'ana' }, headers),
    write: /INSERT INTO webauthn_challenges/,
    again: 200,
  },
  'the claim of a passkey': {
    from: 'otp_verified',
    prepare: async ({ id }) => {
      const passkey = await story.passkey(id);
      return (headers) => story.register(id, [passkey], headers);
    },
    write: CHANGE,
    again: 200,
  },
  'a cancel': {
    from: 'otp_verified',
    prepare:
      async ({ id }) =>
      (headers) =>
        story.call('POST', `/v1/onboardings/${id}/cancel`, { reason: 'story' }, headers),
    write: CHANGE,
    again: 200,
  },
  'a decision': {
    from: 'outcome_unknown, after create-authenticators',
    prepare:
      async ({ id }) =>
      (headers) =>
        story.call('POST', `/v1/onboardings/${id}/resolve`, { outcome: 'done', reason: 'seen' }, headers),
    write: CHANGE,
    again: 200,
  },
  'a decision that sends a code': {
    from: 'outcome_unknown, after verify-otp',
    prepare: async ({ id }) => {
      await story.cooledDown(id);
      return (headers) =>
        story.call(
          'POST',
          `/v1/onboardings/${id}/resolve`,
          { outcome: 'not_done', reason: 'asked' },
          headers,
        );
    },
    write: CHANGE,
    again: 200,
  },
  "an operator's retry": {
    from: 'otp_submitted, waiting for its retry',
    prepare:
      async ({ id }) =>
      (headers) =>
        story.call('POST', `/v1/onboardings/${id}/retry`, { reason: 'it is back' }, headers),
    write: CHANGE,
    again: 200,
  },
  'an erasure': {
    from: 'cancelled',
    prepare:
      async ({ id }) =>
      () =>
        story.call('DELETE', `/v1/onboardings/${id}`),
    write: /UPDATE onboardings/,
    again: 204,
  },
};

const TABLES = [
  'onboardings',
  'onboarding_events',
  'idempotency_keys',
  'otp_budgets',
  'webauthn_challenges',
  'credentials',
  'audit_events',
];

async function written(): Promise<unknown[]> {
  const rows = TABLES.map((table) => `SELECT '${table}' AS name, to_jsonb(t) AS row FROM ${table} t`);
  return story.sql(`SELECT * FROM (${rows.join(' UNION ALL ')}) all_rows ORDER BY name, row::text`);
}

async function bring(from: Late['from']): Promise<Brought> {
  if (from === 'nothing') return { id: '', subject: story.newSubject() };
  if (from !== 'cancelled') return SITUATIONS[from](story);
  const sent = await story.sent();
  await story.cancel(sent.id);
  return sent;
}

/** Makes the pooler hold back the next statement that matches `write`. */
function keep(write: RegExp): Promise<unknown[]> {
  return new Promise((resolve) => {
    proxy.intercept(write, async () => {
      await holder.query('BEGIN');
      resolve(await written());
    });
  });
}

/** Waits until PostgreSQL has executed all statements that the pooler held. */
async function letGo(): Promise<void> {
  await holder.query('COMMIT');
  await until('the pooler keeps nothing', async () => {
    const { rows } = await pooler.query<{ cl_waiting: string }>('SHOW POOLS');
    return rows.every(({ cl_waiting }) => Number(cl_waiting) === 0);
  });
  // The pooler has only one connection, so this statement comes last.
  await holder.query('SELECT 1');
}

describeWithPgBouncer('a statement that a pooler holds for too long', () => {
  beforeAll(async () => {
    const running = new Promise<void>((resolve) => (stop = resolve));
    await new Promise<void>((ready, failed) => {
      const work = async (url: string) => {
        holder = new Client({ connectionString: url });
        pooler = new Client({
          connectionString: Object.assign(new URL(url), { pathname: '/pgbouncer' }).href,
        });
        await Promise.all([holder.connect(), pooler.connect()]);
        const env = { DATABASE_URL: url, DATABASE_POOLER: 'transaction' };
        story = await Story.begin({ env, worker: false, proxied: ['DATABASE_URL'] });
        proxy = await story.proxyTo('DATABASE_URL');
        ready();
        await running;
      };
      stopped = behindPgBouncer('transaction', work, { default_pool_size: 1 });
      stopped.catch(failed);
    });
  });
  afterAll(async () => {
    await story.end();
    await Promise.all([holder.end(), pooler.end()]);
    stop();
    await stopped;
  });

  it.each(Object.entries(COMMANDS))(
    'PostgreSQL does not execute a statement of %s that a pooler held until the caller got a 503',
    async (_, late) => {
      const brought = await bring(late.from);
      const command = await late.prepare(brought);
      const headers = { 'idempotency-key': randomUUID() };
      const kept = keep(late.write);

      const answer = await command(headers);
      expect(answer).toMatchObject({ status: 503, body: { code: 'not_ready', retryable: true } });
      const before = await kept;
      await letGo();

      expect(await written()).toEqual(before);
      expect((await command(headers)).status).toBe(late.again);
    },
  );

  it('the end of an attempt is written only once, even if a pooler holds the first write', async () => {
    const { id, subject } = await story.sent();
    const kept = keep(/attempt_ended/);
    const verified = story.verify(id, story.code(subject));
    await kept;
    // This read waits behind the earlier statement, so both have timed out.
    expect(await story.get(id)).toMatchObject({ status: 503 });
    await letGo();

    await story.until(id, 'otp_verified');
    expect((await verified).status).toBe(200);
    const ends = (await story.eventTypes(id)).filter((type) => /attempt_ended|late_answer/.test(type));
    expect(ends).toEqual(['attempt_ended', 'attempt_ended']);
    expect(story.calls(subject, 'otp-auth')).toBe(1);
  });
});
