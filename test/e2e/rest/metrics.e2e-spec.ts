import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS, SCOPES } from '#libs/kernel';
import { LIVE_STATES, PARKED_REASONS, SIGNALS, STEPS } from '#libs/onboarding';
import { METRICS, PROCESS_METRICS, type MetricDefinition } from '#libs/platform';
import { until } from '#libs/testing';
import { FAILURE_CLASSES } from '#libs/upstream';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { makeKey, readWith } from '../../support/callers.js';
import { scrape, type Scraped } from '../../support/scrape.js';
import { Story } from '../../support/story.js';

type Role = 'service' | 'worker' | 'console';
const DEFINITIONS: [string, MetricDefinition][] = Object.entries<MetricDefinition>(METRICS);

let story: Story;
const urls = {} as Record<Role, string>;
beforeAll(async () => {
  story = await Story.begin({ worker: false, console: true, env: { EVENTS_STREAMS_PER_CALLER: '1' } });
  urls.service = story.serviceUrl;
  urls.worker = await (await story.startWorker()).getUrl();
  urls.console = story.consoleUrl;
  const { token } = await makeKey(story, ['admin'], { expiresInS: 90 * 86_400 });
  await readWith(story, token);
});
afterAll(() => story.end());

const scrapes = async () =>
  Object.fromEntries(
    await Promise.all(Object.entries(urls).map(async ([role, url]) => [role, await scrape(url)] as const)),
  ) as Record<Role, Map<string, Scraped>>;

async function sendBytes(bytes: string): Promise<string> {
  const { port } = new URL(story.serviceUrl);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(bytes);
  return text(socket);
}

async function send(url: string, method: string, path: string): Promise<number> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ port, method, path }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    });
    sent.on('error', reject).end();
  });
}

async function drive(): Promise<void> {
  const some = randomUUID();
  for (const scopes of [SCOPES, ['onboardings:read'] as const]) {
    const { token } = await makeKey(story, scopes, { caller: `caller-${some}`, expiresInS: 30 * 86_400 });
    await readWith(story, token);
  }
  for (let n = 0; n < 3; n++) {
    const { id, subject } = await story.sent();
    await story.verify(id, story.wrongCode(subject));
    await story.verify(id, story.code(subject));
    await story.register(id, [await story.passkey(id)]);
    await story.get(id);
    await story.get(randomUUID());
    await story.cancel(id);
  }
  const locked = await story.sent();
  for (let n = 0; n < 4; n++) await story.verify(locked.id, story.wrongCode(locked.subject));
  const streams = await Promise.all(
    [1, 2].map(() =>
      fetch(`${story.serviceUrl}/v1/onboardings/${locked.id}/events/stream`, {
        headers: { authorization: `Bearer ${story.env['API_KEY']}` },
      }),
    ),
  );
  for (const { body } of streams) await body!.cancel();
  story.sandbox.control.addFault({ route: 'otp-auth', status: 503, times: 1 });
  const retried = await story.sent();
  await story.verify(retried.id, story.code(retried.subject));
  await story.call('GET', `/v1/onboardings?state=${some}`);
  await story.call('GET', `/v1/onboardings?caller=${some}&accountId=${some}`);
  for (const url of Object.values(urls)) {
    for (const path of [
      `/${some}`,
      `/v1/${some}/onboardings`,
      `/metrics/${some}`,
      `/%zz${some}`,
      `//${some}`,
    ])
      await send(url, 'GET', path);
    for (const method of ['PROPFIND', 'PURGE', 'M-SEARCH', 'OPTIONS', 'DELETE'])
      await send(url, method, `/v1/onboardings/${some}`);
  }
  await sendBytes(`${some} / HTTP/1.1\r\n\r\n`);
  await sendBytes(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${some.repeat(1_000)}\r\n\r\n`);
  const browser = await ConsoleBrowser.as('viewer', story);
  for (const path of ['/', `/onboardings/${some}`, `/onboardings?q=${some}`, `/${some}`, '/funnel'])
    await browser.visit(path);
}

describe('the metrics', () => {
  it('of each process are those of docs/reference/signals.md, with the same kinds and labels', async () => {
    await drive();
    const found = await scrapes();
    for (const [role, metrics] of Object.entries(found)) {
      const kinds = [...metrics].map(([name, { kind }]) => `${name} ${kind}`);
      const own = DEFINITIONS.filter(([, { in: roles }]) => roles?.includes(role as Role) ?? true);
      const declared = own.map(([name, { kind }]) => `${name} ${kind}`);
      const others = new Set(Object.keys(PROCESS_METRICS));
      const without = (all: string[]) => all.filter((each) => !others.has(each.split(' ', 1)[0]!));
      expect(without(kinds).sort()).toEqual(without(declared).sort());
      for (const [name, { labels = [], kind }] of own) {
        for (const { labels: given } of metrics.get(name)?.series ?? []) {
          const names = Object.keys(given).filter((label) => kind !== 'histogram' || label !== 'le');
          expect([name, names.sort()]).toEqual([name, [...labels].sort()]);
        }
      }
    }
  });

  it('of Node.js and the process have their usual names', async () => {
    const { worker } = await scrapes();
    const names = [...worker.keys()].filter((name) => !(name in METRICS));
    for (const name of names) expect(Object.keys(PROCESS_METRICS)).toContain(name);
    if (process.platform === 'linux') expect(names.sort()).toEqual(Object.keys(PROCESS_METRICS).sort());
  });

  it('have a series in each process, except where docs/reference/signals.md says “only if …”', async () => {
    const found = await until('all have been counted', async () => {
      const metrics = await scrapes();
      return metrics.console.get('gangway_onboardings')!.series.length > 0 && metrics;
    });
    const empty = (Object.keys(urls) as Role[]).flatMap((role) =>
      [...found[role]]
        .filter(([name, { series }]) => name in METRICS && series.length === 0)
        .filter(([name]) => (METRICS as Record<string, MetricDefinition>)[name]!.when === undefined)
        .map(([name]) => `${name} of the ${role}`),
    );
    expect(empty).toEqual([]);
    const seen = new Set(
      Object.values(found).flatMap((metrics) =>
        [...metrics].filter(([, { series }]) => series.length > 0).map(([name]) => name),
      ),
    );
    // These metrics have no series, because no onboarding is parked, retries or has an unknown outcome.
    const unseen = DEFINITIONS.map(([name]) => name).filter((name) => !seen.has(name));
    expect(unseen.filter((name) => !/_parked|_unknown|_retrying/.test(name))).toEqual([]);
  });

  it('get no more series with other ids, callers, paths and methods', async () => {
    const sizes = async () => {
      const found = Object.entries(await scrapes()).flatMap(([role, metrics]) =>
        [...metrics]
          .filter(([name, { kind }]) => name in METRICS && kind !== 'gauge')
          .map(([name, { series }]) => [`${name} of the ${role}`, series.length] as const),
      );
      return Object.fromEntries(found);
    };
    await drive();
    const before = await sizes();
    await drive();
    expect(await sizes()).toEqual(before);
  });

  it('have no more series than there are combinations of their labels’ values', async () => {
    const names = ['byzantine'];
    const sizes: Record<string, number> = {
      integration: names.length,
      state: LIVE_STATES.length,
      // The probe is one more value of the label.
      step: STEPS.length + 1,
      class: FAILURE_CLASSES.length + 1,
      signal: SIGNALS.length,
      reason: PARKED_REASONS.length,
      limit: LIMITS.length,
    };
    for (const metrics of Object.values(await scrapes())) {
      for (const [name, { labels = [], kind, buckets = [] }] of DEFINITIONS) {
        const { series } = metrics.get(name) ?? { series: [] };
        if (!labels.every((label) => label in sizes)) continue;
        // Besides its buckets, a histogram has +Inf, sum and count.
        const each = kind === 'histogram' ? buckets.length + 3 : 1;
        const most = labels.reduce((product, label) => product * sizes[label]!, each);
        expect([name, series.length <= most]).toEqual([name, true]);
      }
    }
  });

  it('have labels with route templates and known methods, and without ids', async () => {
    const found = await scrapes();
    const ids = /[0-9a-f]{8}-[0-9a-f]{4}/;
    for (const metrics of Object.values(found)) {
      const { series } = metrics.get('http_server_request_duration_seconds')!;
      for (const { labels } of series) {
        expect(labels['http_request_method']).toMatch(/^(GET|HEAD|POST|DELETE|OPTIONS|_OTHER)$/);
        expect(labels['http_route']).toMatch(/^(|\/[\w/:.*-]*)$/);
        expect(labels['http_response_status_code']).toMatch(/^[1-5]\d\d$/);
      }
      for (const { series: all } of metrics.values()) expect(JSON.stringify(all)).not.toMatch(ids);
    }
    const routes = found.service.get('http_server_request_duration_seconds')!.series;
    const has = (more: Record<string, string>) =>
      routes.some(({ labels }) => Object.entries(more).every(([name, value]) => labels[name] === value));
    expect(has({ http_route: '/v1/onboardings/:id/otp/verify', http_request_method: 'POST' })).toBe(true);
    expect(has({ http_route: '', http_response_status_code: '404' })).toBe(true);
    expect(has({ http_route: '', http_request_method: '_OTHER', http_response_status_code: '431' })).toBe(
      true,
    );
    expect(has({ http_route: '', http_request_method: '_OTHER', http_response_status_code: '405' })).toBe(
      true,
    );
  });

  it('count how often each limit was hit, and start at 0', async () => {
    const { service, console } = await scrapes();
    const hits = (metrics: Map<string, Scraped>) =>
      Object.fromEntries(
        metrics.get('gangway_limits_hit_total')!.series.map(({ labels, value }) => [labels['limit'], value]),
      );
    expect(Object.keys(hits(console)).sort()).toEqual([...LIMITS].sort());
    expect(hits(service)['caller']).toBe(0);
    expect(hits(service)['otp_tries']).toBeGreaterThan(0);
    expect(hits(service)['event_streams_of_caller']).toBeGreaterThan(0);
  });

  it('show when the API key of a caller expires', async () => {
    const ends = await until('it is read', async () => {
      const { series } = (await scrape(urls.service)).get('gangway_credential_expiry_timestamp_seconds')!;
      return series.map(({ labels, value }) => ({
        ...labels,
        days: Math.round((value * 1_000 - Date.now()) / 86_400_000),
      }));
    });
    // The metric leaves out keys with a life of 31 days or less.
    expect(ends).toEqual([{ kind: 'api_key', name: 'shop', days: 90 }]);
  });
});
