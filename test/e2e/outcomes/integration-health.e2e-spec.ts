import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { until } from '#libs/testing';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { metricsAt, readyAt, type Ready } from '../../support/health.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

/** Each process must show an outage within this time. */
const SEEN_MS = 15_000;
const CHECK = 'upstream byzantine';
/** Defaults of the service. Other tests use shorter waits. */
const DEFAULT_RETRIES = {
  RETRY_FLOOR_MS: '250',
  RETRY_BASE_MS: '1000',
  RETRY_CAP_MS: '30000',
  BREAKER_CALLS: '20',
};

let story: Story;
afterEach(async () => {
  await story.end();
  // These rows would appear in the health of the next test.
  for (const table of ['onboardings', 'integration_views', 'integration_troubles', 'onboarding_counts'])
    await story.sql(`DELETE FROM ${table}`);
});

async function metricAt(url: string, name: string, ...more: string[]): Promise<number> {
  const [line] = await metricsAt(url, `${name}{${['integration="byzantine"', ...more].join(',')}}`);
  return Number(line?.split(' ')[1]);
}

async function fleet(env: Record<string, string> = {}): Promise<string[]> {
  story = await Story.begin({ worker: false, env });
  const worker = await story.startWorker();
  const urls = [story.serviceUrl, (await story.startService()).url, await worker.getUrl()];
  for (const url of urls)
    await until('all is well', async () => (await readyAt(url)).body.status === 'ok', SEEN_MS);
  return urls;
}

const finding = async (url: string) => (await readyAt(url)).body.checks[CHECK]!;

async function seen(urls: string[], holds: (found: Ready['checks'][string]) => boolean): Promise<void> {
  const all = async () => (await Promise.all(urls.map(finding))).every(holds);
  await until('each process sees it', all, SEEN_MS);
}

const isOk = async (url: string) => (await readyAt(url)).body.status === 'ok';

async function consoleText(): Promise<string> {
  if (!story.consoleUrl) await story.startConsole();
  return (await (await ConsoleBrowser.as('viewer', story)).visit('/')).text;
}

describe('the health of an integration', () => {
  it('shows the start and the end of an outage of one step, in each process and the console', async () => {
    const urls = await fleet(DEFAULT_RETRIES);
    const ids = await Promise.all(Array.from({ length: 8 }, async () => (await story.verified()).id));
    story.sandbox.control.addFault({ route: 'create-authenticators-otp', status: 503, times: 0 });
    for (const id of ids) await story.register(id, [await story.passkey(id)], { prefer: 'wait=0' });

    await seen(urls, ({ status, failing }) => status === 'down' && failing !== undefined);
    expect(await finding(urls[0]!)).toMatchObject({
      detail: expect.stringContaining('create-authenticators fails since'),
      failing: [{ call: 'create-authenticators', since: expect.any(String) }],
      lastError: { call: 'create-authenticators', class: 'unavailable', status: 503 },
    });
    for (const url of urls) {
      expect((await readyAt(url)).body.status).toBe('degraded');
      expect(await metricAt(url, 'gangway_integration_degraded')).toBe(1);
      expect(await metricAt(url, 'gangway_integration_failures_in_a_row')).toBeGreaterThanOrEqual(3);
    }
    expect(await consoleText()).toContain('create-authenticators fails since');

    story.sandbox.control.removeFaults();
    for (const url of urls) await until('all is well again', () => isOk(url));
    expect(await finding(urls[1]!)).not.toHaveProperty('lastError');
    expect(await metricAt(urls[1]!, 'gangway_integration_failures_in_a_row')).toBe(0);
  });

  it('shows since when the provider refuses our key, until the provider accepts it again', async () => {
    const urls = await fleet();
    story.sandbox.control.addFault({ route: '*', status: 401, times: 0 });
    for (let n = 0; n < 8; n++) await story.start(story.newSubject());
    await seen(urls, ({ refused, parked }) => Boolean(refused) && (parked as { count: number })?.count === 8);
    const found = await Promise.all(urls.map(finding));
    const { since } = found[0]!['refused'] as { since: string };
    for (const each of found) {
      expect(each).toMatchObject({
        status: 'down',
        refused: { since, status: 401 },
        parked: { count: 8, reasons: { upstream_misconfigured: 8 } },
        lastError: { class: 'misconfigured', status: 401 },
      });
    }
    for (const url of urls)
      expect(await metricAt(url, 'gangway_onboardings_parked', 'reason="upstream_misconfigured"')).toBe(8);
    expect(await consoleText()).toContain('our requests are refused with 401 since');

    story.sandbox.control.removeFaults();
    for (const url of urls) await until('all is well again', () => isOk(url));
  });

  it('shows after a probe that our key is accepted again, without a worker and without a step', async () => {
    story = await Story.begin({ worker: false });
    story.sandbox.control.addFault({ route: '*', status: 401, times: 0 });
    const { body } = await story.start(story.newSubject());
    await story.cancel(body.id);
    await until('it is refused', async () => (await finding(story.serviceUrl))['refused']);
    story.sandbox.control.removeFaults();
    await until('it is up', async () => (await finding(story.serviceUrl)).status === 'up', SEEN_MS);
  });

  it('still shows a refusal of our key after a probe that gets 404', async () => {
    story = await Story.begin({ worker: false });
    story.sandbox.control.addFault({ route: 'init-otp', status: 401, times: 0 });
    story.sandbox.control.addFault({ route: 'whoami', status: 404, times: 0 });
    const { body } = await story.start(story.newSubject());
    await story.cancel(body.id);
    const probes = () => story.sandbox.control.requests({ route: 'whoami' }).length;
    // When the service sends a second probe, it has read the answer to the first.
    await until('it was probed twice', () => probes() >= 2, SEEN_MS);
    expect(await finding(story.serviceUrl)).toMatchObject({ status: 'down', refused: { status: 401 } });
  });

  it('still shows a refusal of our key after the process that received it has stopped', async () => {
    story = await Story.begin({ worker: false, env: { PROBE_EVERY_MS: '600000' } });
    const met = await story.startService();
    story.sandbox.control.addFault({ route: '*', status: 403, times: 0 });
    const { accountId, userId } = story.newSubject();
    const subject = { subject: { accountId, userId } };
    const { body } = await story.call('POST', '/v1/onboardings', subject, {}, met.url);
    await story.cancel(body.id);
    const refusal = async (url: string) => (await finding(url))['refused'] as { since: string } | undefined;
    await until('the other knows', () => refusal(story.serviceUrl));
    await met.app.close();
    expect(await story.sql('SELECT 1 FROM integration_views WHERE refused_since IS NOT NULL')).toEqual([]);
    expect(await refusal(story.serviceUrl)).toMatchObject({ status: 403 });
    expect(await refusal((await story.startService()).url)).toMatchObject({ status: 403 });
  });

  it('shows unknown outcomes, but is not degraded because of them', async () => {
    story = await Story.begin();
    const { id, subject } = await story.sent();
    story.sandbox.control.addFault({ route: 'otp-auth', cut: 'after' });
    await story.verify(id, story.code(subject));
    await story.until(id, 'outcome_unknown');
    const told = await until('it is told', async () => (await finding(story.serviceUrl))['outcomeUnknown']);
    expect(told).toEqual({ count: 1, since: expect.any(String) });
    expect((await finding(story.serviceUrl)).status).toBe('up');
    const lost = await metricAt(story.serviceUrl, 'gangway_onboardings_outcome_unknown', 'step="verify-otp"');
    expect(lost).toBe(1);
  });

  it('forgets the open breaker of a killed process', async () => {
    story = await Story.begin({ worker: false });
    const doomed = await story.startProcess('onboarding', {
      BREAKER_CALLS: '2',
      BREAKER_WINDOW_MS: '60000',
      BREAKER_OPEN_MS: '600000',
    });
    story.sandbox.control.addFault({ route: 'init-otp', status: 503, times: 0 });
    for (let n = 0; n < 2; n++) {
      const { accountId, userId } = story.newSubject();
      const body = { subject: { accountId, userId } };
      await story.call('POST', '/v1/onboardings', body, { prefer: 'wait=0' }, doomed.url);
    }
    const breakers = async () => (await finding(story.serviceUrl))['breakers'];
    expect(await until('the other replica sees it', breakers, SEEN_MS)).toEqual([
      { process: expect.stringMatching(/^service-[0-9a-f]{8}$/), state: 'open', since: expect.any(String) },
    ]);
    expect(doomed.said.match(/the breaker opened/g)).toHaveLength(1);
    await doomed.kill();
    await until('it has lapsed', async () => (await finding(story.serviceUrl)).status === 'up');
  });

  it('no longer contains the report of a process that has stopped', async () => {
    story = await Story.begin({ worker: false });
    const views = () => story.sql('SELECT process FROM integration_views');
    await until('its view is told', async () => (await views()).length === 1);
    const other = await story.startService();
    await until('both are', async () => (await views()).length === 2);
    await other.app.close();
    expect(await views()).toHaveLength(1);
  });

  it('is also shown for removed integrations with onboardings, sorted by name in each process', async () => {
    const second = Object.entries({
      PROVIDER: 'byzantine',
      RP_ID: 'b.example.com',
      RP_NAME: 'B',
      ORIGINS: 'https://b.example.com',
    });
    story = await Story.begin({
      env: (sandbox) => ({
        INTEGRATIONS: 'byzantine,another',
        INTEGRATION_ANOTHER_BASE_URL: sandbox.url,
        INTEGRATION_ANOTHER_PRIVATE_KEY: sandbox.credential!.privateKeyHex,
        ...Object.fromEntries(second.map(([name, value]) => [`INTEGRATION_ANOTHER_${name}`, value])),
      }),
    });
    const other = await story.startService({ INTEGRATIONS: 'another,byzantine' });
    const { body } = await story.start(story.newSubject(), { integration: 'byzantine' });
    await story.sql(
      `UPDATE onboardings SET integration = 'gone', state = 'otp_requested', step = 'init-otp',
         parked_reason = 'integration_missing', parked_at = clock_timestamp()
       WHERE id = $1`,
      [body.id],
    );
    const urls = [story.serviceUrl, other.url];
    const isSeen = async () =>
      (await Promise.all(urls.map(readyAt))).every(({ body }) => body.checks['upstream gone']);
    await until('it is seen', isSeen, SEEN_MS);
    for (const url of urls) {
      const { status, checks } = (await readyAt(url)).body;
      expect(status).toBe('degraded');
      expect(checks['upstream gone']).toMatchObject({ status: 'down', parked: { count: 1 } });
      const names = Object.keys(checks).filter((name) => name.startsWith('upstream'));
      expect(names).toEqual(['upstream another', 'upstream byzantine', 'upstream gone']);
      expect(Object.keys(checks)).toEqual(Object.keys(checks).toSorted());
    }
  });

  it('shows the last known data while PostgreSQL does not answer', async () => {
    story = await Story.begin({ worker: false });
    story.sandbox.control.addFault({ route: '*', status: 401, times: 0 });
    await story.start(story.newSubject());
    await until('it is refused', async () => (await finding(story.serviceUrl))['refused']);
    const lock = new Client({ connectionString: story.databaseUrl });
    await lock.connect();
    await lock.query('BEGIN; LOCK TABLE integration_views, integration_troubles, onboarding_counts');
    try {
      for (let n = 0; n < 3; n++) {
        expect(await finding(story.serviceUrl)).toMatchObject({ status: 'down', refused: { status: 401 } });
      }
    } finally {
      await lock.end();
    }
  });

  it('is degraded while a table lock prevents the processes from sharing their reports', async () => {
    story = await Story.begin({ worker: false });
    const shared = async () => (await readyAt(story.serviceUrl)).body.checks['upstreams'];
    expect(await shared()).toBeUndefined();
    const lock = new Client({ connectionString: story.databaseUrl });
    await lock.connect();
    await lock.query('BEGIN; LOCK TABLE onboardings');
    try {
      await until(
        'the health says that the database is busy',
        async () => (await shared())?.detail?.endsWith('The database is busy.'),
        SEEN_MS,
      );
      expect((await readyAt(story.serviceUrl)).body.status).toBe('degraded');
    } finally {
      await lock.end();
    }
    await until('it is shared again', async () => (await shared()) === undefined, SEEN_MS);
  });
});
