import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SPAN_ATTRIBUTES } from '#libs/platform';
import { until } from '#libs/testing';
import { OtlpReceiver, treeOf, type ReceivedSpan } from '../../support/otlp-receiver.js';
import { API_KEY, Story, type Answer } from '../../support/story.js';

jest.setTimeout(120_000);

const CALLER_SPAN = '00f067aa0ba902b7';
const newTraceId = () => randomBytes(16).toString('hex');
const from = (traceId: string, flags = '01') => ({ traceparent: `00-${traceId}-${CALLER_SPAN}-${flags}` });

describe('the traces of service and worker', () => {
  const traces = {
    start: newTraceId(),
    verify: newTraceId(),
    refused: newTraceId(),
    live: newTraceId(),
    unknown: newTraceId(),
    unsampled: newTraceId(),
    resend: newTraceId(),
    left: newTraceId(),
  };
  let receiver: OtlpReceiver;
  let story: Story;
  let id: string;
  let started: Answer;
  let unsampled: Answer;
  let without: Answer;

  beforeAll(async () => {
    receiver = await OtlpReceiver.listen();
    story = await Story.begin({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`,
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20of-the-receiver',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
        // The polls of this test have no `traceparent`, so they make no spans.
        OTEL_TRACES_SAMPLER: 'parentbased_always_off',
      },
    });
    const fail = () => story.sandbox.control.addFault({ route: 'init-otp', status: 503, times: 1 });
    const subject = story.newSubject();
    fail();
    started = await story.start(subject, {}, { ...from(traces.start), prefer: 'respond-async' });
    id = started.body.id;
    await story.until(id, 'otp_sent');
    await story.start(subject, {}, { ...from(traces.live), 'idempotency-key': randomUUID() });
    const resend = { action: 'resend', ids: [id], reason: 'a story' };
    await story.cooledDown(id);
    fail();
    const operation = await story.call<{ id: string }>('POST', '/v1/operations', resend, from(traces.resend));
    await until('the operation ends', async () => {
      const path = `/v1/operations/${operation.body.id}`;
      return (await story.ask<{ endedAt: string | null }>('GET', path)).body.endedAt !== null;
    });
    await story.until(id, 'otp_sent');
    await story.verify(id, story.code(subject), from(traces.verify));
    await story.verify(id, story.code(subject), from(traces.refused));
    await story.ask('GET', '/v2/6-digits', undefined, from(traces.unknown));
    fail();
    unsampled = await story.start(story.newSubject(), {}, from(traces.unsampled, '00'));
    without = await story.get(id);
    await leave(story, traces.left);
    await fetch(`${story.serviceUrl}/health/ready`, { headers: from(newTraceId()) });
    await story.stop();
  });
  afterAll(async () => {
    await story.end();
    await receiver.close();
  });

  const rootOf = (traceId: string) => receiver.spansOf(traceId).find(({ kind }) => kind === 'SERVER')!;
  /** @returns the spans of the traces that link to this span and have an attempt. */
  const causedBy = ({ traceId, spanId }: ReceivedSpan) => {
    const links = JSON.stringify([{ traceId, spanId }]);
    const roots = receiver.spans.filter((span) => JSON.stringify(span.links) === links);
    return roots
      .map((root) => receiver.spansOf(root.traceId))
      .filter((spans) => spans.some(({ name }) => name.startsWith('attempt ')))
      .flat();
  };

  it('follow the caller’s trace to the database and the provider', () => {
    // The caller does not wait, so the service may read the row for its answer at any time.
    const spans = receiver.spansOf(traces.start).filter(({ name }) => name !== 'gw_find');
    expect(treeOf(spans)).toBe(
      [
        'POST /v1/onboardings SERVER',
        '  claim INTERNAL',
        '    gw_now CLIENT',
        '    gw_start CLIENT',
        '  attempt init-otp INTERNAL unavailable !',
        '    sign INTERNAL',
        '    POST /v1/submit/init-otp CLIENT 503 !',
        '    settle INTERNAL',
        '      gw_settle_send CLIENT',
      ].join('\n'),
    );
    const root = rootOf(traces.start);
    expect(root.parentSpanId).toBe(CALLER_SPAN);
    expect(started.headers.get('traceparent')).toBe(`00-${traces.start}-${root.spanId}-01`);
    expect(root.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/onboardings',
      'http.response.status_code': 202,
      'url.scheme': 'http',
      'url.path': '/v1/onboardings',
      'gangway.onboarding.id': id,
      'gangway.integration': 'byzantine',
      'gangway.step': 'init-otp',
      'gangway.attempt': 1,
    });
    expect(root.resource).toEqual({
      'service.name': 'gangway-service',
      'service.version': expect.stringMatching(/^\d+\.\d+/),
      'service.instance.id': expect.stringMatching(/^service-/),
      'deployment.environment.name': 'test',
    });
    expect(receiver.headers[0]).toMatchObject({ authorization: 'Bearer of-the-receiver' });
  });

  it('include one for the worker’s attempt, linked to the request', () => {
    const retried = causedBy(rootOf(traces.start));
    expect(treeOf(retried)).toBe(
      [
        'job init-otp CONSUMER',
        '  claim INTERNAL',
        '    gw_retry_send CLIENT',
        '  attempt init-otp INTERNAL',
        '    sign INTERNAL',
        '    POST /v1/submit/init-otp CLIENT',
        '    settle INTERNAL',
        '      gw_settle_send CLIENT',
      ].join('\n'),
    );
    const job = retried.find(({ kind }) => kind === 'CONSUMER');
    expect(job!.resource['service.name']).toBe('gangway-worker');
    expect(job!.attributes).toEqual({
      'gangway.onboarding.id': id,
      'gangway.integration': 'byzantine',
      'gangway.step': 'init-otp',
      'gangway.attempt': 2,
    });
    const attempt = retried.find(({ name }) => name === 'attempt init-otp');
    expect(attempt!.attributes).toMatchObject({ 'gangway.attempt.class': 'ok', 'gangway.attempt': 2 });
  });

  it('include one for each item of an operation, and one for the item’s next attempt', () => {
    const item = causedBy(rootOf(traces.resend));
    expect(treeOf(item)).toMatch(/^operation resend CONSUMER\n {2}claim INTERNAL\n/);
    const root = item.find(({ kind }) => kind === 'CONSUMER');
    expect(treeOf(causedBy(root!))).toMatch(/^job init-otp CONSUMER\n/);
  });

  it('show a request that succeeds at the first attempt', () => {
    expect(treeOf(receiver.spansOf(traces.verify))).toBe(
      [
        'POST /v1/onboardings/:id/otp/verify SERVER',
        '  claim INTERNAL',
        '    gw_claim_verify CLIENT',
        '  attempt verify-otp INTERNAL',
        '    sign INTERNAL',
        '    POST /v1/submit/otp-auth CLIENT',
        '    settle INTERNAL',
        '      gw_settle_verify CLIENT',
      ].join('\n'),
    );
    const settle = receiver.spansOf(traces.verify).find(({ name }) => name === 'settle');
    expect(settle!.attributes).toEqual({ 'gangway.state': 'otp_verified' });
  });

  it('show a refusal by its code, and not as a fault', () => {
    expect(treeOf(receiver.spansOf(traces.refused))).toBe(
      [
        'POST /v1/onboardings/:id/otp/verify SERVER illegal_state',
        '  claim INTERNAL',
        '    gw_claim_verify CLIENT',
        '    gw_now CLIENT',
        '  gw_find CLIENT',
      ].join('\n'),
    );
    expect(treeOf(receiver.spansOf(traces.live))).toContain('    gw_start CLIENT GW001\n');
    expect(rootOf(traces.live).attributes).toMatchObject({
      'error.type': 'onboarding_live',
      'http.response.status_code': 409,
    });
  });

  it('hide the segments of an unknown path that contain digits', () => {
    const { name, attributes } = rootOf(traces.unknown);
    expect([name, attributes['url.path'], attributes['error.type']]).toEqual(['GET', '/v2/*', 'not_found']);
  });

  it('show that a client left before the answer, and also the work after that', () => {
    const root = rootOf(traces.left);
    expect(root.attributes).toMatchObject({ 'error.type': 'client_left' });
    expect(root.attributes['http.response.status_code']).toBeUndefined();
    const settle = receiver.spansOf(traces.left).find(({ name }) => name === 'settle');
    expect(settle!.endMs).toBeGreaterThan(root.endMs);
  });

  it('leave out health checks, scheduled jobs, and unsampled requests with their attempts', async () => {
    expect(receiver.spansOf(traces.unsampled)).toEqual([]);
    expect(unsampled.headers.get('traceparent')).toBe(from(traces.unsampled, '00').traceparent);
    expect(without.headers.get('traceparent')).toMatch(/-00$/);
    const known = new Set(Object.values(traces));
    const causes = receiver.spans.flatMap(({ links }) => links.map(({ traceId }) => traceId));
    const roots = receiver.spans.filter(({ kind }) => ['SERVER', 'CONSUMER'].includes(kind));
    const others = receiver.spans.filter(
      ({ traceId }) => !known.has(traceId) && !roots.some((root) => root.traceId === traceId),
    );
    expect(others).toEqual([]);
    expect(causes).not.toContain(traces.unsampled);
    const [row] = await story.sql<{ traced: number; attempts: number }>(
      `SELECT count(trace_parent)::int AS traced, max(attempt) AS attempts FROM onboardings WHERE id = $1`,
      [unsampled.body.id],
    );
    expect(row).toEqual({ traced: 0, attempts: 2 });
  });

  it('have exactly the attributes that docs/reference/signals.md lists, and no events', () => {
    const seen = receiver.spans.flatMap(({ attributes, resource }) => [
      ...Object.keys(attributes),
      ...Object.keys(resource),
    ]);
    const own = Object.keys(SPAN_ATTRIBUTES);
    expect([...new Set(seen)].toSorted()).toEqual([...own, 'deployment.environment.name'].toSorted());
    for (const { attributes, events } of receiver.spans) {
      for (const [name, value] of Object.entries(attributes)) {
        const type = SPAN_ATTRIBUTES[name]!.type === 'int' ? 'number' : 'string';
        expect([name, typeof value]).toEqual([name, type]);
      }
      expect(events).toBe(0);
    }
  });
});

describe('a process that traces', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ service: false, worker: false });
  });
  afterAll(() => story.end());

  it('exports its last spans when it stops, and names the span in its log lines', async () => {
    const receiver = await OtlpReceiver.listen();
    const service = await story.startProcess('onboarding', {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_SERVICE_NAME: 'gangway-eu',
    });
    story.sandbox.control.addFault({ route: 'init-otp', status: 401, times: 9 });
    const traceId = newTraceId();
    await story.start(story.newSubject(), {}, { ...from(traceId), prefer: 'respond-async' });
    await until('the step is parked', async () => service.said.includes('"event":"parked"'));
    await story.ask('GET', '/v1/onboardings/x', undefined, from(traceId));
    expect(await service.stop()).toBe(0);
    await receiver.close();
    expect(new Set(receiver.spansOf(traceId).map(({ resource }) => resource['service.name']))).toEqual(
      new Set(['gangway-eu']),
    );
    const lines = service.said.split('\n').filter((line) => line.includes(`"trace_id":"${traceId}"`));
    const named = lines.map((line) => {
      const { span_id: id, event, code } = JSON.parse(line) as Record<string, string>;
      return [event ?? code, receiver.spans.find(({ spanId }) => spanId === id)?.name];
    });
    expect(named).toContainEqual(['parked', 'settle']);
    expect(named).toContainEqual(['validation_failed', 'GET /v1/onboardings/:id']);
  });

  it('works and stops as usual without its receiver, and logs the failure once', async () => {
    const service = await story.startProcess('onboarding', {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      DRAIN_TIMEOUT_MS: '6000',
    });
    story.serviceUrl = service.url;
    story.sandbox.control.removeFaults();
    for (let n = 0; n < 3; n++) expect((await story.start(story.newSubject())).status).toBe(201);
    expect(await service.stop()).toBe(0);
    expect(service.said.split('\n').filter((line) => line.includes('spans'))).toHaveLength(1);
  });
});

async function leave(story: Story, traceId: string): Promise<void> {
  const subject = story.newSubject();
  const { accountId, userId } = subject;
  story.sandbox.control.addFault({ route: 'init-otp', match: { userId }, delayMs: 400 });
  const headers = {
    authorization: `Bearer ${API_KEY}`,
    'content-type': 'application/json',
    ...from(traceId),
  };
  const asking = request(`${story.serviceUrl}/v1/onboardings`, { method: 'POST', headers });
  asking.on('error', () => undefined);
  asking.end(JSON.stringify({ subject: { accountId, userId } }));
  await until('the provider is asked', async () => story.calls(subject, 'init-otp') > 0);
  asking.destroy();
  await until('the code is sent', async () => {
    const [row] = await story.sql<{ state: string }>(
      `SELECT state FROM onboardings WHERE subject ->> 'userId' = $1`,
      [userId],
    );
    return row?.state === 'otp_sent';
  });
}
