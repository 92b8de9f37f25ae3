import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { send } from '../../support/http-exchange.js';
import { Story } from '../../support/story.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

describe('the service', () => {
  it('serves an OpenAPI 3.1 document with all routes and their problems', async () => {
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
        `DELETE ${one}`,
        `GET ${one}/events`,
        `GET ${one}/events/stream`,
        'GET /v1/admin/api-keys',
        'POST /v1/admin/api-keys',
        'POST /v1/admin/api-keys/{id}/rotate',
        'POST /v1/admin/api-keys/{id}/revoke',
        'GET /v1/operations',
        'POST /v1/operations',
        'GET /v1/operations/{id}',
        'GET /v1/operations/{id}/items',
        'POST /v1/operations/{id}/abort',
        'POST /v1/integrations/{name}/pause',
        'POST /v1/integrations/{name}/resume',
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

  it('serves a page that shows the OpenAPI document', async () => {
    const page = await send(story, 'GET', '/docs');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
  });

  it('reports its health without a key, with the names of its checks', async () => {
    const live = await send(story, 'GET', '/health/live');
    expect([live.status, JSON.parse(live.text)]).toEqual([200, { status: 'ok' }]);
    // The service is degraded until the worker has run a job.
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
