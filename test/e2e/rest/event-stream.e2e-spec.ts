import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { anOnboarding, until } from '#libs/testing';
import { DataSource } from 'typeorm';
import type { AppProcess } from '../../support/app-process.js';
import { bearer, makeKey } from '../../support/callers.js';
import { EventReader } from '../../support/event-reader.js';
import { KEY, expectProblem, send, type Reply } from '../../support/http-exchange.js';
import { Story, type Subject } from '../../support/story.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import { runOut } from '../../support/time-travel.js';

jest.setTimeout(240_000);

const readers: EventReader[] = [];
async function follow(...args: Parameters<typeof EventReader.open>): Promise<EventReader> {
  const reader = await EventReader.open(...args);
  readers.push(reader);
  return reader;
}
afterEach(() => {
  for (const reader of readers.splice(0)) reader.hangUp();
});

describe('an event stream over two replicas and a worker', () => {
  let story: Story;
  let redis: TcpProxy;
  let one: AppProcess;
  let other: AppProcess;
  beforeAll(async () => {
    story = await Story.begin({ service: false, worker: false, proxied: ['REDIS_URL'] });
    redis = await story.proxyTo('REDIS_URL');
    [one, other] = await Promise.all([
      story.startProcess('onboarding'),
      story.startProcess('onboarding'),
      story.startProcess('worker'),
    ]);
    story.serviceUrl = one.url;
  });
  afterAll(() => story.end());

  /** The worker sends the code, because the service's first attempt fails. */
  async function startedByTheWorker(): Promise<{ id: string; subject: Subject }> {
    const subject = story.newSubject();
    story.sandbox.control.addFault({ route: 'init-otp', status: 503, match: { userId: subject.userId } });
    const { body } = await story.start(subject, {}, { prefer: 'wait=0' });
    return { id: body.id, subject };
  }

  it('sends the events of all processes once and in order; after its end, a reconnect gets 204', async () => {
    const { id, subject } = await startedByTheWorker();
    const reader = await follow(other.url, id);
    await reader.has('otp_sent');
    await story.verify(id, story.wrongCode(subject));
    await reader.has('otp_rejected');
    await story.verify(id, story.code(subject));
    await story.register(id, [await story.passkey(id)]);
    expect(await reader.end()).toBe('ended');
    expect(reader.types).toEqual(expect.arrayContaining(['retry_scheduled', 'authenticators_created']));
    expect(reader.events).toEqual(await story.events(id));
    expect(reader.events.map(({ seq }) => seq)).toEqual(reader.events.map((_, index) => index + 1));
    expect({ odd: reader.oddLines, retryMs: reader.retryMs }).toEqual({ odd: [], retryMs: 1_000 });
    for (const { url } of [one, other]) expect((await follow(url, id, reader.resumed)).status).toBe(204);
  });

  it('can be resumed at another replica when its own replica was killed', async () => {
    const { id, subject } = await startedByTheWorker();
    const doomed = await story.startProcess('onboarding');
    const first = await follow(doomed.url, id);
    await first.has('otp_sent');
    await doomed.kill();
    expect(await first.end()).toBe('broken');
    await story.verify(id, story.code(subject));
    const second = await follow(other.url, id, first.resumed);
    await second.has('otp_verified');
    await story.cancel(id);
    expect(await second.end()).toBe('ended');
    expect([...first.events, ...second.events]).toEqual(await story.events(id));
    expect(second.types).not.toContain('otp_sent');
  });

  it('works without Redis', async () => {
    const { id, subject } = await story.sent();
    await redis.close();
    const reader = await follow(other.url, id);
    await story.verify(id, story.code(subject));
    await reader.has('otp_verified');
    await redis.open();
    expect(reader.events).toEqual(await story.events(id));
  });

  it('ends without a delay when its replica stops, and can be resumed at another replica', async () => {
    const { id } = await story.sent();
    const stopping = await story.startProcess('onboarding');
    const reader = await follow(stopping.url, id);
    await reader.has('otp_sent');
    const stopped = stopping.stop();
    expect(await reader.end()).toBe('ended');
    expect(await stopped).toBe(0);
    const next = await follow(other.url, id, reader.resumed);
    await story.cancel(id);
    await next.has('cancelled');
    expect([...reader.events, ...next.events]).toEqual(await story.events(id));
  });
});

describe('an event stream from one process of the service', () => {
  let story: Story;
  let database: TcpProxy;
  beforeAll(async () => {
    story = await Story.begin({
      env: { EVENTS_HEARTBEAT_MS: '100', EVENTS_POLL_MS: '20', EVENTS_STREAMS: '3', API_KEY_CACHE_MS: '0' },
    });
    database = await story.proxyTo('DATABASE_URL');
  });
  afterAll(() => story.end());

  const path = (id: string) => `/v1/onboardings/${id}/events/stream`;
  const open = (id: string, options = {}) => follow(story.serviceUrl, id, options);
  const counts = async () => {
    const { text } = await send(story, 'GET', '/metrics');
    const of = (what: string) => Number(new RegExp(`^gangway_event_${what} (\\d+)$`, 'm').exec(text)![1]);
    return { streams: of('streams'), onboardings: of('stream_onboardings') };
  };
  const none = () =>
    until('no stream is open', async () => (await counts()).streams === 0).then(async () =>
      expect(await counts()).toEqual({ streams: 0, onboardings: 0 }),
    );

  it('is not cached or buffered, and has heartbeats', async () => {
    const { id } = await story.sent();
    const reader = await open(id);
    expect(reader.status).toBe(200);
    expect(reader.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    await until('it beats', () => reader.beats > 2);
    expect(reader.oddLines).toEqual([]);
  });

  it('begins after the event number in the query, but Last-Event-ID takes precedence', async () => {
    const { id } = await story.sent();
    const all = await story.events(id);
    const byQuery = await open(id, { query: '?after=2' });
    const byHeader = await open(id, { query: '?after=2', headers: { 'last-event-id': '1' } });
    await until(
      'both have it all',
      () => byQuery.events.length >= all.length - 2 && byHeader.events.length >= all.length - 1,
    );
    expect(byQuery.events).toEqual(all.slice(2));
    expect(byHeader.events).toEqual(all.slice(1));
  });

  it.each(['', 'x', '-1', '1.5', '1e3', '2147483648', '99999999999', '1, 2', '٣'])(
    'is refused with Last-Event-ID %j',
    async (given) => {
      const { id } = await story.sent();
      const headers = { ...KEY, 'last-event-id': Buffer.from(given).toString('latin1') };
      expectProblem(await send(story, 'GET', path(id), { headers }), 400, 'validation_failed');
    },
  );

  it.each(['?after=-1', '?after=x', '?limit=1', '?after=1&after=2'])('is refused with %s', async (query) => {
    const { id } = await story.sent();
    expectProblem(await send(story, 'GET', path(id) + query, { headers: KEY }), 400, 'validation_failed');
  });

  it('is refused without a key or the read scope, to another caller, and for an unknown id', async () => {
    const { id } = await story.sent();
    const [bank, writer] = await Promise.all([
      makeKey(story, ['onboardings:read'], { caller: 'bank' }),
      makeKey(story, ['onboardings:write'], { caller: 'default' }),
    ]);
    const ask = (token: string, of = id): Promise<Reply> =>
      send(story, 'GET', path(of), { headers: bearer(token) });
    expectProblem(await ask(bank.token), 404, 'not_found');
    expectProblem(await ask(bank.token, '01980000-0000-7000-8000-000000000000'), 404, 'not_found');
    expectProblem(await ask(writer.token), 403, 'forbidden');
    expectProblem(await send(story, 'GET', path(id)), 401, 'unauthenticated');
    await none();
  });

  it('about an ended onboarding sends the remaining events and ends, and a reconnect gets 204', async () => {
    const { id } = await story.sent();
    await story.cancel(id);
    const all = await story.events(id);
    const reader = await open(id, { query: '?after=1' });
    expect(await reader.end()).toBe('ended');
    expect(reader.events).toEqual(all.slice(1));
    const again = await open(id, reader.resumed);
    expect({ status: again.status, type: again.headers['content-type'] }).toEqual({ status: 204 });
    expect((await open(id, { query: `?after=${all.length}` })).status).toBe(204);
  });

  it('about an onboarding that expires sends the expiry, and ends', async () => {
    const { id } = await story.sent();
    const reader = await open(id);
    await reader.has('otp_sent');
    await runOut(story, id, 'whole');
    expect(await reader.end()).toBe('ended');
    expect(reader.types.at(-2)).toBe('otp_sent');
    expect(reader.types.at(-1)).toBe('expired');
  });

  it('sends the event of the erasure and ends, and a new stream has no personal data', async () => {
    const { id, subject } = await story.sent();
    const reader = await open(id);
    await reader.has('otp_sent');
    await story.call('DELETE', `/v1/onboardings/${id}`);
    expect(await reader.end()).toBe('ended');
    expect(reader.types.slice(-2)).toEqual(['cancelled', 'erased']);
    expect((await open(id, reader.resumed)).status).toBe(204);
    const whole = await open(id);
    await whole.end();
    expect(whole.events).toEqual(await story.events(id));
    for (const personal of [subject.email, subject.userId]) {
      expect(JSON.stringify(whole.events)).not.toContain(personal);
    }
  });

  it('about an ended onboarding ends; after an erasure, a reconnect gets only the new event', async () => {
    const { id } = await story.sent();
    await story.cancel(id);
    const reader = await open(id);
    await reader.end();
    await story.call('DELETE', `/v1/onboardings/${id}`);
    const late = await open(id, reader.resumed);
    expect(await late.end()).toBe('ended');
    expect(late.types).toEqual(['erased']);
  });

  it('answers HEAD, and leaves no stream behind', async () => {
    const { id } = await story.sent();
    const reply = await send(story, 'HEAD', path(id), { headers: KEY });
    expect({ status: reply.status, text: reply.text }).toEqual({ status: 200, text: '' });
    await none();
  });

  it('is removed when its reader disconnects, even immediately after connecting', async () => {
    const { id } = await story.sent();
    const [first, second] = [await open(id), await open(id)];
    await until('both are open', async () => (await counts()).streams === 2);
    expect(await counts()).toEqual({ streams: 2, onboardings: 1 });
    first.hangUp();
    await until('one is left', async () => (await counts()).streams === 1);
    second.hangUp();
    await none();
    const { hostname, port } = new URL(story.serviceUrl);
    const request = `GET ${path(id)} HTTP/1.1\r\nHost: a\r\nAuthorization: ${KEY.authorization}\r\n\r\n`;
    for (let times = 0; times < 20; times += 1) {
      const socket = connect(Number(port), hostname, () => {
        socket.write(times % 2 ? request : request.repeat(3));
        setImmediate(() => socket.destroy());
      });
      await until('it has hung up', () => socket.destroyed);
    }
    await none();
  });

  it('is refused with 503 if EVENTS_STREAMS streams are open', async () => {
    const { id } = await story.sent();
    const all = await Promise.all([open(id), open(id), open(id)]);
    const reply = await send(story, 'GET', path(id), { headers: KEY });
    expectProblem(reply, 503, 'not_ready');
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
    expect((await story.get(id)).status).toBe(200);
    all[0]!.hangUp();
    await until('a place is free', async () => (await open(id)).status === 200);
  });

  it('is refused with 429 if its caller has too many, and other callers still get a stream', async () => {
    const { id } = await story.sent();
    const { url } = await story.startService({ EVENTS_STREAMS_PER_CALLER: '1' });
    const statusFor = async (caller: string) => {
      const key = await makeKey(story, ['operations:read'], { caller });
      return (await follow(url, id, { headers: bearer(key.token) })).status;
    };
    expect(await statusFor('desk')).toBe(200);
    expect(await statusFor('desk')).toBe(429);
    expect(await statusFor('shop')).toBe(200);
  });

  it('is cut if its reader does not read, and can be resumed at the same place', async () => {
    const EVENTS = 300;
    const dataSource = new DataSource({ type: 'postgres', url: story.databaseUrl });
    await dataSource.initialize();
    const id = await anOnboarding(dataSource, { last_seq: EVENTS });
    // More than the sockets buffer, so that the service notices a reader that does not read.
    await dataSource.query(
      `INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
       SELECT $1, n, 'retry_scheduled', 'service', jsonb_build_object('reason', repeat('x', 60000))
       FROM generate_series(1, ${EVENTS}) n`,
      [id],
    );
    await dataSource.destroy();
    const { hostname, port } = new URL(story.serviceUrl);
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.write(`GET ${path(id)} HTTP/1.1\r\nHost: a\r\nAuthorization: ${KEY.authorization}\r\n\r\n`);
    await until('it is open', async () => (await counts()).streams === 1);
    await none();
    socket.destroy();
    const seqs: number[] = [];
    // On a busy machine, this reader may also be too slow and cut. Then the next reader continues.
    for (let last = 0; last < EVENTS; last = seqs.at(-1) ?? 0) {
      const reader = await open(id, { headers: { 'last-event-id': String(last) } });
      await until('it gets on', () => reader.closed ?? reader.events.at(-1)?.seq === EVENTS);
      seqs.push(...reader.events.map(({ seq }) => seq));
      reader.hangUp();
    }
    expect(seqs).toEqual(Array.from({ length: EVENTS }, (_, index) => index + 1));
  });

  it('ends after its maximum lifetime, so that a revoked key cannot continue to read', async () => {
    const { id } = await story.sent();
    const key = await makeKey(story, ['operations:read'], { caller: 'desk' });
    const { url } = await story.startService({ EVENTS_STREAM_LIFE_MS: '700' });
    const reader = await follow(url, id, { headers: bearer(key.token) });
    expect((await story.call('POST', `/v1/admin/api-keys/${key.id}/revoke`, {})).status).toBe(200);
    expect(await reader.end()).toBe('ended');
    const again = await follow(url, id, { headers: { ...bearer(key.token), ...reader.resumed.headers } });
    expect(again.status).toBe(401);
  });

  it('stays open while PostgreSQL is down, and continues by itself', async () => {
    const { id, subject } = await story.sent();
    const { url } = await story.startService({ DATABASE_URL: database.url });
    const reader = await follow(url, id);
    await reader.has('otp_sent');
    await database.close();
    await story.verify(id, story.code(subject));
    const beats = reader.beats;
    await until('it beats on', () => reader.beats > beats + 3);
    expect(reader.types).not.toContain('otp_verified');
    expect((await follow(url, id)).status).toBe(503);
    await database.open();
    await reader.has('otp_verified');
    expect(reader.events).toEqual(await story.events(id));
  });
});
