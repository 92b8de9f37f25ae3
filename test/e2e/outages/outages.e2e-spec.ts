import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { until } from '#libs/testing';
import { readyAt } from '../../support/health.js';
import { Story } from '../../support/story.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import { runOut } from '../../support/time-travel.js';

describe('an outage of PostgreSQL', () => {
  let story: Story;
  let database: TcpProxy;
  let replica: string;
  beforeAll(async () => {
    story = await Story.begin({ worker: false });
    database = await story.proxyTo('DATABASE_URL');
    replica = (await story.startService({ DATABASE_URL: database.url })).url;
  });
  afterAll(() => story.end());

  const ask = (method: string, path: string, body?: unknown) => story.call(method, path, body, {}, replica);

  it('makes every route answer 503 with Retry-After until PostgreSQL is back', async () => {
    const { id, subject } = await story.sent();
    expect((await ask('GET', `/v1/onboardings/${id}`)).status).toBe(200);
    await database.close();
    const { accountId, userId } = story.newSubject();
    for (const answer of [
      await ask('GET', `/v1/onboardings/${id}`),
      await ask('GET', `/v1/onboardings/${id}/events`),
      await ask('GET', '/v1/onboardings'),
      await ask('POST', '/v1/onboardings', { subject: { accountId, userId } }),
      await ask('POST', `/v1/onboardings/${id}/otp/verify`, { code: story.code(subject) }),
      await ask('POST', `/v1/onboardings/${id}/cancel`, {}),
      await ask('GET', '/health/ready'),
    ]) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'not_ready', retryable: true } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await ask('GET', '/health/live')).status).toBe(200);

    await database.open();
    await until('the pool is back', async () => (await ask('GET', '/health/ready')).status === 200);
    expect(story.calls(subject, 'otp-auth')).toBe(0);
    expect(
      (await ask('POST', `/v1/onboardings/${id}/otp/verify`, { code: story.code(subject) })).status,
    ).toBe(200);
  });

  it('leaves no attempt behind for a request whose caller got a 503', async () => {
    const { id, subject } = await story.sent();
    const blocker = new Client({ connectionString: story.databaseUrl });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE otp_budgets IN ACCESS EXCLUSIVE MODE');
    const before = await story.eventTypes(id);
    expect(await story.verify(id, story.code(subject))).toMatchObject({
      status: 503,
      body: { code: 'not_ready', retryable: true },
    });
    await blocker.query('COMMIT');
    await blocker.end();
    // Without CLAIM_MAX_AGE_MS, PostgreSQL would now execute the delayed statement of the first verify, and
    // no process would make its call.
    expect((await story.verify(id, story.code(subject))).status).toBe(200);
    const events = (await story.eventTypes(id)).slice(before.length);
    expect(events.filter((type) => type === 'otp_submitted')).toHaveLength(1);
  });

  it('loses no answer of the provider that came during the outage', async () => {
    const subject = story.newSubject();
    story.sandbox.control.addFault({ route: 'init-otp', delayMs: 300, match: { userId: subject.userId } });
    const answer = ask('POST', '/v1/onboardings', {
      subject: { accountId: subject.accountId, userId: subject.userId },
    });
    await until('the call is under way', () => story.calls(subject, 'init-otp') === 1);
    await database.close();
    await until('upstream has answered', () => story.journal(subject)[0]?.answer === 200);
    await database.open();
    expect(await answer).toMatchObject({ status: 201, body: { state: 'otp_sent', otp: { sends: 1 } } });
    expect(story.calls(subject, 'init-otp')).toBe(1);
  });

  it('lets the service answer 202 if the call is still in flight when the caller’s wait ends', async () => {
    const { accountId, userId, ...subject } = story.newSubject();
    story.sandbox.control.addFault({ route: 'init-otp', delayMs: 500, match: { userId } });
    const start = { subject: { accountId, userId } };
    const answer = story.call('POST', '/v1/onboardings', start, { prefer: 'wait=2' }, replica);
    const calls = () => story.calls({ accountId, userId, ...subject }, 'init-otp');
    await until('the call is under way', () => calls() === 1);
    await database.close();
    const { status, body } = await answer;
    expect([status, body.state]).toEqual([202, 'otp_requested']);
    await database.open();
    await story.until(body.id, 'otp_sent');
    expect(calls()).toBe(1);
  });
});

describe('an outage of Redis', () => {
  let story: Story;
  let redis: TcpProxy;
  beforeAll(async () => {
    story = await Story.begin({ proxied: ['REDIS_URL'] });
    redis = await story.proxyTo('REDIS_URL');
  });
  afterAll(() => story.end());

  it('prevents neither new onboardings nor expiries, and all retries are made afterwards', async () => {
    await redis.close();
    const failing = Array.from({ length: 20 }, () => story.newSubject());
    for (const { userId } of failing)
      story.sandbox.control.addFault({ route: 'init-otp', status: 503, match: { userId } });
    const waiting = await Promise.all(
      failing.map((subject) => story.start(subject, {}, { prefer: 'wait=0' })),
    );
    for (const { status } of waiting) expect(status).toBe(202);
    expect((await story.start(story.newSubject())).status).toBe(201);
    const health = await readyAt(story.serviceUrl);
    expect(health.body).toMatchObject({ status: 'degraded', checks: { redis: { status: 'down' } } });

    const { id } = await story.sent();
    await runOut(story, id, 'code');
    const written = () =>
      story.sql('SELECT 1 FROM onboarding_events WHERE onboarding_id = $1 AND type = $2', [
        id,
        'otp_expired',
      ]);
    await until('the worker expires by its own clock', async () => (await written()).length === 1);

    await redis.open();
    for (const { body } of waiting) await story.until(body.id, 'otp_sent');
  });
});
