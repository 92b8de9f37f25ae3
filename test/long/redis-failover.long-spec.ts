import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { until } from '#libs/testing';
import type { TcpProxy } from '../support/tcp-proxy.js';
import type { AppProcess } from '../support/app-process.js';
import { liveAt, readyAt } from '../support/health.js';
import { startPrivateRedis, type PrivateRedis } from '../support/private-redis.js';
import { untilSaid } from '../support/sick-redis.js';
import { Story } from '../support/story.js';

jest.setTimeout(180_000);

const READ_ONLY = /READONLY|UNBLOCKED/;
const AS_DEPLOYED = {
  SWEEP_EVERY_MS: '15000',
  WAKE_AGAIN_MS: '40000',
  EXPIRY_EVERY_MS: '1000',
  CANARY_EVERY_MS: '15000',
  PROBE_EVERY_MS: '60000',
  RETRY_FLOOR_MS: '1000',
  RETRY_BASE_MS: '1000',
  RETRY_CAP_MS: '5000',
};

describe('a failover between two Redis servers behind a proxy that keeps connections open', () => {
  let servers: [PrivateRedis, PrivateRedis];
  let proxy: TcpProxy;
  let story: Story;
  let service: AppProcess;
  let worker: AppProcess;
  const told: string[] = [];
  beforeAll(async () => {
    const password = randomBytes(12).toString('hex');
    servers = [await startPrivateRedis(password), await startPrivateRedis(password)];
    for (const { admin } of servers) await admin.config('SET', 'repl-diskless-sync-delay', '0');
    await servers[1].admin.replicaof('127.0.0.1', servers[0].port);
    await until(
      'the replica follows',
      async () => /master_link_status:up/.test(await servers[1].admin.info()),
      30_000,
    );
    const env = { ...AS_DEPLOYED, REDIS_URL: servers[0].url };
    story = await Story.begin({ env, service: false, worker: false, proxied: ['REDIS_URL'] });
    proxy = await story.proxyTo('REDIS_URL');
    [service, worker] = [await story.startProcess('onboarding'), await story.startProcess('worker')];
    for (const { url } of [service, worker])
      await until('all is well', async () => (await readyAt(url)).body.status === 'ok', 60_000);
  });
  afterAll(async () => {
    await story?.end();
    for (const server of servers ?? []) await server.stop();
    process.stdout.write(`${told.join('\n')}\n`);
  });

  const ms = (from: number) => `${Math.round(performance.now() - from)} ms`;
  const lines = (app: AppProcess) =>
    app.said.split('\n').filter((line) => /"level":"?(warn|40|error|50)/.test(line));

  /** Makes `to` the master of `from`. The proxy still leads to `from`. */
  async function failOver(from: PrivateRedis, to: PrivateRedis): Promise<void> {
    await to.admin.replicaof('NO', 'ONE');
    await from.admin.replicaof('127.0.0.1', to.port);
  }

  it('is reported while it lasts, requires no restart, and loses no retry', async () => {
    const [first, second] = servers;
    const subjects = Array.from({ length: 20 }, () => story.newSubject());
    for (const { userId } of subjects)
      story.sandbox.control.addFault({ route: 'init-otp', status: 503, match: { userId }, times: 1 });
    const before = await Promise.all(
      subjects.slice(0, 10).map((subject) => story.start(subject, {}, { prefer: 'wait=0' })),
    );
    const said = { service: lines(service).length, worker: lines(worker).length };
    const failedAt = performance.now();
    await failOver(first, second);
    await Promise.all([untilSaid(service.url, READ_ONLY), untilSaid(worker.url, READ_ONLY)]);
    told.push(`failover → both report degraded: ${ms(failedAt)}`);
    const during = await Promise.all(
      subjects.slice(10).map((subject) => story.start(subject, {}, { prefer: 'wait=0' })),
    );
    expect([...before, ...during].map(({ status }) => status)).toEqual(Array(20).fill(202));
    // A failover of a managed Redis takes about ten seconds.
    await until('ten seconds have passed', () => performance.now() - failedAt > 10_000, 15_000);
    for (const { url } of [service, worker]) {
      expect((await readyAt(url)).body.status).toBe('degraded');
      expect(await liveAt(url)).toBe(200);
    }
    const stormy = {
      service: lines(service).length - said.service,
      worker: lines(worker).length - said.worker,
    };
    told.push(`warnings and errors in these 10 s: service ${stormy.service}, worker ${stormy.worker}`);
    expect(Math.max(stormy.service, stormy.worker)).toBeLessThan(20);

    const mendedAt = performance.now();
    proxy.leadTo(second.url);
    await until(
      'the first retry is made',
      () => subjects.some((subject) => story.calls(subject, 'init-otp') === 2),
      30_000,
    );
    told.push(`mended → first retry: ${ms(mendedAt)}`);
    for (const { url } of [service, worker])
      await until('it is well', async () => (await readyAt(url)).body.checks['redis']!.status === 'up');
    told.push(`mended → both report Redis up: ${ms(mendedAt)}`);
    for (const { body } of [...before, ...during]) await story.until(body.id, 'otp_sent', 60_000);
    told.push(`mended → all 20 retries made: ${ms(mendedAt)}`);
    for (const subject of subjects) expect(story.calls(subject, 'init-otp')).toBe(2);
    for (const { url } of [service, worker])
      await until('all is well', async () => (await readyAt(url)).body.status === 'ok', 90_000);
    told.push(`mended → both report ok: ${ms(mendedAt)}`);
  });

  it('can be reversed, and new connections reach the right server immediately', async () => {
    const [first, second] = servers;
    await until('the old master follows', async () => /master_link_status:up/.test(await first.admin.info()));
    const subject = story.newSubject();
    const { userId } = subject;
    story.sandbox.control.addFault({ route: 'init-otp', status: 503, match: { userId }, times: 1 });
    proxy.leadTo(first.url);
    const failedAt = performance.now();
    await failOver(second, first);
    const { body } = await story.start(subject, {}, { prefer: 'wait=0' });
    await story.until(body.id, 'otp_sent', 30_000);
    told.push(`fail back → a retry made: ${ms(failedAt)}`);
    const names = String(await second.admin.client('LIST')).match(/name=\S*gangway\S*/g) ?? [];
    expect(names).toEqual([]);
  });
});
