import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { KEY, expectProblem, send } from './http-exchange.js';
import { OPS_PASSWORD, Story } from './story.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

describe('around the onboardings', () => {
  it('the contract is OpenAPI 3.1 and names all routes, with their problems', async () => {
    const reply = await send(story, 'GET', '/openapi.json');
    expect(reply.status).toBe(200);
    const document = JSON.parse(reply.text) as {
      openapi: string;
      paths: Record<string, Record<string, { responses: object }>>;
    };
    expect(document.openapi).toMatch(/^3\.1\./);
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const one = '/v1/onboardings/{id}';
    expect(routes.sort()).toEqual(
      [
        'GET /v1/onboardings',
        'POST /v1/onboardings',
        `GET ${one}`,
        `GET ${one}/events`,
        'GET /v1/admin/api-keys',
        'POST /v1/admin/api-keys',
        'POST /v1/admin/api-keys/{id}/rotate',
        'POST /v1/admin/api-keys/{id}/revoke',
        ...[
          'otp/resend',
          'otp/verify',
          'authenticators/options',
          'authenticators',
          'cancel',
          'resolve',
          'retry',
        ].map((command) => `POST ${one}/${command}`),
      ].sort(),
    );
    const { responses } = document.paths[`${one}/otp/verify`]!['post']!;
    expect(Object.keys(responses)).toEqual(
      expect.arrayContaining([
        '200',
        '400',
        '401',
        '403',
        '404',
        '409',
        '410',
        '412',
        '422',
        '429',
        '500',
        '503',
      ]),
    );
  });

  it('the contract can be browsed', async () => {
    const page = await send(story, 'GET', '/docs');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
  });

  it('health needs no key, and names what it looked at', async () => {
    const live = await send(story, 'GET', '/health/live');
    expect([live.status, JSON.parse(live.text)]).toEqual([200, { status: 'ok' }]);
    // Degraded until the worker has run its first job.
    const ready = await until('all is well', async () => {
      const answer = await send(story, 'GET', '/health/ready');
      expect(answer.status).toBe(200);
      return (JSON.parse(answer.text) as { status: string }).status === 'ok' ? answer : null;
    });
    const { checks } = JSON.parse(ready.text) as { checks: Record<string, unknown> };
    expect(checks).toMatchObject({ redis: { status: 'up' }, worker: { status: 'up' } });
    expect(ready.text).not.toMatch(/postgres:\/\/|redis:\/\//);
  });
});

describe('the queue board', () => {
  const login = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });
  const OPERATOR = login('ops', OPS_PASSWORD);

  async function assets(): Promise<string[]> {
    const { text } = await send(story, 'GET', '/ops/queues', { headers: OPERATOR });
    return [...text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map((match) => `/ops/queues/${match[1]}`);
  }

  it('opens to an operator: its page, its data and its assets', async () => {
    const page = await send(story, 'GET', '/ops/queues', { headers: OPERATOR });
    expect(page.status).toBe(200);
    expect(page.text).toContain('Gangway');
    const data = await send(story, 'GET', '/ops/queues/api/queues', { headers: OPERATOR });
    const { queues } = JSON.parse(data.text) as { queues: { name: string }[] };
    expect(queues.map(({ name }) => name)).toEqual(expect.arrayContaining(['steps', 'expiry', 'upkeep']));
    expect((await assets()).length).toBeGreaterThan(1);
    for (const asset of await assets()) {
      expect((await send(story, 'GET', asset, { headers: OPERATOR })).status).toBe(200);
    }
  });

  it('opens to nobody else, however the path is spelt', async () => {
    const plain = [
      '/ops/queues',
      '/ops/queues/',
      '/ops/queues/api/queues',
      '/ops/queues/queue/steps',
      ...(await assets()),
    ];
    const spellings = [
      (path: string) => path,
      (path: string) => path.toUpperCase(),
      (path: string) => path.replace('/ops', '/Ops'),
      (path: string) => path.replace('ops', '%6Fps'),
      (path: string) => path.replace('queues', 'queue%73'),
      (path: string) => path.replace('/ops/', '/ops%2F'),
      (path: string) => path.replace('/ops/', '//ops/'),
      (path: string) => path.replace('/ops/', '/ops//'),
      (path: string) => path.replace('/ops/', '/x/../ops/'),
      (path: string) => path.replace('/ops/', '/ops/./'),
      (path: string) => `${path}?x=/health/live`,
      (path: string) => `${path};jsessionid=1`,
    ];
    const strangers = [{}, login('ops', 'wrong'), login('root', OPS_PASSWORD), KEY];
    for (const path of plain) {
      for (const spelling of spellings) {
        for (const headers of strangers) {
          const { status, text } = await send(story, 'GET', spelling(path), { headers });
          expect([spelling(path), [401, 404].includes(status)]).toEqual([spelling(path), true]);
          expect(text).not.toMatch(/"queues"|<html/i);
        }
      }
      for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
        const { status } = await send(story, method, path);
        expect([401, 404]).toContain(status);
      }
      const refused = await send(story, 'GET', path);
      expectProblem(refused, 401, 'unauthenticated');
      expect(refused.headers['www-authenticate']).toMatch(/^Basic/);
    }
  });

  it('takes no bearer key, and the API takes no login', async () => {
    expect((await send(story, 'GET', '/ops/queues', { headers: KEY })).status).toBe(401);
    expect((await send(story, 'GET', '/v1/onboardings', { headers: OPERATOR })).status).toBe(401);
  });
});
