import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Queue } from 'bullmq';
import { Client, escapeIdentifier } from 'pg';
import { testDatabaseUrl, until } from '#libs/testing';
import type { AppProcess } from '../support/app-process.js';
import { ConsoleBrowser } from '../support/console-browser.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { startPrivateRedis, type PrivateRedis } from '../support/private-redis.js';
import { Story } from '../support/story.js';

jest.setTimeout(240_000);

/** Each outage must be visible within this time. */
const AT_MOST_S = 15;
/** The table in docs/operations/outages.md holds for the defaults of these settings. */
const AS_BY_DEFAULT = new Set([
  'RETRY_FLOOR_MS',
  'RETRY_BASE_MS',
  'RETRY_CAP_MS',
  'CONNECT_TIMEOUT_MS',
  'CALL_TIMEOUT_MS',
  'CLAIM_MAX_AGE_MS',
  'LEASE_MS',
  'EXPIRY_EVERY_MS',
  'SWEEP_EVERY_MS',
  'CANARY_EVERY_MS',
  'WAKE_AGAIN_MS',
  'BREAKER_CALLS',
]);

type Role = 'service' | 'worker';
const ROLES: Role[] = ['service', 'worker'];

interface Row {
  outage: string;
  ready: string;
  metric: string;
  log: string;
  console: string;
  seconds: number;
}

function readTable(): Row[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/operations/outages.md'), 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => {
    const [outage, ready, metric, log, console, seconds] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    return {
      outage: outage!,
      ready: ready!,
      metric: metric!,
      log: log!,
      console: console!,
      seconds: Number(seconds),
    };
  });
}

const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

let story: Story;
let redis: PrivateRedis;
let database: Client;
const proxies: Record<'postgresql' | 'redis' | 'provider', TcpProxy> = {} as never;
const processes: Record<Role, AppProcess> = {} as never;
let browser: ConsoleBrowser;

async function startProcess(role: Role): Promise<void> {
  processes[role] = await story.startProcess(role === 'service' ? 'onboarding' : 'worker', {
    DATABASE_URL: proxies.postgresql.url,
    REDIS_URL: proxies.redis.url,
    INTEGRATION_BYZANTINE_BASE_URL: proxies.provider.url,
    PROBE_EVERY_MS: '2000',
  });
}

beforeAll(async () => {
  redis = await startPrivateRedis();
  story = await Story.begin({ env: { REDIS_URL: redis.url }, service: false, worker: false });
  for (const name of Object.keys(story.env)) if (AS_BY_DEFAULT.has(name)) delete story.env[name];
  proxies.postgresql = await story.proxyTo('DATABASE_URL');
  proxies.redis = await story.proxyTo('REDIS_URL');
  proxies.provider = await story.proxyTo('INTEGRATION_BYZANTINE_BASE_URL');
  database = new Client({ connectionString: await testDatabaseUrl() });
  await database.connect();
  await database.query('SET default_transaction_read_only = off');
  await Promise.all(ROLES.map(startProcess));
  await story.startConsole({ DATABASE_URL: proxies.postgresql.url, REDIS_URL: proxies.redis.url });
  browser = await ConsoleBrowser.as('viewer', story);
});
afterAll(async () => {
  await story?.end();
  await database?.end();
  await redis?.stop();
});

interface Ready {
  code?: string;
  status: string | number;
  checks: Record<string, { status: string; detail?: string }>;
}

const readyAt = async (role: Role): Promise<Ready | null> => {
  const answer = await fetch(`${processes[role].url}/health/ready`).catch(() => null);
  return answer && ((await answer.json()) as Ready);
};
const metricsAt = async (role: Role): Promise<string> => {
  const answer = await fetch(`${processes[role].url}/metrics`).catch(() => null);
  return answer ? answer.text() : '';
};

/** `/health/ready` reports the end of an outage a little earlier than the log. */
const logsTrouble = ({ said }: AppProcess) =>
  said.lastIndexOf('byzantine is degraded') > said.lastIndexOf('byzantine is in order again');

const isWell = async (role: Role) => (await readyAt(role))?.status === 'ok' && !logsTrouble(processes[role]);

const untilWell = async () => {
  for (const role of ROLES) {
    await until(`${role} is well`, () => isWell(role), 40_000).catch(async (error: Error) => {
      throw new Error(`${error.message} ${JSON.stringify(await readyAt(role))}`);
    });
  }
};

/** Four calls, because the service reports an outage after three consecutive failures. */
const callProvider = async () => {
  for (let n = 0; n < 4; n++) {
    const { status } = await story.start(story.newSubject(), {}, { prefer: 'wait=0' });
    expect(status).toBeLessThan(300);
  }
};

const fault = async (what: { status?: number; delayMs?: number }) => {
  story.sandbox.control.addFault({ route: '*', times: 0, ...what });
  await callProvider();
};
const noFault = async () => story.sandbox.control.removeFaults();

/** Slow calls must not count for the next outage. */
async function slowCallsEnded(): Promise<void> {
  const waiting = () => story.call<{ items: object[] }>('GET', '/v1/onboardings?state=otp_requested');
  await until('no call is under way', async () => (await waiting()).body.items.length === 0);
  await callProvider();
}

async function alterDatabase(what: string): Promise<void> {
  const name = new URL(story.databaseUrl).pathname.slice(1);
  await database.query(`ALTER DATABASE ${escapeIdentifier(name)} ${what}`);
}

async function withQueue(work: (queue: Queue) => Promise<void>): Promise<void> {
  const { host, port, password } = redis.admin.options;
  const queue = new Queue('steps', {
    connection: { host: host!, port: port!, password: password! },
    prefix: story.env['QUEUE_PREFIX']!,
  });
  await work(queue);
  await queue.close();
}

const OUTAGES: Record<string, { gone?: Role; begin: () => Promise<unknown>; end: () => Promise<unknown> }> = {
  'service killed': {
    gone: 'service',
    begin: () => processes.service.kill(),
    end: async () => {
      await startProcess('service');
      story.serviceUrl = processes.service.url;
    },
  },
  'last worker killed': {
    gone: 'worker',
    begin: () => processes.worker.kill(),
    end: () => startProcess('worker'),
  },
  'PostgreSQL away': { begin: () => proxies.postgresql.close(), end: () => proxies.postgresql.open() },
  'PostgreSQL read-only': {
    begin: async () => {
      await alterDatabase('SET default_transaction_read_only = on');
      await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    },
    end: () => alterDatabase('RESET default_transaction_read_only'),
  },
  'PostgreSQL slow': {
    begin: async () => proxies.postgresql.slow(3_000),
    end: async () => proxies.postgresql.slow(0),
  },
  'Redis away': { begin: () => proxies.redis.close(), end: () => proxies.redis.open() },
  'Redis read-only': {
    begin: () => redis.admin.replicaof('127.0.0.1', 1),
    end: () => redis.admin.replicaof('NO', 'ONE'),
  },
  'Redis full': {
    begin: () => redis.admin.config('SET', 'maxmemory', '1'),
    end: () => redis.admin.config('SET', 'maxmemory', '0'),
  },
  'queue paused': {
    begin: () => withQueue((queue) => queue.pause()),
    end: () => withQueue((queue) => queue.resume()),
  },
  'provider down': {
    begin: async () => {
      await proxies.provider.close();
      await callProvider();
    },
    end: () => proxies.provider.open(),
  },
  'provider refuses our key': { begin: () => fault({ status: 401 }), end: noFault },
  'provider slow': {
    begin: () => fault({ delayMs: 12_000 }),
    end: async () => {
      await noFault();
      await slowCallsEnded();
    },
  },
  'clocks 40 s apart': {
    begin: async () => {
      story.sandbox.control.advanceClock(40_000);
      await callProvider();
    },
    end: async () => void story.sandbox.control.advanceClock(-40_000),
  },
};

/** @returns the signs of an outage that the row promises, but that are not shown yet. */
async function missing(row: Row, said: Record<Role, number>, gone?: Role): Promise<string[]> {
  const others = ROLES.filter((role) => role !== gone);
  const found = await Promise.all([
    ...others.map((role) => missingAt(role, row, said[role])),
    ...(gone ? [readyAt(gone).then((ready) => (ready ? [`${gone} answers`] : []))] : []),
  ]);
  return found.flat();
}

async function missingAt(role: Role, row: Row, from: number): Promise<string[]> {
  const found: string[] = [];
  const [ready, metrics] = await Promise.all([readyAt(role), metricsAt(role)]);
  const [status, check, words] = codes(row.ready);
  if (status && check && words) {
    if (String(ready?.status) !== status) found.push(`ready is ${ready?.status}`);
    const { status: up, detail = '' } = ready?.checks[check] ?? { status: 'absent' };
    if (up !== 'down' || !detail.includes(words)) found.push(`${check} is ${up}: ${detail}`);
  }
  const [, series, value] = /^`(gangway[^`]+)` is (\d)$/.exec(row.metric) ?? [];
  if (series) {
    const line = new RegExp(`^${series.replaceAll(/[{}]/g, '\\$&')}(?:\\{[^}]*\\})? ${value}$`, 'm');
    if (!line.test(metrics)) found.push(`${series} is not ${value}`);
  }
  const [line] = codes(row.log);
  if (line && !processes[role].said.slice(from).includes(line)) found.push(`no line "${line}"`);
  return found.map((what) => `${role}: ${what}`);
}

/** The console's first page may be a second old. */
async function consoleSays(row: Row): Promise<void> {
  const [code] = codes(row.console);
  const [, check = '', words = ''] = codes(row.ready);
  const name = check.replace(/^(?:queue|upstream) |^redis$/, '');
  await until(`the console says ${code ?? words}`, async () => {
    const { status, text } = await browser.visit('/');
    if (code) return String(status) === code;
    return status === 200 && text.includes(name) && text.includes(words);
  });
}

const table = readTable();

describe('the table of outages in docs/operations/outages.md', () => {
  it('lists each outage, and promises that each is visible within 15 s', () => {
    expect(table.map(({ outage }) => outage)).toEqual(Object.keys(OUTAGES));
    for (const { seconds } of table) expect(seconds).toBeLessThanOrEqual(AT_MOST_S);
  });

  it.each(table)(
    'is right about "$outage": /health/ready, metrics, log and console show it in time',
    async (row) => {
      const { begin, end, gone } = OUTAGES[row.outage]!;
      await untilWell();
      const said = { service: processes.service.said.length, worker: processes.worker.said.length };
      const from = performance.now();
      try {
        await begin();
        for (;;) {
          const left = await missing(row, said, gone);
          const seconds = (performance.now() - from) / 1_000;
          if (left.length === 0) {
            if (process.env['SHOW_SECONDS']) process.stderr.write(`${row.outage}: ${seconds.toFixed(1)} s\n`);
            break;
          }
          if (seconds > row.seconds) throw new Error(`after ${seconds} s: ${left.join('; ')}`);
        }
        await consoleSays(row);
      } finally {
        await end();
      }
      await untilWell();
    },
  );
});
