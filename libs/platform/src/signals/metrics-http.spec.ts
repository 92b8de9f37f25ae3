import type { FastifyReply, FastifyRequest } from 'fastify';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { HttpMetrics } from './metrics-http.js';
import { Metrics } from './metrics.js';

let metrics: Metrics;
let http: HttpMetrics;
beforeEach(() => {
  metrics = new Metrics();
  http = new HttpMetrics(metrics);
});

const answer = (method: string, url: string | undefined, statusCode: number, more: object = {}) =>
  http.answered(
    { method, routeOptions: { url }, ...more } as unknown as FastifyRequest,
    { statusCode, elapsedTime: 30 } as FastifyReply,
  );
const linesOf = async (beginning: string) =>
  (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith(beginning));
const counts = () => linesOf('http_server_request_duration_seconds_count');
const of = (labels: string, count: number) =>
  `http_server_request_duration_seconds_count{${labels}} ${count}`;

describe('the metric for the duration of requests', () => {
  it('has a series for each method, template of a route and status', async () => {
    answer('GET', '/v1/onboardings/:id', 200);
    answer('GET', '/v1/onboardings/:id', 200);
    answer('GET', '/v1/onboardings/:id', 404);
    const route = 'http_request_method="GET",http_route="/v1/onboardings/:id"';
    expect(await counts()).toEqual([
      of(`${route},http_response_status_code="200"`, 2),
      of(`${route},http_response_status_code="404"`, 1),
    ]);
    const [at25, at50] = ['0.025', '0.05'].map((le) =>
      linesOf(`http_server_request_duration_seconds_bucket{le="${le}"`),
    );
    expect((await at25)![0]).toMatch(/ 0$/);
    expect((await at50)![0]).toMatch(/ 2$/);
  });

  it('has an empty route label for paths without a route', async () => {
    answer('GET', undefined, 404);
    http.answered({ method: 'GET' } as FastifyRequest, { statusCode: 400, elapsedTime: 1 } as FastifyReply);
    expect(await counts()).toEqual([
      of('http_request_method="GET",http_route="",http_response_status_code="404"', 1),
      of('http_request_method="GET",http_route="",http_response_status_code="400"', 1),
    ]);
  });

  it('has the same method label for all unknown methods and for bytes that are not a request', async () => {
    for (const method of ['PURGE', 'get', 'X-1', 'X-2']) answer(method, undefined, 405);
    http.unreadable(431);
    expect(await counts()).toEqual([
      of('http_request_method="_OTHER",http_route="",http_response_status_code="405"', 4),
      of('http_request_method="_OTHER",http_route="",http_response_status_code="431"', 1),
    ]);
  });
});

describe('the metric for limits', () => {
  it('counts only refusals because of a limit that has a name', async () => {
    answer('GET', '/a', 429, { problem: { code: 'rate_limited', limit: 'caller' } });
    answer('GET', '/a', 429, { problem: { code: 'otp_resend_too_soon' } });
    expect((await linesOf('gangway_limits_hit_total')).filter((line) => !line.endsWith(' 0'))).toEqual([
      'gangway_limits_hit_total{limit="caller"} 1',
    ]);
  });
});
