import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { migrate } from '#libs/database';
import { until } from '#libs/testing';
import { readyAt } from '../support/health.js';
import { Story } from '../support/story.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { serversFolder } from '../../tools/checkout.js';
import { startPostgres } from '../../tools/embedded/postgres.js';

jest.setTimeout(180_000);

let folder: string;
let primary: Awaited<ReturnType<typeof startPostgres>>;
let standby: Awaited<ReturnType<typeof startPostgres>>;
let proxy: TcpProxy;
let story: Story;
beforeAll(async () => {
  folder = await mkdtemp(join(serversFolder(), 'read-only-'));
  await promisify(execFile)('chmod', ['755', folder]);
  const password = randomBytes(9).toString('hex');
  const options = (name: string) => ({ folder: join(folder, name), password, port: 55_500, throwaway: true });
  const first = await startPostgres(options('primary'));
  await migrate(first.url);
  await first.stop();
  // The standby is a copy of the stopped primary, and does not replicate.
  await mkdir(options('standby').folder);
  const copied = join(options('standby').folder, 'data');
  await promisify(execFile)('cp', ['-a', join(options('primary').folder, 'data'), copied]);
  await writeFile(join(copied, 'standby.signal'), '');
  await promisify(execFile)('chown', ['--reference', copied, options('standby').folder]);
  primary = await startPostgres(options('primary'));
  standby = await startPostgres(options('standby'));
  const env = { DATABASE_URL: primary.url, DATABASE_POOLER: 'none' };
  story = await Story.begin({ env, proxied: ['DATABASE_URL'] });
  proxy = await story.proxyTo('DATABASE_URL');
});
beforeEach(() => {
  proxy.leadTo(primary.url);
  proxy.cut();
});
afterAll(async () => {
  await story.end();
  await Promise.all([primary.stop(), standby.stop()]);
  await rm(folder, { recursive: true });
});

async function on(url: string, ...texts: string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  for (const text of texts) await client.query(text);
  await client.end();
}

const start = () => story.start(story.newSubject());
const detail = async () => {
  const { body } = await readyAt(story.serviceUrl);
  return body.checks['postgresql']!.detail;
};
const refused = {
  status: 503,
  body: { code: 'not_ready', retryable: true, detail: 'The database takes no writes at the moment.' },
};

describe('a PostgreSQL that accepts no writes', () => {
  it('works again over the same connections after ALTER SYSTEM has made it writable', async () => {
    const { id, subject } = await story.sent();
    await on(primary.url, 'ALTER SYSTEM SET default_transaction_read_only = on', 'SELECT pg_reload_conf()');
    await until('the setting is read', async () => (await start()).status === 503);
    expect(await start()).toMatchObject(refused);
    expect(await detail()).toBe('it takes no writes: default_transaction_read_only is on');
    expect((await story.get(id)).status).toBe(200);
    const mend = 'ALTER SYSTEM RESET default_transaction_read_only';
    await on(primary.url, 'SET default_transaction_read_only = off', mend, 'SELECT pg_reload_conf()');
    await until('it takes writes', async () => (await detail()) === undefined);
    expect(await story.verify(id, story.code(subject))).toMatchObject({ status: 200 });
    expect(story.calls(subject, 'otp-auth')).toBe(1);
  });

  it('causes no failed request once its address belongs to the primary again', async () => {
    const { id, subject } = await story.sent();
    proxy.leadTo(standby.url);
    proxy.cut();
    await until(
      'the service reconnects',
      async () => (await detail()) === 'it takes no writes: it is a standby',
    );
    for (const answer of [await start(), await start()]) expect(answer).toMatchObject(refused);
    // Fill the service's pool with connections to the standby.
    await Promise.all(Array.from({ length: 20 }, () => story.get(id)));
    // Only new connections reach the primary.
    proxy.leadTo(primary.url);
    expect((await story.verify(id, story.code(subject))).status).toBe(200);
    for (const { status } of await Promise.all(Array.from({ length: 20 }, start))) expect(status).toBe(201);
    expect(await detail()).toBeUndefined();
    expect(story.calls(subject, 'otp-auth')).toBe(1);
  });

  it('works again once the standby is promoted', async () => {
    proxy.leadTo(standby.url);
    proxy.cut();
    await until(
      'the service reconnects',
      async () => (await detail()) === 'it takes no writes: it is a standby',
    );
    expect(await start()).toMatchObject(refused);
    await on(standby.url, 'SELECT pg_promote()');
    expect((await start()).status).toBe(201);
    expect(await detail()).toBeUndefined();
  });
});
