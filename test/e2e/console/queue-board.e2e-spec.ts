import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Queues } from '#libs/jobs';
import { OperatorAudit, ROLES, type AuditEntry, type Role } from '#libs/operators';
import { until } from '#libs/testing';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { KEY, expectProblem, send } from '../../support/http-exchange.js';
import { Story } from '../../support/story.js';

let story: Story;
const browsers = {} as Record<Role, ConsoleBrowser>;
const audited: AuditEntry[] = [];
beforeAll(async () => {
  story = await Story.begin({ worker: false, console: true });
  for (const role of ROLES) browsers[role] = await ConsoleBrowser.as(role, story);
  const audit = story.console.get(OperatorAudit);
  audit.record = (entry) => void audited.push(entry);
});
afterAll(() => story.end());

const ask = (...args: Parameters<typeof send> extends [unknown, ...infer Rest] ? Rest : never) =>
  send({ serviceUrl: story.consoleUrl }, ...args);

async function assets(): Promise<string[]> {
  const { text } = await browsers.viewer.visit('/queues');
  return [...text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map((match) => `/queues/${match[1]}`);
}

describe('the queue board', () => {
  it('serves its page, data and assets to operators who are logged in', async () => {
    const page = await browsers.viewer.visit('/queues');
    expect(page.status).toBe(200);
    expect(page.text).toContain('Gangway');
    const data = await browsers.viewer.fetch('GET', '/queues/api/queues');
    const { queues } = JSON.parse(data.text) as { queues: { name: string }[] };
    expect(queues.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['steps', 'expiry', 'upkeep', 'operations']),
    );
    expect((await assets()).length).toBeGreaterThan(4);
    for (const asset of await assets()) {
      expect((await browsers.viewer.fetch('GET', asset)).status).toBe(200);
    }
  });

  it('has no inline script, loads nothing from other hosts, and cannot be framed', async () => {
    const { text, headers } = await browsers.viewer.visit('/queues');
    const scripts = [...text.matchAll(/<script([^>]*)>/g)].map(([, attributes = '']) => attributes);
    expect(scripts.length).toBeGreaterThan(1);
    expect(scripts.filter((each) => !/src="static\/|type="application\/json"/.test(each))).toEqual([]);
    expect(text).not.toMatch(/\son\w+=|javascript:|(?:src|href)="(?:https?:)?\/\//);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(headers['x-frame-options']).toBe('DENY');
  });

  it('serves nothing without a login, for any spelling of the path', async () => {
    const strangers = [
      {},
      KEY,
      { cookie: `gangway_ops=${'A'.repeat(43)}` },
      { cookie: `gangway_ops=${'x'.repeat(5_000)}` },
      { cookie: `__Host-${browsers.admin.cookie}` },
    ];
    const plain = ['/', '/onboardings', '/audit', '/queues', '/queues/', '/queues/api/queues', '/nothing'];
    const spellings = [
      (path: string) => path,
      (path: string) => path.toUpperCase(),
      (path: string) => path.replace('queues', '%71ueues'),
      (path: string) => path.replace('queues', 'queue%73'),
      (path: string) => path.replace('/queues/', '/queues%2F'),
      (path: string) => path.replace('/queues/', '/queues%5C'),
      (path: string) => path.replace('/queues', '//queues'),
      (path: string) => path.replace('/queues/', '/queues//'),
      (path: string) => path.replace('/queues', '/x/../queues'),
      (path: string) => path.replace('/queues', '/./queues'),
      (path: string) => path.replace('/queues', '/login/../queues'),
      (path: string) => path.replace('/queues', '/login/%2e%2e/queues'),
      (path: string) => path.replace('/queues', '/assets/..%2fqueues'),
      (path: string) => `http://${new URL(story.consoleUrl).host}${path}`,
      (path: string) => `${path}/`,
      (path: string) => `${path}?x=/login`,
      (path: string) => `${path};/login`,
      (path: string) => `${path}%00`,
    ];
    for (const path of [...plain, ...(await assets())]) {
      for (const spelling of spellings) {
        for (const headers of strangers) {
          const { status, text } = await ask('GET', spelling(path), { headers });
          expect([spelling(path), [400, 401, 404].includes(status)]).toEqual([spelling(path), true]);
          expect(text).not.toMatch(/"queues"|<html|webpack|{color|@font-face/i);
        }
      }
      for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
        // A wrong method gets 405, and a POST without our pages' headers 403.
        const allowed = method === 'GET' || method === 'HEAD' ? [401] : [401, 403, 405];
        const { status } = await ask(method, path);
        expect([method, path, allowed.includes(status)]).toEqual([method, path, true]);
      }
      const refused = await ask('GET', path);
      expectProblem(refused, 401, 'unauthenticated');
      expect(refused.headers['www-authenticate']).toMatch(/^Cookie/);
      const person = await ask('GET', path, { headers: { accept: 'text/html,*/*' } });
      expect([person.status, person.text]).toEqual([303, '']);
      expect(person.headers['location']).toBe(`/login?next=${encodeURIComponent(path)}`);
    }
  });

  it('accepts no API key, and the API accepts no console session', async () => {
    expect((await ask('GET', '/queues', { headers: KEY })).status).toBe(401);
    const { cookie } = browsers.admin;
    expect((await send(story, 'GET', '/v1/onboardings', { headers: { cookie } })).status).toBe(401);
  });
});

const ACTIONS: [method: string, path: string, needed: Role][] = [
  ['PUT', 'pause', 'operator'],
  ['PUT', 'resume', 'operator'],
  ['PUT', 'steps/pause', 'operator'],
  ['PUT', 'steps/resume', 'operator'],
  ['PUT', 'steps/promote', 'operator'],
  ['PUT', 'steps/retry/failed', 'operator'],
  ['PUT', 'steps/none/retry', 'operator'],
  ['PUT', 'steps/none/promote', 'operator'],
  ['PUT', 'steps/job-schedulers/none/run', 'operator'],
  ['POST', 'steps/add', 'admin'],
  ['PUT', 'steps/clean/completed', 'admin'],
  ['PUT', 'steps/concurrency', 'admin'],
  ['PUT', 'steps/rate-limit', 'admin'],
  ['PUT', 'steps/rate-limit/release', 'admin'],
  ['PUT', 'steps/empty', 'admin'],
  ['PUT', 'steps/obliterate', 'admin'],
  ['PUT', 'steps/job-schedulers/none/remove', 'admin'],
  ['PATCH', 'steps/job-schedulers/none', 'admin'],
  ['PUT', 'steps/none/clean', 'admin'],
  ['PATCH', 'steps/none/update-data', 'admin'],
  ['PATCH', 'steps/none/delay', 'admin'],
  ['PATCH', 'steps/none/priority', 'admin'],
  ['PUT', 'steps/none/remove-unprocessed-children', 'admin'],
];

describe('the roles on the queue board', () => {
  it('are tested for every route of the board that changes something', () => {
    const fastify = story.console.getHttpAdapter().getInstance();
    // POST is left out, because other routes than the board's use it too.
    for (const method of ['PUT', 'PATCH'] as const) {
      const routes = [...fastify.printRoutes({ commonPrefix: false, method }).matchAll(/\((?:PUT|PATCH)\)/g)];
      expect([method, routes.length]).toEqual([method, ACTIONS.filter(([each]) => each === method).length]);
    }
  });

  const json = { 'content-type': 'application/json' };
  it.each(ACTIONS)('permit %s %s only from the role %s upwards', async (method, path, needed) => {
    const act = (role: Role) =>
      browsers[role].fetch(method, `/queues/api/queues/${path}`, json, JSON.stringify({}));
    for (const role of ROLES) {
      const refused = ROLES.indexOf(role) < ROLES.indexOf(needed);
      const reply = await act(role);
      expect([role, reply.status === 403]).toEqual([role, refused]);
      if (refused) expectProblem(reply, 403, 'forbidden');
      else expect(reply.status).not.toBe(401);
    }
  });

  it('let an allowed action take effect, and let a refused action do nothing', async () => {
    const steps = story.console.get(Queues).get('steps');
    const pause = (role: Role) => browsers[role].fetch('PUT', '/queues/api/queues/steps/pause');
    await pause('viewer');
    expect(await steps.isPaused()).toBe(false);
    expect((await pause('operator')).status).toBe(200);
    expect(await steps.isPaused()).toBe(true);
    expect((await browsers.operator.fetch('PUT', '/queues/api/queues/steps/resume')).status).toBe(200);
    expect(await steps.isPaused()).toBe(false);
  });

  it('are checked for each action, and the audit records the operator and the outcome', async () => {
    audited.splice(0);
    await browsers.viewer.fetch('PUT', '/queues/api/queues/steps/none/retry');
    await browsers.operator.fetch('PUT', '/queues/api/queues/steps/none/retry');
    await browsers.operator.fetch('PUT', '/queues/api/queues/steps/resume');
    await browsers.operator.fetch('GET', '/queues/api/queues');
    await until('three entries', () => audited.length >= 3);
    const action = 'PUT /api/queues/:queueName/:jobId/retry';
    expect(audited).toMatchObject([
      { operator: 'an-viewer', action, target: 'steps/none', outcome: 'refused' },
      { operator: 'an-operator', action, target: 'steps/none', outcome: 'failed' },
      {
        operator: 'an-operator',
        action: 'PUT /api/queues/:queueName/resume',
        target: 'steps',
        outcome: 'done',
      },
    ]);
  });
});

describe('a request that changes the queue board', () => {
  const resume = (headers: Record<string, string>) => {
    const { cookie } = browsers.operator;
    return ask('PUT', '/queues/api/queues/steps/resume', { headers: { cookie, ...headers } });
  };
  const cases: [string, () => Record<string, string>, number][] = [
    [
      'our own page in a current browser',
      () => ({ origin: story.consoleUrl, 'sec-fetch-site': 'same-origin' }),
      200,
    ],
    ['our own page without TLS', () => ({ origin: story.consoleUrl }), 200],
    [
      'our own page, with its scheme in capitals',
      () => ({ origin: story.consoleUrl.replace('http', 'HTTP') }),
      200,
    ],
    ['our own page, by Sec-Fetch-Site only', () => ({ 'sec-fetch-site': 'same-origin' }), 200],
    ['an unknown place', () => ({}), 403],
    ['another site', () => ({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }), 403],
    ['another site in an older browser', () => ({ origin: 'https://evil.example' }), 403],
    ['a neighbour of our host', () => ({ origin: story.consoleUrl, 'sec-fetch-site': 'same-site' }), 403],
    ['another port of our host', () => ({ origin: 'http://127.0.0.1:1' }), 403],
    ['our host over TLS', () => ({ origin: story.consoleUrl.replace('http:', 'https:') }), 403],
    ['a sandboxed frame', () => ({ origin: 'null' }), 403],
    ['an address that was typed', () => ({ 'sec-fetch-site': 'none' }), 403],
    [
      'a request with two values of Sec-Fetch-Site',
      () => ({ origin: story.consoleUrl, 'sec-fetch-site': 'same-origin, cross-site' }),
      403,
    ],
  ];
  const from = (allowed: boolean) => cases.filter(([, , status]) => allowed === (status === 200));
  it.each(from(true))('is accepted from %s', async (_, headers, status) => {
    expect((await resume(headers())).status).toBe(status);
  });
  it.each(from(false))('is refused from %s', async (_, headers, status) => {
    expect((await resume(headers())).status).toBe(status);
  });
});
