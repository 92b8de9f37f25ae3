import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import type { AppProcess } from '../../support/app-process.js';
import { bearer, makeKey } from '../../support/callers.js';
import { JSON_KEY, KEY, send, type Reply } from '../../support/http-exchange.js';
import { StepUnderTest } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';
import { lapseLeases, runOut } from '../../support/time-travel.js';

type Line = Record<string, unknown> & { level: number; msg: string };

const INFO = 30;
const WARN = 40;
const ERROR = 50;
const SECRET = 'sk4711NeverInALog';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

let story: Story;
let service: AppProcess;
let worker: AppProcess;
beforeAll(async () => {
  story = await Story.begin({
    service: false,
    worker: false,
    env: {
      EVENTS_STREAMS_PER_CALLER: '1',
      // Retries come only after the test.
      RETRY_FLOOR_MS: '60000',
      RETRY_BASE_MS: '60000',
      RETRY_CAP_MS: '60000',
      // With long timeouts, no answer is lost on a slow machine.
      CALL_TIMEOUT_MS: '20000',
      CLAIM_MAX_AGE_MS: '9000',
      LEASE_MS: '30000',
    },
  });
  [service, worker] = await Promise.all([story.startProcess('onboarding'), story.startProcess('worker')]);
});
afterAll(() => story.end());

const linesOf = (app: AppProcess) =>
  app.said.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));

async function search(text: string, app = service, isWanted = isNoAudit): Promise<Line[]> {
  const found = () => linesOf(app).filter((line) => isWanted(line) && JSON.stringify(line).includes(text));
  await until(`a line with ${text}`, () => found().length > 0);
  return found();
}

/** Audit lines have the same trace id, so the search leaves them out. */
const isNoAudit = (line: Line): boolean => line['audit'] === undefined;

const traceIdOf = ({ text }: Pick<Reply, 'text'>) => (JSON.parse(text) as { traceId: string }).traceId;

/** @returns the body of the answer to these bytes, which are sent unchanged. */
async function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname, () => socket.write(bytes));
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return said.slice(said.indexOf('\r\n\r\n') + 4);
}

const post = (path: string, body: unknown, headers: Record<string, string> = JSON_KEY) =>
  send(story, 'POST', path, { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });

describe('the traceId of an error answer', () => {
  const none = randomUUID();
  const cases: [string, () => Promise<Pick<Reply, 'text'>>, Partial<Line>][] = [
    [
      'a body of the wrong shape',
      () => post(`/v1/onboardings?secret=${SECRET}`, { code: SECRET }),
      { status: 400, code: 'validation_failed', method: 'POST', route: '/v1/onboardings', caller: 'default' },
    ],
    [
      'a body that is no JSON',
      () => post('/v1/onboardings', `{"code": "${SECRET}`),
      { status: 400, code: 'validation_failed', caller: 'default' },
    ],
    [
      'no credentials',
      () => send(story, 'GET', '/v1/onboardings'),
      { status: 401, code: 'unauthenticated', route: '/v1/onboardings' },
    ],
    [
      'a wrong token',
      () => send(story, 'GET', '/v1/onboardings', { headers: { authorization: `Bearer ${SECRET}` } }),
      { status: 401, code: 'unauthenticated' },
    ],
    [
      'an unknown onboarding',
      () => send(story, 'GET', `/v1/onboardings/${none}`, { headers: KEY }),
      { status: 404, code: 'not_found', route: '/v1/onboardings/:id', onboardingId: none, caller: 'default' },
    ],
    [
      'an unknown path',
      () => send(story, 'GET', `/v1/${SECRET}?x=${SECRET}`, { headers: KEY }),
      { status: 404, code: 'not_found', path: '/v1/*' },
    ],
    [
      'a wrong method',
      () => send(story, 'PUT', '/v1/onboardings', { headers: KEY }),
      { status: 405, code: 'method_not_allowed', method: 'PUT' },
    ],
    [
      'a path that cannot be decoded',
      () => send(story, 'GET', '/v1/%zz', { headers: KEY }),
      { status: 400, code: 'validation_failed' },
    ],
    [
      'a body that is too large',
      () => post('/v1/onboardings', { code: SECRET.repeat(20_000) }),
      { status: 413, code: 'payload_too_large', route: '/v1/onboardings' },
    ],
    [
      'a body of another type',
      () => post('/v1/onboardings', '<x/>', { ...KEY, 'content-type': 'text/xml' }),
      { status: 415, code: 'unsupported_media_type' },
    ],
    [
      'a malformed Host header',
      async () => ({ text: await raw('GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n') }),
      { status: 400, code: 'validation_failed' },
    ],
    [
      'bytes that are no HTTP',
      async () => ({ text: await raw(`${SECRET}\r\n\r\n`) }),
      { status: 400, code: 'validation_failed' },
    ],
    [
      'headers that are too large',
      async () => ({ text: await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${SECRET.repeat(2_000)}\r\n\r\n`) }),
      { status: 431, code: 'validation_failed' },
    ],
  ];

  it.each(cases)('finds one log line for %s', async (_, ask, line) => {
    const answer = await ask();
    const found = await search(traceIdOf(answer));
    expect(found).toEqual([expect.objectContaining({ level: INFO, retryable: false, ...line })]);
    expect(found[0]!['traceId']).toBe(traceIdOf(answer));
    expect(service.said).not.toContain(SECRET);
  });

  it('finds one log line for each of 409, 412, 422, 410 and 429, with the onboarding’s id', async () => {
    const subject = story.newSubject();
    const { id } = await story.sent(subject);
    const path = `/v1/onboardings/${id}`;
    const stale = { ...JSON_KEY, 'if-match': '"99"' };
    const keyed = { ...JSON_KEY, 'idempotency-key': randomUUID() };
    const { accountId, userId } = subject;
    const again = await post('/v1/onboardings', { subject: { accountId, userId } });
    const wrong = await post(`${path}/otp/verify`, { code: story.wrongCode(subject) }, keyed);
    const replayed = await post(`${path}/otp/verify`, { code: story.wrongCode(subject) }, keyed);
    const moved = await post(`${path}/otp/verify`, { code: '123456' }, stale);
    const early = await post(`${path}/authenticators/options`, { userName: 'ana' });
    const stream = await fetch(`${service.url}${path}/events/stream`, { headers: KEY });
    const second = await send(story, 'GET', `${path}/events/stream`, { headers: KEY });
    await stream.body!.cancel();
    await story.cancel(id);
    const ended = await post(`${path}/otp/verify`, { code: '123456' });
    for (const [answer, status, code] of [
      [again, 409, 'onboarding_live'],
      [wrong, 422, 'otp_invalid'],
      [moved, 412, 'version_mismatch'],
      [early, 409, 'illegal_state'],
      [second, 429, 'rate_limited'],
      [ended, 410, 'onboarding_ended'],
    ] as const) {
      expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(code)]);
      const retryable = status === 429;
      expect(await search(traceIdOf(answer))).toEqual([
        expect.objectContaining({
          level: INFO,
          status,
          code,
          retryable,
          onboardingId: id,
          caller: 'default',
        }),
      ]);
    }
    // The body has the traceId of the first request, the header x-request-id the id of the second.
    expect(traceIdOf(replayed)).toBe(traceIdOf(wrong));
    expect(await search(String(replayed.headers['x-request-id']))).toEqual([
      expect.objectContaining({ level: INFO, status: 422, code: 'otp_invalid', replayed: true }),
    ]);
  });

  it('is the request id that the caller sent, if any; the caller’s trace id finds the line too', async () => {
    const own = `own-${randomUUID()}`;
    const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
    const headers = { ...KEY, 'x-request-id': own, traceparent };
    expect(traceIdOf(await send(story, 'GET', `/v1/onboardings/${none}`, { headers }))).toBe(own);
    expect(await search(own)).toEqual([expect.objectContaining({ traceId: own, traceparent })]);
    expect(await search(TRACE)).toHaveLength(1);
  });

  it('finds one log line for 403, with the caller', async () => {
    const { token } = await makeKey(story, ['onboardings:read'], { caller: 'till' });
    const refused = await post('/v1/onboardings', {}, { ...JSON_KEY, ...bearer(token) });
    expect(await search(traceIdOf(refused))).toEqual([
      expect.objectContaining({
        level: INFO,
        status: 403,
        code: 'forbidden',
        caller: 'till',
        address: '127.0.0.1',
      }),
    ]);
  });

  it('finds one log line of level error for 500, with its cause', async () => {
    const { id } = await story.sent();
    await story.sql('ALTER TABLE onboarding_events RENAME TO elsewhere');
    const broken = await send(story, 'GET', `/v1/onboardings/${id}/events`, { headers: KEY });
    await story.sql('ALTER TABLE elsewhere RENAME TO onboarding_events');
    expect(broken.status).toBe(500);
    expect(await search(traceIdOf(broken))).toEqual([
      expect.objectContaining({
        level: ERROR,
        status: 500,
        code: 'internal',
        route: '/v1/onboardings/:id/events',
        onboardingId: id,
        err: expect.objectContaining({
          message: expect.stringContaining('onboarding_events'),
          stack: expect.any(String),
        }),
      }),
    ]);
  });
});

describe('a flood of error answers', () => {
  const FLOOD = 100;
  const ask = (app: AppProcess, headers: Record<string, string> = {}) =>
    fetch(`${app.url}/v1/onboardings`, { headers }).then(async (answer) => ({
      status: answer.status,
      text: await answer.text(),
    }));

  it('of unauthenticated requests makes sixty lines, and one line that counts the rest', async () => {
    const flooded = await story.startProcess('onboarding');
    await Promise.all(Array.from({ length: FLOOD }, () => ask(flooded)));
    // Each kind of problem has a limit of its own.
    await fetch(`${flooded.url}/nowhere`);
    await until('the other problem', () => linesOf(flooded).some(({ code }) => code === 'not_found'));
    await flooded.stop();
    const lines = linesOf(flooded).filter(({ code }) => code === 'unauthenticated');
    expect(lines.filter(({ traceId }) => traceId)).toHaveLength(60);
    expect(lines.filter(({ more }) => more)).toEqual([
      expect.objectContaining({
        level: INFO,
        status: 401,
        more: FLOOD - 60,
        msg: `and ${FLOOD - 60} more: 401 unauthenticated`,
      }),
    ]);
  });

  it('in an outage makes sixty lines of level error, with the cause', async () => {
    const database = await story.proxyTo('DATABASE_URL');
    const cut = await story.startProcess('onboarding', { DATABASE_URL: database.url });
    await database.close();
    const first = await ask(cut, KEY);
    expect(first.status).toBe(503);
    expect(await search(traceIdOf(first), cut)).toEqual([
      expect.objectContaining({
        level: ERROR,
        status: 503,
        code: 'not_ready',
        retryable: true,
        err: expect.anything(),
      }),
    ]);
    await Promise.all(Array.from({ length: FLOOD - 1 }, () => ask(cut, KEY)));
    await cut.stop();
    await database.open();
    const lines = linesOf(cut).filter(({ code }) => code === 'not_ready');
    expect(lines.filter(({ traceId }) => traceId)).toHaveLength(60);
    expect(lines.filter(({ more }) => more)).toEqual([expect.objectContaining({ more: FLOOD - 60 })]);
  });
});

describe('the log for operators', () => {
  const integration = 'byzantine';
  const eventsOf = (id: string, app = service) =>
    search(id, app, ({ event }) => event !== undefined && event !== 'unknown_refusal');

  it('has one line when the provider refuses our key, and one when it accepts the key again', async () => {
    const told = () => linesOf(service).filter(({ access }) => access !== undefined);
    story.sandbox.control.addFault({ route: '*', status: 401, times: 0 });
    for (let n = 0; n < 3; n++) await story.start(story.newSubject());
    story.sandbox.control.removeFaults();
    await story.sent();
    await until('both lines are there', () => told().length >= 2);
    expect(told()).toEqual([
      expect.objectContaining({ level: ERROR, integration, access: 'refused', upstreamStatus: 401 }),
      expect.objectContaining({ level: INFO, integration, access: 'accepted' }),
    ]);
  });

  it('has one line for each parked onboarding, in the process that parks it', async () => {
    const broken = story.sandbox.control.addFault({ route: 'whoami', status: 401, times: 0 });
    const at = await StepUnderTest.before(story, 'verify-otp');
    await at.strike({ status: 401 }).submit();
    expect(await eventsOf(at.id)).toEqual([
      expect.objectContaining({
        level: WARN,
        event: 'parked',
        onboardingId: at.id,
        integration,
        step: 'verify-otp',
        attempt: 2,
        reason: 'upstream_misconfigured',
        upstreamStatus: 401,
      }),
    ]);
    story.sandbox.control.removeFaults(broken.id);
  });

  it('has one line for a lost answer', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    await at.strike({ cut: 'after' }).submit();
    expect(await eventsOf(at.id)).toEqual([
      expect.objectContaining({
        level: WARN,
        event: 'outcome_lost',
        onboardingId: at.id,
        integration,
        step: 'verify-otp',
        attempt: 2,
        class: 'no_answer',
        evidence: { bytesSent: true, headersSeen: false, status: null, durationMs: expect.any(Number) },
      }),
    ]);
  });

  it('has one line of the worker for an attempt whose lease lapsed', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    // The lease lapses as if its process had died.
    const submitted = at.strike({ delayMs: 15_000, cut: 'before' }).submit();
    submitted.catch(() => undefined);
    await at.until('otp_submitted');
    await lapseLeases(story);
    const lines = await eventsOf(at.id, worker);
    expect(lines).toEqual([
      expect.objectContaining({
        level: WARN,
        event: 'outcome_lost',
        integration,
        step: 'verify-otp',
        class: 'lapsed',
      }),
    ]);
  });

  it('has one line of the worker for an outcome that stays unknown when the code expires', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    await at.strike({ status: 503 }).submit();
    await runOut(story, at.id, 'code');
    await at.until('outcome_unknown');
    expect(await eventsOf(at.id, worker)).toEqual([
      expect.objectContaining({
        level: WARN,
        event: 'outcome_lost',
        integration,
        step: 'verify-otp',
        attempt: 2,
        class: 'out_of_time',
        evidence: expect.objectContaining({ bytesSent: true, status: 503 }),
      }),
    ]);
  });
});
